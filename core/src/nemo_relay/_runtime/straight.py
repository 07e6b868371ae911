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
from nemo_relay._runtime.managed import ManagedCall, drive, finish, steps
from nemo_relay._runtime.requests import LLMRequest
from nemo_relay._runtime.spans import LLMHandle, Span, ToolHandle
from nemo_relay._runtime.toolcall import ToolCall

_get = context.position.get
_set = context.position.set
_quiet = registry.quiet


async def _through(
    span: Span, func: Callable[[Any], Any], argument: Any, quiet: Callable[[], bool], make: Callable[[], ManagedCall]
) -> Any:
    if not quiet():  # somebody came between the making of this call and its awaiting
        return await heard(make())
    before = _get()
    _set(span)
    try:
        answer = func(argument)
        if hasattr(type(answer), "__await__"):
            answer = await answer
    except BaseException as error:
        _set(before)
        if not _quiet.events:
            _late(make(), span).fail(error)
        raise
    _set(before)
    if not _quiet.events:
        _late(make(), span).conclude(answer)
    return answer


def _through_sync(span: Span, func: Callable[[Any], Any], argument: Any, make: Callable[[], ManagedCall]) -> Any:
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
            _late(make(), span).fail(error)
        raise
    _set(before)
    if not _quiet.events:
        _late(make(), span).conclude(answer)
    return answer


def _late(call: ManagedCall, span: Span) -> ManagedCall:
    """``call``, standing in the ``span`` that was made before anybody listened; it hears of the end alone."""
    call.span = span
    return call


def quiet_tools() -> bool:
    """Whether a tool call would meet nobody now."""
    return _quiet.tools and _quiet.events


def quiet_llms() -> bool:
    """Whether an LLM call would meet nobody now."""
    return _quiet.llms and _quiet.events


async def heard(call: ManagedCall) -> Any:
    """Run a call that is observed, and that nothing shapes unless a policy has come since it was made."""
    if not call.is_unshaped():
        return await drive(steps(call))
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

    def make() -> ToolCall:
        return ToolCall(name, args, func, parent, bits, data, metadata, tool_call_id, sync=False)

    span = ToolHandle(name, parent, bits, data, metadata, tool_call_id)
    return _through(span, func, args, quiet_tools, make)


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

    def make() -> ToolCall:
        return ToolCall(name, args, func, parent, bits, data, metadata, tool_call_id, sync=True)

    span = ToolHandle(name, parent, bits, data, metadata, tool_call_id)
    return _through_sync(span, func, args, make)


def straight_llm(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Any],
    parent: Span,
    bits: int,
    data: Any,
    metadata: Any,
    model_name: str | None,
    codec: Any,
    response_codec: Any,
) -> Awaitable[Any]:
    """An LLM call without events."""

    def make() -> LlmCall:
        return LlmCall(name, request, func, parent, bits, data, metadata, model_name, codec, response_codec, sync=False)

    span = LLMHandle(name, parent, bits, data, metadata, model_name)
    return _through(span, func, traced(request, span, False), quiet_llms, make)


def straight_llm_sync(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Any],
    parent: Span,
    bits: int,
    data: Any,
    metadata: Any,
    model_name: str | None,
    codec: Any,
    response_codec: Any,
) -> Any:
    """The same without an event loop."""

    def make() -> LlmCall:
        return LlmCall(name, request, func, parent, bits, data, metadata, model_name, codec, response_codec, sync=True)

    span = LLMHandle(name, parent, bits, data, metadata, model_name)
    return _through_sync(span, func, traced(request, span, False), make)
