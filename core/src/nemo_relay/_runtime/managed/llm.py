# SPDX-License-Identifier: Apache-2.0
"""LLM calls: their two events, of managed ones and of those that are opened by hand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from nemo_relay._runtime import clock
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.emission.marks import emit_pending
from nemo_relay._runtime.managed import annotations as annotating
from nemo_relay._runtime.managed import history
from nemo_relay._runtime.managed.call import Kind, ManagedCall
from nemo_relay._runtime.managed.engine import failure
from nemo_relay._runtime.managed.layers import Produced
from nemo_relay._runtime.managed.llm_sanitizers import lowered, presentable, request_sanitizer, response_sanitizer
from nemo_relay._runtime.managed.middleware.llm import LlmMiddleware
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import propagation
from nemo_relay._runtime.tree.spans import LLMHandle, Span
from nemo_relay_codecs.request import LLMRequest
from nemo_relay_records.encoding import NULL, encode

_activity = registry.activity
_MICROSECOND = 1_000


class LlmEvents:
    """The two events of a managed LLM call."""

    def start(self, span: LLMHandle, argument: LLMRequest) -> LLMRequest:
        return _begun(span, argument, None) if _activity.observed else traced(argument, span, False)

    def end(self, span: LLMHandle, raw: Any) -> None:
        end_llm(span, raw, emit.OK, span.response_codec, data=span.handle_data)

    def end_failed(self, span: LLMHandle, error: BaseException) -> None:
        end_llm(span, None, failure(span, error), None, data=span.handle_data)

    def start_shaped(self, call: ManagedCall) -> None:
        span, edits = call.span, call.edits
        call.argument = _begun(span, call.argument, None if edits is None else edits.annotated)
        if edits is not None and edits.marks:
            emit_pending(edits.marks, span, span.started_ns + _MICROSECOND, step_ns=0, family="llm")
        if edits is not None and edits.contributions:
            annotating.contribute(span, edits.contributions, span.started_ns + 2 * _MICROSECOND)

    def end_shaped(self, call: ManagedCall, produced: Produced) -> Any:
        self.end(call.span, produced.value)
        return produced.original


LLM = Kind("llm", LlmEvents(), LlmMiddleware())


def _begun(span: LLMHandle, argument: LLMRequest, annotated: Any) -> LLMRequest:
    """Publish the start; returns the request with its header."""
    codec = span.codec
    if codec is not None and annotated is None:
        assert span.parent_span is not None
        annotated = annotating.observed(codec, argument, span.parent_span)
    return traced(argument, span, start_llm(span, argument, None, annotated, codec))


class TracedRequest(LLMRequest):
    """A request with the W3C header of its call. The headers are made when they are first read: many callbacks read
    the body alone.
    """

    __slots__ = ("_original", "_span", "_traced")

    def __init__(self, original: LLMRequest, span: LLMHandle) -> None:
        self._original = original
        self._span = span
        self._traced: dict[str, Any] | None = None

    @property
    def headers(self) -> dict[str, Any]:
        """The headers of the call, with its ``traceparent`` instead of any other."""
        headers = self._traced
        if headers is None:
            given = self._original.headers
            headers = {key: value for key, value in given.items() if lowered(key) != "traceparent"}
            headers["traceparent"] = propagation.traceparent(self._span)
            self._traced = headers
        return headers

    @property
    def content(self) -> Any:
        """The body, by identity."""
        return self._original.content


def traced(request: LLMRequest, span: LLMHandle, observed: bool) -> LLMRequest:
    """``request`` with the W3C header of ``span``; the very same where the call belongs to no trace that anybody
    sees.
    """
    parent = span.parent_span
    if not propagation.send_header or not (observed or (parent is not None and parent.parent_span is not None)):
        return request
    return TracedRequest(request, span)


def open_llm(
    name: str,
    request: LLMRequest,
    parent: Span,
    bits: int,
    data: Any,
    metadata: Any,
    model_name: str | None,
    codec: Any,
    ns: int | None,
) -> LLMHandle:
    """Make the span of an LLM call, and publish its start."""
    span = LLMHandle(name, parent, bits, data, metadata, model_name, annotating.resolve(codec))
    annotated = None if span.codec is None else annotating.observed(span.codec, request, parent)
    start_llm(span, request, ns, annotated, span.codec)
    return span


def start_llm(span: LLMHandle, request: LLMRequest, ns: int | None, annotated: Any = None, codec: Any = None) -> bool:
    """Publish the start of an LLM call; says whether anybody heard it."""
    parent = span.parent_span
    assert parent is not None
    fresh = annotating.consume_freshness(parent)
    audience = registry.audience(parent)
    if audience is None:
        return False
    own = None if codec is None else annotating.recorded(codec, request)
    if own is not None:  # asked first: the body may be one that is made when it is read
        (content, annotated), headers = own, request.headers
    else:
        if type(request) is LLMRequest:
            content, headers = request._content, request._headers
        else:
            content, headers = request.content, request.headers
        if annotated is not None and not fresh:
            annotated, content = history.recent(annotated, content, codec, request)
    profile, shared = _plain_profile(span.model_name), b""
    if annotated is not None:
        view, content, shared = history.encoded_once(annotating.plain(annotated), content)
        profile = _profile(span.model_name, "annotated_request", view, None)
    payload = encode({"content": content, "headers": presentable(headers)})
    ns = clock.source() if ns is None else ns
    sanitize = request_sanitizer(span, codec) if _activity.shapes_events else None
    emit.start(span, audience, ns, payload, profile, sanitize, shared)
    return True


@lru_cache(maxsize=256)  # models repeat
def _plain_profile(model_name: str | None) -> bytes:
    return encode({} if model_name is None else {"model_name": model_name})


def _profile(model_name: str | None, key: str, view: Any, first_chunk: float | None) -> bytes:
    profile: dict[str, Any] = {} if model_name is None else {"model_name": model_name}
    if view is not None:
        profile[key] = view
    if first_chunk is not None:
        profile["time_to_first_chunk"] = first_chunk
    return encode(profile)


def end_llm(
    span: LLMHandle,
    response: Any,
    status: Any,
    response_codec: Any,
    *,
    annotated: Any = None,
    data: Any = None,
    first_chunk: float | None = None,
    ns: int | None = None,
) -> None:
    """Publish the end of an LLM call, with ``data`` in place of no response. A second end is ignored, and reported."""
    if not span.is_open:
        emit.ended_twice(span)
        return
    span.is_open = False
    audience = registry.audience(span)
    if audience is not None:
        if response_codec is not None:
            response = annotating.recorded_response(response_codec, response)
        payload = encode(response)
        if payload == NULL:
            payload = encode(data)
        interrupted = status is not emit.OK and not _is_ok(status)
        sanitize = None
        if _activity.shapes_events:
            sanitize = response_sanitizer(span, response_codec, data, interrupted=interrupted)
        if annotated is not None:
            annotated = annotating.summed_up(annotated, span, interrupted=interrupted)
        elif sanitize is None and (response_codec is not None or span.contributions is not None):
            annotated = annotating.response(response_codec, response, span, interrupted=interrupted)
        ns = emit.end_time(span) if ns is None else ns
        if annotated is None and first_chunk is None:
            profile = _plain_profile(span.model_name)
        else:
            view = None if annotated is None else annotating.plain(annotated)
            profile = _profile(span.model_name, "annotated_response", view, first_chunk)
        emit.end(span, audience, ns, payload, status, profile, sanitize)
    span.codec = span.contributions = None  # who holds the handle holds a place in the tree, not the call's request
    if span.local is not None:
        registry.release(span)


def _is_ok(status: Any) -> bool:
    return isinstance(status, dict) and status.get("otel.status_code") == "OK"
