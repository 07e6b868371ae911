# SPDX-License-Identifier: Apache-2.0
"""Scopes: they give work an owner, a parent, a lifetime and isolation.

>>> from nemo_relay import ScopeType, scope
>>> with scope.scope("planner", ScopeType.Agent, input={"goal": "demo"}) as handle:
...     scope.event("checkpoint", data={"step": 1})
...     scope.get_handle() is handle
True
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime import clock
from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.emission.marks import checked_schema, rearm_freshness
from nemo_relay._runtime.enums import LogSeverity, ScopeAttributes, ScopeType
from nemo_relay._runtime.events.events import SEVERITY_KEY
from nemo_relay._runtime.exports import borrowed, claim
from nemo_relay._runtime.managed.scope import ManagedScope, end_scope, open_scope, resume_scope
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import context, propagation
from nemo_relay._runtime.tree.spans import ScopeHandle, Span
from nemo_relay.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from nemo_relay._runtime.emission.metrics import MetricMeasurement
    from nemo_relay._runtime.managed.agents import OpenAgents as OpenAgents

__all__ = [
    "OpenAgents",
    "annotate",
    "deregister_resolver",
    "deregister_tracer",
    "end",
    "event",
    "get_handle",
    "metric",
    "pop",
    "push",
    "register_resolver",
    "register_tracer",
    "resume",
    "scope",
    "start",
    "use",
]

claim(globals())

__getattr__ = borrowed(
    __name__,
    {
        "nemo_relay": "MetricMeasurement",
        "nemo_relay._runtime.managed.agents": "OpenAgents",
        "nemo_relay.types": "DataSchema Json",
    },
)


def get_handle() -> Span:
    """The span that work started here belongs to; the stack's implicit root when nothing is open."""
    return context.current()


def push(
    name: str,
    scope_type: ScopeType,
    *,
    handle: Span | None = None,
    attributes: ScopeAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    input: Any = None,
    timestamp: datetime | None = None,
) -> ScopeHandle:
    """Open a scope and make it current in this context.

    Args:
        name: shown in events; may be empty.
        scope_type: what kind of work it is.
        handle: its parent; the current span when None.
        attributes: flags for observers.
        data: kept on the handle, never emitted.
        metadata: any JSON value for the start event; the end event starts from it.
        input: the payload of the start event.
        timestamp: a timezone-aware start time instead of now.

    Returns:
        The handle, for ``pop``.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: the timestamp is naive.
    """
    return open_scope(name, scope_type, handle, attributes, data, metadata, input, timestamp, sys._getframe(1))


def pop(handle: ScopeHandle, *, output: Any = None, metadata: Any = None, timestamp: datetime | None = None) -> None:
    """End a scope, wherever this context stands. What it owns goes with it.

    Args:
        handle: what ``push`` returned.
        output: the payload of the end event.
        metadata: laid over the start metadata, key by key.
        timestamp: a timezone-aware end time instead of now.

    Raises:
        NotFound: it has ended already (a RuntimeError).
        RootScopeError: it is the root (a RuntimeError).
        ScopeOrderError: it belongs to an explicit ``ScopeStack`` and is not its top (a RuntimeError).
    """
    end_scope(handle, output, metadata, timestamp)


def start(
    name: str,
    scope_type: ScopeType,
    *,
    parent: Span | None = None,
    attributes: ScopeAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    input: Any = None,
    timestamp: datetime | None = None,
) -> ScopeHandle:
    """Open a *detached* scope: like ``push``, but the current scope of this context stays what it is.

    For adapters and for work that starts in one place and ends in another: any thread, any order, any scope stack.

    Args:
        parent: its parent; the current span when None.

    The rest is as for ``push``.

    Returns:
        The handle, for ``end``.

    Raises:
        TypeError, ValueError: as for ``push``.

    >>> from nemo_relay import ScopeType, scope
    >>> job = scope.start("job", ScopeType.Function)
    >>> scope.end(job), scope.end(job)
    (True, False)
    """
    return open_scope(name, scope_type, parent, attributes, data, metadata, input, timestamp, None)


