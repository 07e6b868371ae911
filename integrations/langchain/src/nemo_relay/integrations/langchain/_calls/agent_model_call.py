# SPDX-License-Identifier: Apache-2.0
"""A model call of an agent as a managed call: guardrails, intercepts and one event around the framework's own doing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import ExtendedModelResponse, ModelResponse
from nemo_relay import LLMHandle, LLMRequest, llm
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain._calls import invocations
from nemo_relay.integrations.langchain._calls.answers import Answers, Given
from nemo_relay.integrations.langchain._calls.request import ManagedRequest, RequestCodec, response_codec
from nemo_relay.integrations.langchain._calls.wrap_model import wrap_chat_model
from nemo_relay.integrations.langchain._edits import substitutes
from nemo_relay.integrations.langchain._edits.agent_request import all_messages, applied
from nemo_relay.integrations.langchain._errors import UnsupportedEdit
from nemo_relay.integrations.langchain._guards import refusals
from nemo_relay.integrations.langchain._models import about_model, will_stream
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import claims, outcomes
from nemo_relay.integrations.langchain._runs.claims import Claim
from nemo_relay.integrations.langchain._runs.table import Handle
from nemo_relay.integrations.langchain._views.request_view import frame
from nemo_relay.integrations.langchain._views.response_view import answer_view
from nemo_relay.runtime_registrations import RuntimeRegistrationKind, is_shaped, list_runtime_registrations

_STREAM_INTERCEPTS = {RuntimeRegistrationKind.LLM_STREAM_EXECUTION_INTERCEPT}


class ManagedModelCall:
    """One model call of an agent on its way through the runtime.

    Args:
        request: LangChain's ``ModelRequest``.
        options: what becomes of refusals and of edits that cannot be carried out.
    """

    def __init__(self, request: Any, options: AdapterOptions) -> None:
        self._request = request
        self._options = options
        self._parent = invocations.parent()
        self._about = about_model(request.model)
        self._asked = ManagedRequest(all_messages(request), self._frame, options)
        self._answers = Answers()
        self._failure: dict[str, Any] = {}
        self._entered = False

    def _frame(self) -> dict[str, Any]:
        return frame_of(self._request, self._about.name)

    def run(self, handler: Callable[[Any], Any]) -> Any:
        """Call ``handler(request)`` as a managed call; returns what the agent is to get."""
        try:
            if self._is_for_streams(async_api=False):
                return handler(self._request.override(model=wrap_chat_model(self._request.model, self._options)))
            answer = self._execute(handler)
        except GuardrailRejected as refusal:
            return self._refused(refusal)
        return self._settled(answer)

    async def arun(self, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """The same for an asynchronous agent."""
        try:
            if self._is_for_streams(async_api=True):
                return await handler(self._request.override(model=wrap_chat_model(self._request.model, self._options)))
            answer = await self._aexecute(handler)
        except GuardrailRejected as refusal:
            return self._refused(refusal)
        return self._settled(answer)

    def _execute(self, handler: Callable[[Any], Any]) -> Any:
        return llm.execute_sync(
            self._about.provider,
            self._asked,
            lambda request: self._body(handler, request),
            **self._keywords(),
        )

    async def _aexecute(self, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        return await llm.execute(
            self._about.provider,
            self._asked,
            lambda request: self._abody(handler, request),
            **self._keywords(),
        )

    def _is_for_streams(self, *, async_api: bool) -> bool:
        """Whether the answer is streamed, and an intercept wants to see its chunks: the model then manages the call."""
        return (
            is_shaped("llm")
            and bool(list_runtime_registrations(_STREAM_INTERCEPTS))
            and will_stream(self._request.model, self._request.model_settings, async_api=async_api)
        )

    def _keywords(self) -> dict[str, Any]:
        return {
            "handle": self._parent,
            "data": self._failure,
            "metadata": invocations.metadata("llm", self._about.metadata),
            "model_name": self._about.name,
            "codec": RequestCodec(self._asked),
            "response_codec": response_codec(self._options),
        }

    def _body(self, handler: Callable[[Any], Any], request: LLMRequest) -> Any:
        self._entered = True
        changed = self._changed(request)
        span, claim = self._enter()
        with claims.announce(claim):
            try:
                response = handler(changed)
            except BaseException as error:
                self._raised(span, claim, error)
                raise
        return self._returned(span, claim, response)

    async def _abody(self, handler: Callable[[Any], Awaitable[Any]], request: LLMRequest) -> Any:
        self._entered = True
        changed = self._changed(request)
        span, claim = self._enter()
        with claims.announce(claim):
            try:
                response = await handler(changed)
            except BaseException as error:
                self._raised(span, claim, error)
                raise
        return self._returned(span, claim, response)

    def _changed(self, request: LLMRequest) -> Any:
        """The framework's request with what intercepts edited; the very same where nobody has looked at it."""
        if not self._asked.is_read and self._options.header_policy is None and not is_shaped("llm"):
            return self._request
        return applied(self._request, self._asked.content, request.content, request.headers, self._options)

    def _enter(self) -> tuple[Handle | None, Claim]:
        handle = invocations.inner_handle()
        span = invocations.own_handle(LLMHandle)
        self._asked.commit(span)
        return span, Claim("llm", self._about.provider, handle)

    def _raised(self, span: Handle | None, claim: Claim, error: BaseException) -> None:
        invocations.describe_end(span, claim, outcomes.ending_of(error), self._failure)

    def _returned(self, span: Handle | None, claim: Claim, response: Any) -> Any:
        invocations.describe_end(span, claim, outcomes.ok(None))
        return self._shown(response, cached=_is_cached(claim))

    def _shown(self, response: Any, *, cached: bool = False, shaped: bool | None = None) -> dict[str, Any]:
        """The view of ``response`` for intercepts and observers."""
        plain = response.model_response if isinstance(response, ExtendedModelResponse) else response
        messages = plain.result if isinstance(plain, ModelResponse) else [plain]
        shown = answer_view(messages, getattr(plain, "structured_response", None), self._about.name)
        if cached:
            shown["usage"] = None
        self._answers.show(shown, response, shaped=is_shaped("llm") if shaped is None else shaped)
        return shown

    def _refused(self, refusal: GuardrailRejected) -> Any:
        if self._entered or refusal.kind != "llm":
            raise refusal
        refusals.announce(refusal, self._parent, None, None)
        if self._options.on_llm_rejection == "raise":
            raise refusal
        # A message without tool calls ends the agent's run.
        return ModelResponse(result=[refusals.message(refusal)])

    def _settled(self, answer: Any) -> Any:
        """The very object that the framework returned, unless an intercept put something else in its place."""
        return self._answers.reconcile(answer, _edited, _substitute)


