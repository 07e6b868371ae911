# SPDX-License-Identifier: Apache-2.0
"""Opening and closing scopes: what ``push``, ``pop``, ``start``, ``end`` and ``with scope(...)`` have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from nemo_relay._runtime import clock
from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.enums import ScopeAttributes, ScopeType
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import context, generators
from nemo_relay._runtime.tree.propagation import parse_uuid
from nemo_relay._runtime.tree.spans import ScopeHandle, Span
from nemo_relay_records.encoding import encode

_activity = registry.activity

P = ParamSpec("P")
R = TypeVar("R")

opened: Callable[[ScopeHandle], None] | None = None  # hears of each scope that opens, while somebody polls for agents


def open_scope(
    name: str,
    scope_type: ScopeType,
    parent: Span | None,
    attributes: ScopeAttributes | None,
    data: Any,
    metadata: Any,
    value: Any,
    timestamp: datetime | None,
    opener: FrameType | None,
) -> ScopeHandle:
    """Open a scope and publish its start. ``opener`` is the frame it becomes current in; None leaves it detached."""
    if type(name) is not str:
        expect_text(name, "name")
    if type(scope_type) is not ScopeType:
        expect(scope_type, ScopeType, where="scope_type")
    elsewhere = parent is not None
    if parent is None:
        parent = context.current()
    elif type(parent) is not ScopeHandle:
        expect(parent, Span, "ScopeHandle", "handle")
    bits = 0
    if attributes is not None:
        expect(attributes, ScopeAttributes, where="attributes")
        bits = attributes.value
    ns = None if timestamp is None else clock.from_datetime(timestamp)
    span = ScopeHandle(name, scope_type, parent, parent.stack, bits, data, metadata)
    # Who hears the start is settled before the scope can own anybody.
    audience = registry.audience(parent) if _activity.observed else None
    if opener is not None:
        if elsewhere or _activity.owners:
            registry.remember_place(span)
        context.enter(span)
        if opener.f_code.co_flags & generators.GENERATOR:
            generators.note(span, opener)
    if audience is not None:
        emit.start(span, audience, clock.source() if ns is None else ns, encode(value))
    if opened is not None:
        opened(span)
    return span


def resume_scope(name: str, scope_type: ScopeType, uuid: str, parent: Span | None, metadata: Any) -> ScopeHandle:
    """The handle of a scope that was opened, and published, by another process."""
    expect_text(name, "name")
    expect(scope_type, ScopeType, where="scope_type")
    if parent is None:
        parent = context.current()
    else:
        expect(parent, Span, "ScopeHandle", "parent")
    known = parse_uuid(uuid)
    span = ScopeHandle(name, scope_type, parent, parent.stack, 0, None, metadata)
    begins_session = span.session is not None and parent.session is None
    span.known_uuid = known
    if begins_session:
        span.session = known
    return span


def end_scope(span: ScopeHandle, output: Any, metadata: Any, timestamp: datetime | None) -> None:
    """Close a scope and publish its end; what it owns hears that end, and goes."""
    if type(span) is not ScopeHandle:
        expect(span, ScopeHandle, where="handle")
    ns = None if timestamp is None else clock.from_datetime(timestamp)
    audience = registry.audience(span) if _activity.observed else None
    context.close(span)
    try:
        if audience is not None:
            ns = emit.end_time(span) if ns is None else ns
            emit.end(span, audience, ns, encode(output), metadata)
    finally:
        if span.local is not None:
            registry.release(span)


# What ``open_scope`` takes before the opener.
Arguments = tuple[str, ScopeType, Span | None, ScopeAttributes | None, Any, Any, Any, datetime | None]


class ManagedScope:
    """A scope for a ``with`` or ``async with`` block, or around each call of a decorated function."""

    __slots__ = ("_arguments", "_end_timestamp", "_span")

    def __init__(self, arguments: Arguments, end_timestamp: datetime | None) -> None:
        self._arguments = arguments
        self._end_timestamp = end_timestamp

    def __enter__(self) -> ScopeHandle:
        span = self._span = open_scope(*self._arguments, sys._getframe(1))
        return span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        span = self._span
        status = emit.OK if error is None else _status(error)
        end_scope(span, None, status, self._end_timestamp)

    async def __aenter__(self) -> ScopeHandle:
        span = self._span = open_scope(*self._arguments, sys._getframe(1))
        return span

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        """Decorate ``fn``: each call, awaiting, or iteration of what it returns runs in a scope of its own."""
        from nemo_relay._runtime.managed.decorator import around

        arguments, end_timestamp = self._arguments, self._end_timestamp
        return around(fn, lambda: ManagedScope(arguments, end_timestamp))


def _status(error: BaseException) -> dict[str, Any]:
    if is_cancellation(error):
        return {"otel.status_code": "ERROR", "otel.status_description": faults.text(error) or "cancelled"}
    if isinstance(error, (Exception, KeyboardInterrupt, SystemExit)):
        return {"otel.status_code": "ERROR", "otel.status_description": faults.text(error)}
    return {"otel.status_code": "UNSET"}  # GeneratorExit: somebody stopped listening, nothing failed


def is_cancellation(error: BaseException) -> bool:
    """Whether ``error`` is asyncio's CancelledError; asyncio is not imported to find out."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)
