# SPDX-License-Identifier: Apache-2.0
"""LLM calls: what is particular to them on their way through the engine, and their manual life cycle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from nemo_relay._runtime import clock
from nemo_relay._runtime.awaitables import finish
from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.emission.marks import emit_pending
from nemo_relay._runtime.guard import blame
from nemo_relay._runtime.managed import annotations as annotating
from nemo_relay._runtime.managed import history
from nemo_relay._runtime.managed.codec_context import LlmExecutionContext, LlmRequestContext, LlmResponseContext
from nemo_relay._runtime.managed.engine import ManagedCall, failure
from nemo_relay._runtime.managed.layers import Continuation, Produced
from nemo_relay._runtime.managed.llm_sanitizers import lowered, presentable, request_sanitizer, response_sanitizer
from nemo_relay._runtime.managed.results import LLMRequestInterceptOutcome
from nemo_relay._runtime.managed.views import RequestView, settle
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.tree import propagation
from nemo_relay._runtime.tree.spans import LLMHandle, Span
from nemo_relay.errors import CallbackError, InvalidArgument
from nemo_relay_codecs.request import LLMRequest
from nemo_relay_records.encoding import NULL, encode

_activity = registry.activity
_MICROSECOND = 1_000
NEW_FORM, OLD_FORM = 0, 1  # intercept(name, request, context, next), and without the context in 0.5 to 0.9


class LlmCall(ManagedCall):
    """A managed LLM call."""

    __slots__ = ("annotated", "contributions", "marks")
    kind = "llm"
    guardrails = registry.llm_guardrails
    layers = registry.llm_execution_intercepts

    span: LLMHandle
    argument: LLMRequest

    def __init__(self, span: LLMHandle, argument: LLMRequest, func: Callable[..., Any], *, sync: bool) -> None:
        super().__init__(span, argument, func, sync=sync)
        self.annotated: Any = None
        self.marks: list[Any] = []
        self.contributions: list[dict[str, Any]] = []

    @property
    def codec(self) -> Any:
        """What normalises the request for intercepts and observers, if anything."""
        return self.span.codec

    @property
    def response_codec(self) -> Any:
        """What normalises the response for observers, if anything."""
        return self.span.response_codec

    @staticmethod
    def is_unshaped() -> bool:
        return not _activity.shapes_llms

    @staticmethod
    def begin(span: LLMHandle, argument: LLMRequest, annotated: Any = None) -> LLMRequest:
        codec = span.codec
        if codec is not None and annotated is None:
            assert span.parent_span is not None
            annotated = annotating.observed(codec, argument, span.parent_span)
        shown = start_llm(span, argument, None, annotated, codec)
        return traced(argument, span, shown)

    @staticmethod
    def begin_unobserved(span: LLMHandle, argument: LLMRequest) -> LLMRequest:
        return traced(argument, span, False)

    @staticmethod
    def conclude(span: LLMHandle, raw: Any) -> None:
        finish_llm(span, raw, emit.OK, span.response_codec, data=span.handle_data)

    @staticmethod
    def fail(span: LLMHandle, error: BaseException) -> None:
        finish_llm(span, None, failure(span, error), None, data=span.handle_data)

    def guard_arguments(self) -> tuple[Any, ...]:
        return (RequestView(self.argument),)

    def guard_payload(self) -> dict[str, Any]:
        return {"kind": "llm_conditional_execution"}

    async def rewrite(self) -> None:
        entries = registry.visible(registry.llm_request_intercepts, self.parent)
        if not entries:
            return
        request = self.argument
        # A request that its codec cannot read goes on raw, as if no codec had been given.
        annotated = None if self.codec is None else annotating.decoded(self.codec, request)
        codec = None if annotated is None else self.codec
        for entry in entries:
            try:
                outcome = entry.fn(self.name, RequestView(request), annotated)
                if hasattr(type(outcome), "__await__"):
                    outcome = finish(outcome) if self.sync else await outcome
                self._check(entry, outcome, request, codec)
            except BaseException as error:
                blame(error, "request intercept", entry.name, f"of the LLM call {self.name!r}")
                raise
            request = settle(outcome.request, request)
            annotated = outcome.annotated_request
            self.marks += outcome.pending_marks
            self.contributions += outcome.optimization_contributions
            if entry.break_chain:
                break
        self.annotated = annotated
        self.argument = request if codec is None else settle(annotating.encoded(codec, annotated, request), request)

    def _check(self, entry: Entry, outcome: Any, request: LLMRequest, codec: Any) -> None:
        if type(outcome) is not LLMRequestInterceptOutcome:
            got = "'None' is" if outcome is None else f"'{type(outcome).__name__}' object is"
            raise CallbackError(
                "LLM request intercept must return LLMRequestInterceptOutcome:"
                f" {got} not an instance of 'LLMRequestInterceptOutcome'"
            )
        if codec is None:
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

    def open(self) -> None:
        span = self.span
        argument = self.begin(span, self.argument, self.annotated)
        if self.marks:
            emit_pending(self.marks, span, span.started_ns + _MICROSECOND, step_ns=0, family="llm")
        if self.contributions:
            annotating.contribute(span, self.contributions, span.started_ns + 2 * _MICROSECOND)
        self.argument = argument

    def context(self) -> LlmExecutionContext:
        """What execution intercepts learn about the codecs."""
        return LlmExecutionContext(
            LlmRequestContext(self.codec), LlmResponseContext(self.response_codec), self.application_context
        )

    def layer_arguments(self, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        view = RequestView(value)
        return (self.name, view, proceed) if entry.form == OLD_FORM else (self.name, view, self.context(), proceed)

    def checked(self, value: Any) -> Any:
        expect(value, LLMRequest, where="request")
        original = value.original if isinstance(value, RequestView) else self.argument
        return settle(value, original)

    def accept(self, raw: Any) -> Produced:
        return Produced(raw, raw)

    def accept_layer(self, entry: Entry, raw: Any, branches: Sequence[Produced]) -> Produced:
        return Produced(raw, raw)

    def present(self, produced: Produced, entry: Entry) -> Any:
        return produced.original

    def succeed(self, produced: Produced) -> Any:
        self.finish(produced.value, emit.OK, None)
        return produced.original

    def finish(self, response: Any, status: dict[str, Any], first_chunk: float | None) -> None:
        """Publish the end event with ``response`` as its payload."""
        finish_llm(
            self.span, response, status, self.response_codec, data=self.span.handle_data, first_chunk=first_chunk
        )


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
    profile = _plain_profile(span.model_name)
    if annotated is not None:
        view, content = history.encoded_once(annotating.plain(annotated), content)
        profile = _profile(span.model_name, "annotated_request", view, None)
    payload = encode({"content": content, "headers": presentable(headers)})
    ns = clock.source() if ns is None else ns
    sanitize = request_sanitizer(span, codec) if _activity.shapes_events else None
    emit.start(span, audience, ns, payload, profile, sanitize)
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
    if span.local is not None:
        registry.release(span)


def _is_ok(status: Any) -> bool:
    return isinstance(status, dict) and status.get("otel.status_code") == "OK"