def frame_of(request: Any, model_name: str | None) -> dict[str, Any]:
    """The view of LangChain's ``ModelRequest`` without the messages."""
    return frame(
        request.model,
        model_name,
        request.tools,
        request.tool_choice,
        request.response_format,
        request.model_settings,
    )


def _is_cached(claim: Claim) -> bool:
    return claim.ending is not None and bool(claim.ending.extra.get("relay.cache_hit"))


def _substitute(answer: Any) -> Any:
    if isinstance(answer, (ModelResponse, ExtendedModelResponse)):
        return answer
    structured = None
    if isinstance(answer, dict):
        structured = (answer.get(substitutes.ENVELOPE) or {}).get("structured_response")
    return ModelResponse(result=substitutes.messages(answer), structured_response=structured)


def _edited(produced: Given, answer: dict[str, Any]) -> Any:
    original = produced.original
    plain = original.model_response if isinstance(original, ExtendedModelResponse) else original
    if not isinstance(plain, ModelResponse):
        return substitutes.edited_answer([plain], produced.before, answer)[0]
    if plain.structured_response is not None:
        raise UnsupportedEdit("response", "the agent has read its structured response already; return one of your own")
    messages = substitutes.edited_answer(plain.result, produced.before, answer)
    return ModelResponse(result=messages, structured_response=None)
