# SPDX-License-Identifier: Apache-2.0
"""LLM calls: managed (the runtime calls the provider function) and manual (the application does, and reports).

>>> import asyncio
>>> from nemo_relay import LLMRequest, llm
>>> request = LLMRequest({}, {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}]})
>>> asyncio.run(llm.execute("demo", request, lambda request: {"content": "Hello"}, model_name="m-1"))
{'content': 'Hello'}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime import clock
from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.enums import LLMAttributes
from nemo_relay._runtime.exports import borrowed
from nemo_relay._runtime.managed.annotations import checked_response, resolve
from nemo_relay._runtime.managed.call import ManagedCall
from nemo_relay._runtime.managed.direct import through, through_sync
from nemo_relay._runtime.managed.engine import steps
from nemo_relay._runtime.managed.layers import drive, named
from nemo_relay._runtime.managed.llm import LLM, end_llm, open_llm
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import context, propagation
from nemo_relay._runtime.tree.spans import LLMHandle, ScopeHandle, Span
from nemo_relay_codecs.request import LLMRequest

if TYPE_CHECKING:
    from nemo_relay._runtime.managed.streaming.stream import LlmStream, StreamCall, SyncLlmStream

__all__ = [
    "call",
    "call_end",
    "conditional_execution",
    "configure",
    "execute",
    "execute_sync",
    "request_intercepts",
    "stream_execute",
    "stream_execute_sync",
]

__getattr__ = borrowed(
    __name__,
    {
        "nemo_relay": "LLMRequestInterceptOutcome ScopeHandle",
        "nemo_relay._runtime.managed.streaming.stream": "LlmStream SyncLlmStream",
        "nemo_relay.types": "Json",
    },
)

_execute_through = named(through, "llm.execute")
_execute_steps = named(steps, "llm.execute")
_stream_steps = named(steps, "llm.stream_execute")


def _checked(name: object, request: object, handle: object, attributes: object, model_name: object) -> tuple[Span, int]:
    if type(name) is not str:
        expect_text(name, "name")
    if type(request) is not LLMRequest:
        expect(request, LLMRequest, where="request")
    if model_name is not None and type(model_name) is not str:
        expect_text(model_name, "model_name")
    if handle is None:
        parent = context.current()
    else:
        if type(handle) is not ScopeHandle:
            expect(handle, Span, "ScopeHandle", "handle")
        parent = handle  # type: ignore[assignment]
    if attributes is None:
        return parent, 0
    expect(attributes, LLMAttributes, where="attributes")
    return parent, attributes.value  # type: ignore[attr-defined]


def configure(*, send_traceparent: bool) -> None:
    """Choose whether provider requests get the ``traceparent`` header of their call; they do unless told otherwise."""
    propagation.send_header = send_traceparent


def call(
    name: str,
    request: LLMRequest,
    *,
    handle: Span | None = None,
    attributes: LLMAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    model_name: str | None = None,
    timestamp: datetime | None = None,
    codec: Any = None,
) -> LLMHandle:
    """Report that an LLM call starts; the application calls the provider itself.

    Args:
        name: the provider's name.
        request: headers and body; headers that carry credentials stay out of the event.
        handle: the span it belongs to; the current one when None.
        attributes: flags for observers.
        data: kept on the handle, never emitted.
        metadata: any JSON value for the start event; the end event starts from it.
        model_name: the model asked for.
        timestamp: a timezone-aware start time instead of now.
        codec: gives observers a normalised view of the request; a codec or the name of one.

    Returns:
        The handle, for ``call_end``.
    """
    parent, bits = _checked(name, request, handle, attributes, model_name)
    ns = None if timestamp is None else clock.from_datetime(timestamp)
    return open_llm(name, request, parent, bits, data, metadata, model_name, codec, ns)


def call_end(
    handle: LLMHandle,
    response: Any,
    *,
    data: Any = None,
    metadata: Any = None,
    annotated_response: Any = None,
    response_codec: Any = None,
    timestamp: datetime | None = None,
    time_to_first_chunk: float | None = None,
) -> None:
    """Report that an LLM call has ended.

    Args:
        handle: what ``call`` returned.
        response: the provider's response, any value.
        data: the payload where the response is None.
        metadata: laid over the start metadata; ``otel.status_code`` is ``OK`` unless it says otherwise.
        annotated_response: the normalised response, an ``AnnotatedLLMResponse`` or a mapping of its attributes.
        response_codec: makes the normalised response where none is given; a failure is logged, not raised.
        timestamp: a timezone-aware end time instead of now.
        time_to_first_chunk: for a stream, the seconds from the start to its first chunk.

    Raises:
        ValueError: a malformed ``annotated_response``.
    """
    if type(handle) is not LLMHandle:
        expect(handle, LLMHandle, where="handle")
    annotated = None if annotated_response is None else checked_response(annotated_response, handle)
    status = {**emit.OK, **metadata} if isinstance(metadata, dict) else emit.over(metadata, emit.OK)
    ns = None if timestamp is None else clock.from_datetime(timestamp)
    end_llm(
        *(handle, response, status, resolve(response_codec)),
        annotated=annotated,
        data=data,
        first_chunk=time_to_first_chunk,
        ns=ns,
    )


def execute(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Any],
    *,
    handle: Span | None = None,
    attributes: LLMAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    model_name: str | None = None,
    codec: Any = None,
    response_codec: Any = None,
    execution_options: Any = None,
    execution_context: Mapping[str, Any] | None = None,
) -> Awaitable[Any]:
    """Call a provider through guardrails, intercepts and events; starts when awaited.

    Args:
        name: the provider's name.
        request: headers and body. ``func`` gets the same body object unless an intercept changes it, and a
            ``traceparent`` header where the call belongs to a trace (see ``configure``).
        func: sync or async, called with the request; returns the response.
        handle: the span it belongs to; the current one when None.
        attributes: flags for observers.
        data: the payload of the end event where there is no response.
        metadata: any JSON value for the events.
        model_name: the model asked for.
        codec: gives intercepts and observers a normalised view of the request; a codec or the name of one.
        response_codec: gives observers a normalised view of the response; a codec or the name of one.
        execution_options: a mapping or an object with ``conditional_execution``, ``request_intercepts`` and
            ``execution_intercepts``: which middleware takes part in this call; all where left out.
        execution_context: ``{"data": {...}}``, JSON for execution intercepts alone: each gets a copy, events have none.

    Returns:
        A coroutine; awaited, it gives the very object that ``func`` returned unless an intercept replaced it.

    Raises:
        GuardrailRejected: a conditional guardrail refused; the provider was not called.
        Exception: whatever ``func`` or a middleware callback raised, the same object.
    """
    parent, bits = _checked(name, request, handle, attributes, model_name)
    span = LLMHandle(name, parent, bits, data, metadata, model_name)
    if codec is not None or response_codec is not None:
        span.codec, span.response_codec = resolve(codec), resolve(response_codec)
    if execution_options is not None or execution_context is not None:
        made = ManagedCall(LLM, span, request, func, sync=False).directed(execution_options, execution_context)
        return _execute_steps(made)  # type: ignore[no-any-return]
    if registry.activity.shapes_llms:
        return _execute_steps(ManagedCall(LLM, span, request, func, sync=False))  # type: ignore[no-any-return]
    return _execute_through(LLM, span, request, func)  # type: ignore[no-any-return]


def execute_sync(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Any],
    *,
    handle: Span | None = None,
    attributes: LLMAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    model_name: str | None = None,
    codec: Any = None,
    response_codec: Any = None,
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
    """
    parent, bits = _checked(name, request, handle, attributes, model_name)
    span = LLMHandle(name, parent, bits, data, metadata, model_name)
    if codec is not None or response_codec is not None:
        span.codec, span.response_codec = resolve(codec), resolve(response_codec)
    if execution_options is not None or execution_context is not None:
        made = ManagedCall(LLM, span, request, func, sync=True).directed(execution_options, execution_context)
        return drive(steps(made))
    if registry.activity.shapes_llms:
        return drive(steps(ManagedCall(LLM, span, request, func, sync=True)))
    return through_sync(LLM, span, request, func)