def resume(
    name: str,
    scope_type: ScopeType,
    uuid: str,
    *,
    parent: Span | None = None,
    metadata: Any = None,
) -> ScopeHandle:
    """A handle for a scope whose start another process has published: work goes below it here, and ``end`` ends it.

    For replicas that take over from each other. No event says that it was resumed.

    Args:
        name: as it was started.
        scope_type: as it was started.
        uuid: the identifier that its start event has.
        parent: its parent; the current span when None.
        metadata: what it was started with, which its end event starts from.

    Returns:
        The handle, for ``end``.

    Raises:
        TypeError: an argument has the wrong type.
        InvalidValue: ``uuid`` is none (a ValueError).

    >>> from nemo_relay import ScopeType, scope
    >>> job = scope.resume("job", ScopeType.Function, "018f13f0-7c1a-7a80-8000-000000000701")
    >>> scope.end(job)
    True
    """
    return resume_scope(name, scope_type, uuid, parent, metadata)


def end(handle: ScopeHandle, *, output: Any = None, metadata: Any = None, timestamp: datetime | None = None) -> bool:
    """End a detached scope, wherever this context stands.

    Args:
        All as for ``pop``.

    Returns:
        False when it had ended already.

    Raises:
        RootScopeError: it is the root (a RuntimeError).
    """
    if type(handle) is not ScopeHandle:
        expect(handle, ScopeHandle, where="handle")
    if not handle.is_open:
        return False
    try:
        end_scope(handle, output, metadata, timestamp)
    except NotFound:  # another thread was faster
        return False
    return True


class use:
    """Make ``handle`` the current span of this context for the block, without owning its lifetime."""

    __slots__ = ("_before", "_handle")

    def __init__(self, handle: Span) -> None:
        expect(handle, Span, "ScopeHandle", "handle")
        self._handle = handle

    def __enter__(self) -> Span:
        self._before = context.position.get()
        context.position.set(self._handle)
        return self._handle

    def __exit__(self, *_: object) -> None:
        context.position.set(self._before)


def scope(
    name: str,
    scope_type: ScopeType,
    *,
    handle: Span | None = None,
    attributes: ScopeAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    input: Any = None,
    timestamp: datetime | None = None,
    end_timestamp: datetime | None = None,
) -> ManagedScope:
    """A scope for a block, or, as a decorator, for each call of a function (sync or async).

    At the end of the block the outcome is recorded: ``otel.status_code`` is ``OK``, or ``ERROR`` with a
    description when
    the block raised. The exception passes through untouched.
    Args:
        end_timestamp: a timezone-aware end time instead of the end of the block.

    The rest is as for ``push``.

    Returns:
        A context manager (sync and async) that gives the handle, and a decorator.

    >>> from nemo_relay import ScopeType, scope
    >>> @scope.scope("add", ScopeType.Function)
    ... def add(a, b):
    ...     return a + b
    >>> add(1, 2)
    3
    """
    arguments = (name, scope_type, handle, attributes, data, metadata, input, timestamp)
    return ManagedScope(arguments, end_timestamp)


def annotate(handle: Span, metadata: dict[str, Any]) -> None:
    """Add ``metadata`` to the end event of a span that is still open: a scope, a tool call or an LLM call.

    It is laid over everything else that the end event says, its status included, so whoever knows better how the
    work ended (an adapter that sees a framework's control flow pass as an exception) has the last word.

    Args:
        handle: a span that is open.
        metadata: keys and JSON values.

    >>> from nemo_relay import ScopeType, scope
    >>> with scope.scope("work", ScopeType.Function) as handle:
    ...     scope.annotate(handle, {"rows": 3})
    """
    expect(handle, Span, "ScopeHandle", "handle")
    expect(metadata, dict, where="metadata")
    handle.annotations = {**(handle.annotations or {}), **metadata}


