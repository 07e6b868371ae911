# SPDX-License-Identifier: Apache-2.0
"""The middleware of LLM calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nemo_relay._runtime.awaitables import block_on
from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.guard import blame
from nemo_relay._runtime.managed import annotations as annotating
from nemo_relay._runtime.managed.call import Edits, ManagedCall
from nemo_relay._runtime.managed.codec_context import LlmExecutionContext, LlmRequestContext, LlmResponseContext
from nemo_relay._runtime.managed.layers import Continuation, Produced
from nemo_relay._runtime.managed.results import LLMRequestInterceptOutcome
from nemo_relay._runtime.managed.views import RequestView, reconcile
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay.errors import CallbackError, InvalidArgument
from nemo_relay_codecs.request import LLMRequest

_activity = registry.activity
NEW_FORM, OLD_FORM = 0, 1  # intercept(name, request, context, next), and without the context in 0.5 to 0.9


class LlmMiddleware:
    """What middleware gets of an LLM call, and what becomes of its answers."""

    guardrails = registry.llm_guardrails
    layers = registry.llm_execution_intercepts

    def takes_part(self) -> bool:
        return _activity.shapes_llms

    def question(self, call: ManagedCall) -> tuple[Any, ...]:
        return (RequestView(call.argument),)

    def subject(self, call: ManagedCall) -> dict[str, Any]:
        return {"kind": "llm_conditional_execution"}

    async def rewrite(self, call: ManagedCall) -> None:
        entries = registry.visible(registry.llm_request_intercepts, call.parent)
        if not entries:
            return
        edits, request = Edits(), call.argument
        # A request that its codec cannot read goes on raw, as if no codec had been given.
        codec = call.span.codec
        annotated = None if codec is None else annotating.decoded(codec, request)
        codec = None if annotated is None else codec
        for entry in entries:
            try:
                outcome = entry.fn(call.name, RequestView(request), annotated)
                if hasattr(type(outcome), "__await__"):
                    outcome = block_on(outcome) if call.sync else await outcome
                _check(entry, outcome, request, codec)
            except BaseException as error:
                blame(error, "request intercept", entry.name, f"of the LLM call {call.name!r}")
                raise
            request = reconcile(outcome.request, request)
            annotated = outcome.annotated_request
            edits.marks += outcome.pending_marks
            edits.contributions += outcome.optimization_contributions
            if entry.break_chain:
                break
        edits.annotated = annotated
        call.edits = edits
        call.argument = request if codec is None else reconcile(annotating.encoded(codec, annotated, request), request)

    def arguments(self, call: ManagedCall, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        view = RequestView(value)
        if entry.form == OLD_FORM:
            return (call.name, view, proceed)
        return (call.name, view, self.codecs(call), proceed)

    def codecs(self, call: ManagedCall) -> LlmExecutionContext:
        """What execution intercepts learn about the codecs."""
        request, response = LlmRequestContext(call.span.codec), LlmResponseContext(call.span.response_codec)
        return LlmExecutionContext(request, response, call.application_context)

    def passed_on(self, call: ManagedCall, value: Any) -> Any:
        expect(value, LLMRequest, where="request")
        return reconcile(value, value.original if isinstance(value, RequestView) else call.argument)

    def produced(self, raw: Any, entry: Entry | None = None, branches: Sequence[Produced] = ()) -> Produced:
        return Produced(raw, raw)

    def presented(self, call: ManagedCall, produced: Produced, entry: Entry) -> Any:
        return produced.original


def _check(entry: Entry, outcome: Any, request: LLMRequest, codec: Any) -> None:
    if type(outcome) is not LLMRequestInterceptOutcome:
        got = "'None' is" if outcome is None else f"'{type(outcome).__name__}' object is"
        raise CallbackError(
            "LLM request intercept must return LLMRequestInterceptOutcome:"
            f" {got} not an instance of 'LLMRequestInterceptOutcome'"
        )
    if codec is None:
        return
    if reconcile(outcome.request, request).content is not request.content:
        raise InvalidArgument(
            f"LLM request intercept '{entry.name}' changed request.content while a request codec is active;"
            " modify annotated_request instead"
        )
    if outcome.annotated_request is None:
        raise InvalidArgument(
            f"LLM request intercept '{entry.name}' omitted annotated_request while a request codec is active"
        )