def stream_execute(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Any],
    collector: Callable[[Any], Any],
    finalizer: Callable[[], Any],
    *,
    handle: Span | None = None,
    attributes: LLMAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    model_name: str | None = None,
    codec: Any = None,
    response_codec: Any = None,
    execution_options: Any = None,
    execution_context: Mapping[str, Any] | None = None,
) -> Awaitable[LlmStream]:
    """Stream from a provider through guardrails, intercepts and events; starts when awaited.

    Args:
        name, request, handle, attributes, data, metadata, model_name, codec, response_codec: as for ``execute``.
        execution_options, execution_context: as for ``execute``; the third switch is for stream execution intercepts.
        func: an async generator function, or a function, sync or async, that returns an async iterator.
        collector: called with each chunk before the consumer gets it.
        finalizer: called once at the end; returns the complete response for the end event.

    Returns:
        A coroutine of an ``LlmStream``. Chunks are produced as they are asked for and pass by identity.

    Raises:
        GuardrailRejected: a conditional guardrail refused; the provider was not called.
        Exception: what ``func`` or an intercept raised before there was a stream, the same object.
    """
    made = _streamed(
        (name, request, func, handle, attributes, data, metadata, model_name, codec, response_codec),
        collector,
        finalizer,
        sync=False,
    ).directed(execution_options, execution_context)
    return _stream_steps(made)  # type: ignore[no-any-return]


