# SPDX-License-Identifier: Apache-2.0
"""The steps of a managed call that subclasses of ``NemoRelayMiddleware`` override or call.

A subclass that overrides none of them never gets here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nemo_relay import LLMHandle, LLMRequest, llm
from nemo_relay.integrations.langchain._alignment import copied
from nemo_relay.integrations.langchain._calls import invocations
from nemo_relay.integrations.langchain._calls.agent_model_call import ManagedModelCall, frame_of
from nemo_relay.integrations.langchain._calls.request import ManagedRequest, RequestCodec, response_codec
from nemo_relay.integrations.langchain._edits.agent_request import all_messages, applied
from nemo_relay.integrations.langchain._models import ModelFacts, about_model
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import claims, outcomes
from nemo_relay.integrations.langchain._runs.claims import Claim
from nemo_relay.typed import BestEffortAnyCodec
from nemo_relay.utils import run_sync

Func = Callable[[LLMRequest], Awaitable[Any]]


class HookedCodec(RequestCodec):
    """The codec of a call that goes through hooks.

    Args:
        request: what is asked.
        about: the model that is asked.
    """

    def __init__(self, request: ManagedRequest, about: ModelFacts) -> None:
        super().__init__(request)
        self.about = about

    def commit(self, span: Any) -> None:
        """The start event of ``span`` has shown the request."""
        self._request.commit(span)


class HookedModelCall(ManagedModelCall):
    """A model call of an agent that goes through the hooks of the middleware.

    Args:
        request: LangChain's ``ModelRequest``.
        options: what becomes of refusals and of edits that cannot be carried out.
        hooks: the middleware.
    """

    def __init__(self, request: Any, options: AdapterOptions, hooks: Any) -> None:
        super().__init__(request, options)
        self._hooks = hooks
        self._before = copied(self._asked.content)

    def _is_for_streams(self, *, async_api: bool) -> bool:
        return False

    def _execute(self, handler: Callable[[Any], Any]) -> Any:
        async def body(request: LLMRequest) -> Any:
            return self._shown(handler(self._entering(request)), shaped=True)

        return run_sync(self._asking(body))

    async def _aexecute(self, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        async def body(request: LLMRequest) -> Any:
            return self._shown(await handler(self._entering(request)), shaped=True)

        return await self._asking(body)

    def _asking(self, body: Func) -> Awaitable[Any]:
        _, request, name, codec = self._hooks._prepare_model_call(self._request)
        executed: Awaitable[Any] = self._hooks._llm_execute(
            model_name=name,
            request=request,
            codec=codec,
            response_codec=response_codec(self._options),
            func=body,
        )
        return executed

    def _entering(self, request: LLMRequest) -> Any:
        self._entered = True
        return applied(self._request, self._before, request.content, request.headers, self._options)


def prepare_model_call(request: Any, options: AdapterOptions) -> tuple[Any, LLMRequest, str, Any]:
    """What a managed model call is made of.

    Args:
        request: LangChain's ``ModelRequest``.
        options: which payloads are recorded.

    Returns:
        A codec for any object, the request as intercepts see it, the name of the model, the codec of the request.
    """
    about = about_model(request.model)
    asked = ManagedRequest(all_messages(request), lambda: frame_of(request, about.name), options)
    # A copy: the hooks may change it in place, and the views of tools and messages are kept for later calls.
    shown = LLMRequest({}, copied(asked.content))
    return BestEffortAnyCodec(), shown, about.name or "unknown", HookedCodec(asked, about)


async def execute(model_name: str, request: LLMRequest, codec: Any, response_codec: Any, func: Func) -> Any:
    """Run ``func(request)`` as one managed model call; its end event tells of no more than ``func`` lets out.

    Args:
        model_name: as the event shows it.
        request: what is asked.
        codec: of the request; None to show it as it is.
        response_codec: of the answer; None likewise.
        func: asks the model.

    Returns:
        What ``func`` returned, through the intercepts.

    Raises:
        GuardrailRejected: a guardrail refused the call.
    """
    if claims.enclosing("llm", "") is not None:  # another one of us is around it
        return await func(request)
    about = codec.about if isinstance(codec, HookedCodec) else None
    name = about.provider if about is not None else model_name
    return await llm.execute(
        name,
        request,
        lambda asked: _claimed(name, asked, func, codec),
        handle=invocations.parent(),
        metadata=invocations.metadata("llm", about.metadata if about is not None else None),
        model_name=model_name,
        codec=codec,
        response_codec=response_codec,
    )


async def _claimed(name: str, asked: LLMRequest, func: Func, codec: Any) -> Any:
    span = invocations.own_handle(LLMHandle)
    if isinstance(codec, HookedCodec):
        codec.commit(span)
    claim = Claim("llm", name, invocations.inner_handle())
    try:
        with claims.announce(claim):
            answer = await func(asked)
    except BaseException as error:
        claim.ending = None  # the callbacks saw the model's own exception, which func may have kept back
        invocations.describe_end(span, claim, outcomes.ending_of(error))
        raise
    invocations.describe_end(span, claim, outcomes.ok(None))
    return answer


def prepare_tool_call(request: Any) -> tuple[Any, Any, str, Any, str | None]:
    """What a managed tool call is made of.

    Args:
        request: the ``ToolCallRequest``.

    Returns:
        The span above it, a codec for arguments and results, the tool's name, its arguments, the model's id of it.
    """
    call = request.tool_call
    return invocations.parent(), BestEffortAnyCodec(), call["name"], call["args"], call.get("id")
