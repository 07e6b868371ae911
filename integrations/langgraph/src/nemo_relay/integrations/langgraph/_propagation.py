# SPDX-License-Identifier: Apache-2.0
"""The trace of a graph run across processes: as headers on the way out, as the parent of a run on the way in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from nemo_relay import (
    PropagationContext,
    capture_propagation_context,
    capture_traceparent,
    create_scope_stack_from_propagation,
    scope,
    use_scope_stack,
)
from nemo_relay.errors import NoActiveScope
from nemo_relay.integrations.langchain import current_scope
from nemo_relay.integrations.langchain.adapter import guard

from ._loops import Call

TRACEPARENT = "traceparent"
CONTEXT = "x-nemo-relay-context"  # the whole uuid of the parent, of which a traceparent holds only one half
_W3C = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def propagate_headers(headers: dict[str, str] | None = None) -> dict[str, str]:
    """``headers`` with the position of the node or tool that runs here.

    For ``RemoteGraph(..., headers=...)``, MCP servers and HTTP tools: ``traceparent`` for everyone, and
    ``x-nemo-relay-context`` for a graph that this adapter records at the other end. Outside of recorded runs it is the
    position of the current scope; where nothing is open, nothing is added.

    Args:
        headers: headers to add it to; not changed.

    Returns:
        A new dictionary.

    >>> from nemo_relay import ScopeType, scope
    >>> with scope.scope("app", ScopeType.Function):
    ...     sorted(propagate_headers({"x-team": "red"}))
    ['traceparent', 'x-nemo-relay-context', 'x-team']
    """
    with scope.use(current_scope() or scope.get_handle()), suppress(NoActiveScope):
        found = capture_traceparent()
        return {**(headers or {}), TRACEPARENT: found, CONTEXT: capture_propagation_context().to_json()}
    return dict(headers or {})


def position(headers: Mapping[str, Any]) -> PropagationContext | None:
    """The position that these headers tell; None when they tell none.

    A ``traceparent`` alone gives the trace, and a parent of which only the span id is the sender's.
    """
    given = headers.get(CONTEXT)
    if isinstance(given, str):
        with suppress(ValueError, OverflowError):
            return PropagationContext.from_json(given)
    header = headers.get(TRACEPARENT)
    found = _W3C.fullmatch(header) if isinstance(header, str) else None
    if found is None:
        return None
    with suppress(ValueError):
        return PropagationContext(str(UUID(found[1][:16] + found[2])), None, 1, header)
    return None


@contextmanager
def remote_parent(call: Call | None) -> Iterator[None]:
    """Let an outermost graph run that starts in the block be a child of the caller in another process.

    LangGraph Server hands the headers of a request to the graph as ``configurable``. A scope that is open here, of
    the server's own perhaps, is nearer and stays the parent.

    Args:
        call: how the graph was called.
    """
    found: list[PropagationContext] = []
    guard("propagation", _look_up, call, found)
    if not found:
        yield
        return
    with use_scope_stack(create_scope_stack_from_propagation(found[0])):
        yield


def _look_up(call: Call | None, found: list[PropagationContext]) -> None:
    place = position(call.configurable) if call is not None else None
    if place is not None and scope.get_handle().parent is None:
        found.append(place)