def stream_execute_sync(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Any],
    collector: Callable[[Any], Any],
    finalizer: Callable[[], Any],
    *,
    handle: Span | None = None,
    attributes: LLMAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    model_name: str | None = None,
    codec: Any = None,
    response_codec: Any = None,
    execution_options: Any = None,
    execution_context: Mapping[str, Any] | None = None,
) -> SyncLlmStream:
    """The synchronous twin of ``stream_execute``: ``func`` returns an iterator, and so does this.

    Args:
        All as for ``stream_execute``.

    Returns:
        The stream: an iterator with ``close()``.

    Raises:
        Exception: as ``stream_execute`` does.

    >>> from nemo_relay import LLMRequest, llm
    >>> parts = []
    >>> request = LLMRequest({}, {})
    >>> stream = llm.stream_execute_sync("demo", request, lambda request: iter("ab"), parts.append, lambda: parts)
    >>> "".join(stream)
    'ab'
    """
    made = _streamed(
        (name, request, func, handle, attributes, data, metadata, model_name, codec, response_codec),
        collector,
        finalizer,
        sync=True,
    ).directed(execution_options, execution_context)
    stream: SyncLlmStream = drive(steps(made))
    return stream


def _streamed(
    arguments: tuple[Any, ...], collector: Callable[[Any], Any], finalizer: Callable[[], Any], *, sync: bool
) -> StreamCall:
    from nemo_relay._runtime.managed.streaming.stream import StreamCall

    name, request, func, handle, attributes, data, metadata, model_name, codec, response_codec = arguments
    parent, bits = _checked(name, request, handle, attributes, model_name)
    span = LLMHandle(name, parent, bits, data, metadata, model_name)
    if codec is not None or response_codec is not None:
        span.codec, span.response_codec = resolve(codec), resolve(response_codec)
    return StreamCall(span, request, func, collector, finalizer, sync=sync)


def _unstarted(name: str, request: LLMRequest, handle: Span | None) -> ManagedCall:
    parent, bits = _checked(name, request, handle, None, None)
    return ManagedCall(LLM, LLMHandle(name, parent, bits, None, None, None), request, lambda value: value, sync=False)


def request_intercepts(name: str, request: LLMRequest, *, handle: Span | None = None) -> Any:
    """Run the request intercepts alone.

    Args:
        name: the provider's name.
        request: what the first intercept gets a view of.
        handle: the span whose middleware it is; the current one when None.

    Returns:
        Their ``LLMRequestInterceptOutcome``; an awaitable of it inside a running loop. Inside a scope the request has
        its ``traceparent`` header. Marks and contributions are returned, not emitted.
    """
    from nemo_relay._runtime.managed.single_steps import rewrite_request

    return rewrite_request(_unstarted(name, request, handle))


def conditional_execution(request: LLMRequest, *, handle: Span | None = None) -> Any:
    """Ask the conditional guardrails alone.

    Args:
        request: guardrails get a view of it.
        handle: the span whose middleware it is; the current one when None.

    Returns:
        None; an awaitable of it inside a running loop.

    Raises:
        GuardrailRejected: one of them refused.
    """
    from nemo_relay._runtime.managed.single_steps import check_guardrails

    return check_guardrails(_unstarted("", request, handle))
