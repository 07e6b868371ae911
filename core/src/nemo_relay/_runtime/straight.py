# SPDX-License-Identifier: Apache-2.0
"""Calls that nothing shapes: the callback, standing in a span of its own, between the two events of the call.

Where nobody observes it either, not even those are made; a subscriber that arrives while such a call runs hears its
end. Calls with middleware go through the engine in ``managed``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nemo_relay._runtime import context, registry
from nemo_relay._runtime.llmcall import LlmCall, traced
from nemo_relay._runtime.managed import ManagedCall, finish
from nemo_relay._runtime.requests import LLMRequest
from nemo_relay._runtime.spans import LLMHandle, Span, ToolHandle
from nemo_relay._runtime.toolcall import ToolCall

_get = context.position.get
_set = context.position.set
_quiet = registry.quiet


async def _through(span: Span, func: Callable[[Any], Any], argument: Any, late: Callable[[], ManagedCall]) -> Any:
    before = _get()
    _set(span)
    try:
        answer = func(argument)
        if hasattr(type(answer), "__await__"):
            answer = await answer
    except BaseException as error:
        _set(before)
        if not _quiet.events:
            late().fail(error)
        raise
    _set(before)
    if not _quiet.events:
        late().conclude(answer)
    return answer


def _through_sync(span: Span, func: Callable[[Any], Any], argument: Any, late: Callable[[], ManagedCall]) -> Any:
    # Written out a second time: what passes through a coroutine, StopIteration does not survive.
    before = _get()
    _set(span)
    try:
        answer = func(argument)
        if hasattr(type(answer), "__await__"):
            answer = finish(answer)
    except BaseException as error:
        _set(before)
        if not _quiet.events:
            late().fail(error)
        raise
    _set(before)
    if not _quiet.events:
        late().conclude(answer)
    return answer


async def heard(call: ManagedCall) -> Any:
    """Run a call that is observed."""
    call.open()
    before = _get()
    _set(call.span)
    try:
        answer = call.func(call.argument)
        if hasattr(type(answer), "__await__"):
            answer = await answer
    except BaseException as error:
        _set(before)
        call.fail(error)
        raise
    _set(before)
    call.conclude(answer)
    return answer


def heard_sync(call: ManagedCall) -> Any:
    """The same without an event loop."""
    call.open()
    before = _get()
    _set(call.span)
    try:
        answer = call.func(call.argument)
        if hasattr(type(answer), "__await__"):
            answer = finish(answer)
    except BaseException as error:
        _set(before)
        call.fail(error)
        raise
    _set(before)
    call.conclude(answer)
    return answer


def straight_tool(
    name: str,
    args: Any,
    func: Callable[[Any], Any],
    parent: Span,
    bits: int,
    data: Any,
    metadata: Any,
    tool_call_id: str | None,
) -> Awaitable[Any]:
    """A tool call without events."""
    span = ToolHandle(name, parent, bits, data, metadata, tool_call_id)
    return _through(span, func, args, lambda: _late_tool(span))


def straight_tool_sync(
    name: str,
    args: Any,
    func: Callable[[Any], Any],
    parent: Span,
    bits: int,
    data: Any,
    metadata: Any,
    tool_call_id: str | None,
) -> Any:
    """The same without an event loop."""
    span = ToolHandle(name, parent, bits, data, metadata, tool_call_id)
    return _through_sync(span, func, args, lambda: _late_tool(span))


def straight_llm(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Any],
    parent: Span,
    bits: int,
    data: Any,
    metadata: Any,
    model_name: str | None,
    response_codec: Any,
) -> Awaitable[Any]:
    """An LLM call without events."""
    span = LLMHandle(name, parent, bits, data, metadata, model_name)
    return _through(span, func, traced(request, span, False), lambda: _late_llm(span, response_codec))


def straight_llm_sync(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Any],
    parent: Span,
    bits: int,
    data: Any,
    metadata: Any,
    model_name: str | None,
    response_codec: Any,
) -> Any:
    """The same without an event loop."""
    span = LLMHandle(name, parent, bits, data, metadata, model_name)
    return _through_sync(span, func, traced(request, span, False), lambda: _late_llm(span, response_codec))


def _unused(_value: Any) -> Any:
    raise AssertionError("a call that has run is not run again")


def _late_tool(span: ToolHandle) -> ToolCall:
    parent = span._parent
    assert parent is not None
    call = ToolCall(
        span._name,
        None,
        _unused,
        parent,
        span._bits,
        span._data,
        span._metadata,
        span._tool_call_id,
        sync=True,
    )
    call.span = span
    return call


def _late_llm(span: LLMHandle, response_codec: Any) -> LlmCall:
    parent = span._parent
    assert parent is not None
    call = LlmCall(
        span._name,
        LLMRequest({}, None),
        _unused,
        parent,
        span._bits,
        span._data,
        span._metadata,
        span._model_name,
        None,
        response_codec,
        sync=True,
    )
    call.span = span
    return call
