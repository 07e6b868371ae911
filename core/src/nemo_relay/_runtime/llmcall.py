# SPDX-License-Identifier: Apache-2.0
"""LLM calls: what is particular to them on their way through the engine, and their manual life cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay._runtime import annotating, clock, lifecycle, propagation, registry
from nemo_relay._runtime.codec_context import LlmExecutionContext, LlmRequestContext, LlmResponseContext
from nemo_relay._runtime.encoding import NULL, encode, quote
from nemo_relay._runtime.llmsanitizing import lowered, request_sanitizer, response_sanitizer, without_credentials
from nemo_relay._runtime.managed import Continuation, ManagedCall, Produced, Steps, failure
from nemo_relay._runtime.marks import emit_pending
from nemo_relay._runtime.registry import Entry
from nemo_relay._runtime.requests import LLMRequest
from nemo_relay._runtime.results import LLMRequestInterceptOutcome
from nemo_relay._runtime.spans import LLMHandle, Span
from nemo_relay._runtime.typecheck import expect
from nemo_relay._runtime.views import RequestView, settle
from nemo_relay.errors import CallbackError, InvalidArgument

_MICROSECOND = 1_000
NEW_FORM, OLD_FORM = 0, 1  # intercept(name, request, context, next), and without the context in 0.5 to 0.9


class LlmCall(ManagedCall):
    """A managed LLM call."""

    __slots__ = ("annotated", "codec", "contributions", "marks", "model_name", "response_codec")
    kind = "llm"
    guardrails = registry.llm_guardrails
    layers = registry.llm_execution_intercepts

    span: LLMHandle
    argument: LLMRequest

    def __init__(
        self,
        name: str,
        request: LLMRequest,
        func: Callable[..., Any],
        parent: Span,
        bits: int,
        data: Any,
        metadata: Any,
        model_name: str | None,
        codec: Any,
        response_codec: Any,
        *,
        sync: bool,
    ) -> None:
        self.name = name
        self.argument = request
        self.func = func
        self.parent = parent
        self.bits = bits
        self.data = data
        self.metadata = metadata
        self.model_name = model_name
        self.codec = codec if codec is None else annotating.resolve(codec)
        self.response_codec = response_codec if response_codec is None else annotating.resolve(response_codec)
        self.sync = sync
        self.annotated: Any = None
        self.marks: list[Any] = []
        self.contributions: list[dict[str, Any]] = []

    def is_unshaped(self) -> bool:
        return registry.quiet.llms

    def guard_arguments(self) -> tuple[Any, ...]:
        return (RequestView(self.argument),)

    def guard_payload(self) -> dict[str, Any]:
        return {"kind": "llm_conditional_execution"}

    def rewrite(self) -> Steps:
        entries = registry.visible(registry.llm_request_intercepts, self.parent)
        if not entries:
            return
        request = self.argument
        annotated = None if self.codec is None else self.codec.decode(request)
        for entry in entries:
            outcome = yield entry.fn, (self.name, RequestView(request), annotated)
            self._check(entry, outcome, request)
            request = settle(outcome.request, request)
            annotated = outcome.annotated_request
            self.marks += outcome.pending_marks
            self.contributions += outcome.optimization_contributions
            if entry.break_chain:
                break
        self.annotated = annotated
        self.argument = request if self.codec is None else self._encoded(annotated, request)

    def _check(self, entry: Entry, outcome: Any, request: LLMRequest) -> None:
        if outcome.__class__ is not LLMRequestInterceptOutcome:
            got = "'None' is" if outcome is None else f"'{type(outcome).__name__}' object is"
            raise CallbackError(
                "LLM request intercept must return LLMRequestInterceptOutcome:"
                f" {got} not an instance of 'LLMRequestInterceptOutcome'"
            )
        if self.codec is None:
            return
        if settle(outcome.request, request).content is not request.content:
            raise InvalidArgument(
                f"LLM request intercept '{entry.name}' changed request.content while a request codec is active;"
                " modify annotated_request instead"
            )
        if outcome.annotated_request is None:
            raise InvalidArgument(
                f"LLM request intercept '{entry.name}' omitted annotated_request while a request codec is active"
            )

    def _encoded(self, annotated: Any, request: LLMRequest) -> LLMRequest:
        assert self.codec is not None
        encoded = self.codec.encode(annotated, request)
        return settle(LLMRequest({**encoded.headers, **request.headers}, encoded.content), request)

    def open(self) -> None:
        if self.annotated is None and self.codec is not None:
            self.annotated = annotating.observed(self.codec, self.argument, self.parent)
        span = LLMHandle(self.name, self.parent, self.bits, self.data, self.metadata, self.model_name)
        self.span = span
        shown = start_llm(span, self.argument, None, self.annotated, self.codec)
        if self.marks:
            emit_pending(self.marks, span, span._started + _MICROSECOND, step_ns=0, family="llm")
        if self.contributions:
            annotating.contribute(span, self.contributions, span._started + 2 * _MICROSECOND)
        self.argument = traced(self.argument, span, shown)

    def context(self) -> LlmExecutionContext:
        """What execution intercepts learn about the codecs."""
        return LlmExecutionContext(LlmRequestContext(self.codec), LlmResponseContext(self.response_codec))

    def layer_arguments(self, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        view = RequestView(value)
        return (self.name, view, proceed) if entry.form == OLD_FORM else (self.name, view, self.context(), proceed)

    def checked(self, value: Any) -> Any:
        expect(value, LLMRequest, where="request")
        original = value.original if isinstance(value, RequestView) else self.argument
        return settle(value, original)

    def accept(self, raw: Any) -> Produced:
        return Produced(raw, raw)

    def accept_layer(self, entry: Entry, raw: Any, branches: list[Produced]) -> Produced:
        return Produced(raw, raw)

    def present(self, produced: Produced, entry: Entry) -> Any:
        return produced.original

    def succeed(self, produced: Produced) -> Any:
        self.finish(produced.value, lifecycle.OK, None)
        return produced.original

    def finish(self, response: Any, status: dict[str, Any], first_chunk: float | None) -> None:
        """Publish the end event with ``response`` as its payload."""
        finish_llm(self.span, response, status, self.response_codec, data=self.span._data, first_chunk=first_chunk)

    def conclude(self, raw: Any) -> None:
        finish_llm(self.span, raw, lifecycle.OK, self.response_codec, data=self.span._data)

    def fail(self, error: BaseException) -> None:
        finish_llm(self.span, None, failure(self, error), None, data=self.span._data)


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
    parent = span._parent
    if not propagation.send_header or not (observed or (parent is not None and parent._parent is not None)):
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
    ns: int | None,
) -> LLMHandle:
    """Make the span of an LLM call, and publish its start."""
    span = LLMHandle(name, parent, bits, data, metadata, model_name)
    start_llm(span, request, ns)
    return span


def start_llm(span: LLMHandle, request: LLMRequest, ns: int | None, annotated: Any = None, codec: Any = None) -> bool:
    """Publish the start of an LLM call; says whether anybody heard it."""
    parent = span._parent
    assert parent is not None
    fresh = annotating.consume_freshness(parent)
    audience = registry.audience(parent)
    if audience is None:
        return False
    content, headers = request.content, request.headers
    if annotated is not None and not fresh:
        annotated, content = annotating.recent(annotated, content, codec, request)
    shown = encode(without_credentials(headers)) if headers else b"{}"
    payload = b'{"content":%b,"headers":%b}' % (encode(content), shown)
    ns = clock.source() if ns is None else ns
    profile = _profile(span._model_name, "annotated_request", annotated)
    sanitize = None if registry.quiet.plain else request_sanitizer(span, codec)
    lifecycle.start(span, audience, ns, payload, profile, sanitize)
    return True


def _profile(model_name: str | None, key: str, annotated: Any, first_chunk: float | None = None) -> str:
    if annotated is None and first_chunk is None:
        return "{}" if model_name is None else f'{{"model_name":{quote(model_name)}}}'
    profile: dict[str, Any] = {} if model_name is None else {"model_name": model_name}
    if annotated is not None:
        profile[key] = annotating.plain(annotated)
    if first_chunk is not None:
        profile["time_to_first_chunk"] = first_chunk
    return encode(profile).decode()


def finish_llm(
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
    if not span._open:
        lifecycle.ended_twice(span)
        return
    span._open = False
    audience = registry.audience(span)
    if audience is not None:
        payload = encode(response)
        if payload == NULL:
            payload = encode(data)
        interrupted = status is not lifecycle.OK and not _says_ok(status)
        sanitize = None
        if not registry.quiet.plain:
            sanitize = response_sanitizer(span, response_codec, data, interrupted=interrupted)
        if annotated is not None:
            annotated = annotating.summed_up(annotated, span, interrupted=interrupted)
        elif sanitize is None and (response_codec is not None or span._contributions is not None):
            annotated = annotating.response(response_codec, response, span, interrupted=interrupted)
        ns = lifecycle.end_time(span) if ns is None else ns
        profile = _profile(span._model_name, "annotated_response", annotated, first_chunk)
        lifecycle.end(span, audience, ns, payload, status, profile, sanitize)
    if span._local is not None:
        registry.release(span)


def _says_ok(status: Any) -> bool:
    return isinstance(status, dict) and status.get("otel.status_code") == "OK"
