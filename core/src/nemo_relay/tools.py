# SPDX-License-Identifier: Apache-2.0
"""Tool calls: managed (the runtime runs the tool) and manual (the application does, and reports).

>>> import asyncio
>>> from nemo_relay import ToolExecutionResult, tools
>>> async def add(args):
...     return ToolExecutionResult(args["a"] + args["b"])
>>> asyncio.run(tools.execute("add", {"a": 1, "b": 2}, add)).result
3
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from nemo_relay._runtime import clock
from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay._runtime.enums import ToolAttributes
from nemo_relay._runtime.exports import borrowed
from nemo_relay._runtime.managed.call import ManagedCall
from nemo_relay._runtime.managed.direct import through, through_sync
from nemo_relay._runtime.managed.engine import steps
from nemo_relay._runtime.managed.layers import drive, named
from nemo_relay._runtime.managed.tool import TOOL, end_tool_by_hand, open_tool
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import ScopeHandle, Span, ToolHandle

__all__ = ["call", "call_end", "conditional_execution", "execute", "execute_sync", "request_intercepts"]

__getattr__ = borrowed(
    __name__,
    {
        "nemo_relay": "ScopeHandle ToolExecutionResult",
        "nemo_relay.types": "Json",
    },
)

_execute_through = named(through, "tools.execute")
_execute_steps = named(steps, "tools.execute")


def _checked(name: object, handle: object, attributes: object, tool_call_id: object) -> tuple[Span, int]:
    if type(name) is not str:
        expect_text(name, "name")
    if tool_call_id is not None and type(tool_call_id) is not str:
        expect_text(tool_call_id, "tool_call_id")
    if handle is None:
        parent = context.current()
    else:
        if type(handle) is not ScopeHandle:
            expect(handle, Span, "ScopeHandle", "handle")
        parent = handle  # type: ignore[assignment]
    if attributes is None:
        return parent, 0
    expect(attributes, ToolAttributes, where="attributes")
    return parent, attributes.value  # type: ignore[attr-defined]


def call(
    name: str,
    args: Any,
    *,
    handle: Span | None = None,
    attributes: ToolAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    tool_call_id: str | None = None,
    timestamp: datetime | None = None,
) -> ToolHandle:
    """Report that a tool call starts; the application runs the tool itself.

    Args:
        name: the tool's name.
        args: its arguments, any value.
        handle: the span it belongs to; the current one when None.
        attributes: flags for observers.
        data: kept on the handle, never emitted.
        metadata: any JSON value for the start event; the end event starts from it.
        tool_call_id: the id by which the model asked for the call.
        timestamp: a timezone-aware start time instead of now.

    Returns:
        The handle, for ``call_end``.
    """
    parent, bits = _checked(name, handle, attributes, tool_call_id)
    ns = None if timestamp is None else clock.from_datetime(timestamp)
    return open_tool(name, args, parent, bits, data, metadata, tool_call_id, ns)


def call_end(
    handle: ToolHandle,
    result: Any,
    *,
    data: Any = None,
    metadata: Any = None,
    timestamp: datetime | None = None,
) -> None:
    """Report that a tool call has ended.

    Args:
        handle: what ``call`` returned.
        result: a ``ToolExecutionResult``, or the plain result as programs for 0.5 to 0.7 give it.
        data: the payload where the result is None.
        metadata: laid over the start metadata, key by key.
        timestamp: a timezone-aware end time instead of now.
    """
    if type(handle) is not ToolHandle:
        expect(handle, ToolHandle, where="handle")
    end_tool_by_hand(handle, result, data, metadata, None if timestamp is None else clock.from_datetime(timestamp))


def execute(
    name: str,
    args: Any,
    func: Callable[[Any], Any],
    *,
    handle: Span | None = None,
    attributes: ToolAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    tool_call_id: str | None = None,
    execution_options: Any = None,
    execution_context: Mapping[str, Any] | None = None,
) -> Awaitable[Any]:
    """Run a tool through guardrails, intercepts and events; starts when awaited.

    Args:
        name: the tool's name.
        args: its arguments; ``func`` gets this very object unless an intercept changes it.
        func: the tool, sync or async, called with the arguments. It returns a ``ToolExecutionResult`` or a plain value.
        handle: the span it belongs to; the current one when None.
        attributes: flags for observers.
        data: the payload of the end event where there is no result.
        metadata: any JSON value for the events.
        tool_call_id: the id by which the model asked for the call.
        execution_options: a mapping or an object with ``conditional_execution``, ``request_intercepts`` and
            ``execution_intercepts``: which middleware takes part in this call; all where left out.
        execution_context: ``{"data": {...}}``, JSON for execution intercepts alone: each gets a copy, events have none.

    Returns:
        A coroutine; awaited, it gives the very object that ``func`` returned unless an intercept changed it.

    Raises:
        GuardrailRejected: a conditional guardrail refused; the tool did not run.
        Exception: whatever ``func`` or a middleware callback raised, the same object.
    """
    parent, bits = _checked(name, handle, attributes, tool_call_id)
    span = ToolHandle(name, parent, bits, data, metadata, tool_call_id)
    if execution_options is not None or execution_context is not None:
        made = ManagedCall(TOOL, span, args, func, sync=False).directed(execution_options, execution_context)
        return _execute_steps(made)  # type: ignore[no-any-return]
    if not registry.activity.shapes_tools:
        return _execute_through(TOOL, span, args, func)  # type: ignore[no-any-return]
    return _execute_steps(ManagedCall(TOOL, span, args, func, sync=False))  # type: ignore[no-any-return]


def execute_sync(
    name: str,
    args: Any,
    func: Callable[[Any], Any],
    *,
    handle: Span | None = None,
    attributes: ToolAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    tool_call_id: str | None = None,
    execution_options: Any = None,
    execution_context: Mapping[str, Any] | None = None,
) -> Any:
    """The synchronous twin of ``execute``: same order, same thread, no event loop.

    Args:
        All as for ``execute``.

    Returns:
        What the awaited ``execute`` gives.

    Raises:
        Exception: as ``execute`` does.

    >>> from nemo_relay import tools
    >>> tools.execute_sync("double", 21, lambda value: value * 2)
    42
    """
    parent, bits = _checked(name, handle, attributes, tool_call_id)
    span = ToolHandle(name, parent, bits, data, metadata, tool_call_id)
    if execution_options is not None or execution_context is not None:
        made = ManagedCall(TOOL, span, args, func, sync=True).directed(execution_options, execution_context)
        return drive(steps(made))
    if not registry.activity.shapes_tools:
        return through_sync(TOOL, span, args, func)
    return drive(steps(ManagedCall(TOOL, span, args, func, sync=True)))


def _unstarted(name: str, args: Any, handle: Span | None) -> ManagedCall:
    parent, bits = _checked(name, handle, None, None)
    return ManagedCall(TOOL, ToolHandle(name, parent, bits, None, None, None), args, lambda value: value, sync=False)


def request_intercepts(name: str, args: Any, *, handle: Span | None = None) -> Any:
    """Run the request intercepts alone.

    Args:
        name: the tool's name.
        args: what the first intercept gets a copy of.
        handle: the span whose middleware it is; the current one when None.

    Returns:
        The arguments they make of ``args``; an awaitable of them inside a running loop.
    """
    from nemo_relay._runtime.managed.single_steps import rewrite

    return rewrite(_unstarted(name, args, handle))


def conditional_execution(name: str, args: Any, *, handle: Span | None = None) -> Any:
    """Ask the conditional guardrails alone.

    Args:
        name: the tool's name.
        args: its arguments; guardrails get a copy.
        handle: the span whose middleware it is; the current one when None.

    Returns:
        None; an awaitable of it inside a running loop.

    Raises:
        GuardrailRejected: one of them refused.
    """
    from nemo_relay._runtime.managed.single_steps import check_guardrails

    return check_guardrails(_unstarted(name, args, handle))
