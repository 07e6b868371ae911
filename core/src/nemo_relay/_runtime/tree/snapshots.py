# SPDX-License-Identifier: Apache-2.0
"""What is open around a piece of work, as ids and types that nothing changes any more: for logs and tests."""

from __future__ import annotations

from typing import NamedTuple

from nemo_relay._runtime.enums import ScopeType
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import ScopeHandle, Span


class ScopeStackEntry(NamedTuple):
    """One span of a snapshot: its identifier, and what kind of work it stands for."""

    scope_id: str
    scope_type: ScopeType


class ScopeStackSnapshot(NamedTuple):
    """The spans around a piece of work, the root first. What is opened or closed later does not show."""

    entries: tuple[ScopeStackEntry, ...]

    @property
    def scopes(self) -> list[ScopeStackEntry]:
        """The spans, from the root to the innermost; a list of one's own."""
        return list(self.entries)


def current_scope_stack_snapshot() -> ScopeStackSnapshot:
    """What is open here: the implicit or imported root, and all down to the current span.

    >>> from nemo_relay import ScopeType, current_scope_stack_snapshot, scope
    >>> with scope.scope("work", ScopeType.Function) as handle:
    ...     innermost = current_scope_stack_snapshot().scopes[-1]
    >>> innermost.scope_id == handle.uuid, innermost.scope_type
    (True, ScopeType.Function)
    """
    entries = []
    span: Span | None = context.current()
    while span is not None:
        entries.append(ScopeStackEntry(span.uuid, _type_of(span)))
        span = span.parent_span
    return ScopeStackSnapshot(tuple(reversed(entries)))


def _type_of(span: Span) -> ScopeType:
    if isinstance(span, ScopeHandle):
        return span.scope_type
    return ScopeType.Llm if span.category == "llm" else ScopeType.Tool


ScopeStackEntry.__module__ = ScopeStackSnapshot.__module__ = "nemo_relay"  # where users find them