def event(
    name: str,
    *,
    handle: Span | None = None,
    data: Any = None,
    data_schema: dict[str, str] | None = None,
    metadata: Any = None,
    severity: LogSeverity | None = None,
    timestamp: datetime | None = None,
    category: str | None = None,
) -> None:
    """Emit a mark: a moment worth recording.

    Args:
        name: shown in events. A mark named ``compaction`` makes the next LLM call record its whole history again.
        handle: the span it belongs to; the current one when None.
        data: any payload.
        data_schema: ``{"name", "version"}`` of the payload's schema.
        metadata: any JSON value.
        severity: stored in the metadata as ``nemo_relay.log.severity``.
        timestamp: a timezone-aware time instead of now.
        category: what kind of mark it is, for those who sort them.

    Raises:
        InvalidArgument: ``severity`` with metadata that is no object.
        ValueError: a malformed ``data_schema`` or naive timestamp.
    """
    if type(name) is not str:
        expect_text(name, "name")
    if handle is not None and type(handle) is not ScopeHandle:
        expect(handle, Span, "ScopeHandle", "handle")
    if category is not None:
        expect_text(category, "category")
    ns = None if timestamp is None else clock.from_datetime(timestamp)
    if data_schema is not None:
        data_schema = checked_schema(data_schema)
    if severity is not None:
        expect(severity, LogSeverity, where="severity")
        if metadata is not None and not isinstance(metadata, dict):
            raise InvalidArgument("mark metadata must be a JSON object when severity is provided")
        metadata = {**(metadata or {}), SEVERITY_KEY: severity.name.lower()}
    if name == "compaction":
        rearm_freshness(handle or context.current())
    if not registry.activity.observed:
        return
    where = handle or context.current()
    emit.mark(name, where, data=data, metadata=metadata, data_schema=data_schema, ns=ns, category=category)


def metric(
    name: str,
    measurements: Iterable[MetricMeasurement],
    *,
    handle: Span | None = None,
    metadata: Any = None,
    timestamp: datetime | None = None,
) -> None:
    """Emit one mark that carries a group of measurements, validated as a whole.

    Args:
        name: shown in events.
        measurements: at least one.
        handle, metadata, timestamp: as for ``event``.

    Raises:
        TypeError: an item is no ``MetricMeasurement``.
        InvalidValue: a measurement breaks a rule (a ValueError); nothing is emitted then.
    """
    from nemo_relay._runtime.emission.metrics import checked_measurements

    data = {"measurements": checked_measurements(list(measurements))}
    schema = {"name": "nemo.relay.metric_measurements", "version": "1"}
    event(name, handle=handle, data=data, data_schema=schema, metadata=metadata, timestamp=timestamp)


def register_resolver(name: str, fn: Callable[[], Span | None]) -> None:
    """Let a framework adapter say which of its spans is current.

    Args:
        name: its own name; the same name replaces.
        fn: asked at every look at the current span. What it raises is counted and reported, and it is passed over.

    ``fn`` takes nothing and returns the handle of the framework's innermost run here, or None. Work started inside
    that run then belongs to it, unless a scope was opened inside the run: that one is nearer.
    """
    expect_text(name)
    context.register_resolver(name, fn)


def deregister_resolver(name: str) -> bool:
    """Stop asking the resolver of that name; False when there is none."""
    return context.deregister_resolver(name)


def register_tracer(name: str, fn: Callable[[Span], tuple[str, bool] | None]) -> None:
    """Let an exporter say which trace a span belongs to, where that is not the run's own.

    Args:
        name: its own name; the same name replaces.
        fn: asked for each ``traceparent`` that is made, with the span. It returns the trace's id, 32 hex digits, and
            whether it is sampled; or None for what belongs to no other trace. What it raises is counted and reported.
    """
    expect_text(name)
    propagation.register_tracer(name, fn)


def deregister_tracer(name: str) -> bool:
    """Stop asking the tracer of that name; False when there is none."""
    return propagation.deregister_tracer(name)
