# SPDX-License-Identifier: Apache-2.0
"""One call of a chat model's own method as a managed call: request in, messages or chunks out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from nemo_relay import LLMAttributes, LLMHandle, LLMRequest, llm
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain._alignment import is_same_json
from nemo_relay.integrations.langchain._calls import invocations
from nemo_relay.integrations.langchain._calls.answers import Answers, Given
from nemo_relay.integrations.langchain._calls.request import ManagedRequest, RequestCodec, response_codec
from nemo_relay.integrations.langchain._edits import headers, substitutes
from nemo_relay.integrations.langchain._edits.message import PROVIDER_CALLS
from nemo_relay.integrations.langchain._edits.model_call import Call, changed
from nemo_relay.integrations.langchain._guards import refusals
from nemo_relay.integrations.langchain._models import about_model
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import claims, outcomes, table
from nemo_relay.integrations.langchain._runs.claims import Claim
from nemo_relay.integrations.langchain._runs.outcomes import Ending
from nemo_relay.integrations.langchain._views.request_view import frame
from nemo_relay.integrations.langchain._views.response_view import answer_view, result_view
from nemo_relay.runtime_registrations import is_shaped

# The model whose own method runs here: what that method asks of the very same model is a part of the same call.
_own_model: ContextVar[Any] = ContextVar("nemo_relay_langchain_asked_model", default=None)


@contextmanager
def inside(model: Any) -> Iterator[None]:
    """The block is the doing of ``model`` itself, inside its managed call; of None, that of its caller."""
    token = _own_model.set(model)
    try:
        with claims.announce(None) if model is not None else nullcontext():
            yield
    finally:
        _own_model.reset(token)


def is_inside(model: Any) -> bool:
    """Whether a managed call is around this one that it is a part of: its own, or that of agent middleware."""
    around = claims.enclosing("llm", "")
    return _own_model.get() is model or (around is not None and not around.pending)


class ManagedChatCall:
    """What a chat model is asked, on its way through the runtime.

    Args:
        model: the wrapped model.
        messages: the conversation.
        stop: stop words.
        run_manager: the framework's run of this call.
        kwargs: the other arguments, as the integration takes them.
        options: what becomes of refusals and of edits that cannot be carried out.
    """

    def __init__(
        self,
        model: Any,
        messages: list[BaseMessage],
        stop: list[str] | None,
        run_manager: Any,
        kwargs: dict[str, Any],
        options: AdapterOptions,
    ) -> None:
        self._model, self._messages, self._options = model, messages, options
        self._manager = run_manager
        self._given = {**({"stop": stop} if stop else {}), **kwargs}
        # A run that came in through a method which is not wrapped has its event already.
        found = table.find_open_run(run_manager.run_id) if run_manager is not None else claims.started_run()
        self._run = found if found is not None and found.claim is not None else None
        self._about = about_model(model)
        settings = {key: value for key, value in self._given.items() if key not in ("tools", "tool_choice")}
        tools = self._given.get("tools") or ()
        choice = self._given.get("tool_choice")
        make = lambda: frame(model, self._about.name, tools, choice, None, settings)  # noqa: E731
        self._asked = ManagedRequest(messages, make, options)
        claim = self._run.claim if self._run is not None else None
        self._ended = False
        self._claim: Claim = claim or Claim("llm", self._about.provider, None)
        self._claim.late = None  # this call has a span of its own, also where an intercept answers
        self._failure: dict[str, Any] = {}
        self._span: LLMHandle | None = None
        self._answers = Answers()
        self._chunks = Answers(latest=True)  # the consumer asks for one at a time

    # --- one answer

    def generate(self, call: Callable[..., ChatResult]) -> ChatResult:
        """Ask for one answer; ``call(model, messages, **arguments)`` is the integration's own method."""

        def ask(request: LLMRequest) -> Any:
            model, messages, arguments = self._changed(request)
            self._open()
            try:
                with inside(model):
                    result = call(model, messages, run_manager=self._manager, **arguments)
            except BaseException as error:
                self._end(outcomes.ending_of(error))
                raise
            return self._answered(result)

        try:
            answer = llm.execute_sync(self._about.provider, self._asked, ask, **self._keywords())
        except GuardrailRejected as refusal:
            return _result([self._refused(refusal)])
        return self._settled(answer)

    async def agenerate(self, call: Callable[..., Any]) -> ChatResult:
        """The same for an asynchronous program."""

        async def ask(request: LLMRequest) -> Any:
            model, messages, arguments = self._changed(request)
            self._open()
            try:
                with inside(model):
                    result = await call(model, messages, run_manager=self._manager, **arguments)
            except BaseException as error:
                self._end(outcomes.ending_of(error))
                raise
            return self._answered(result)

        try:
            answer = await llm.execute(self._about.provider, self._asked, ask, **self._keywords())
        except GuardrailRejected as refusal:
            return _result([self._refused(refusal)])
        return self._settled(answer)

    # --- a stream

    def stream(self, call: Callable[..., Iterator[ChatGenerationChunk]]) -> Iterator[ChatGenerationChunk]:
        """Ask for a stream; chunks are produced as they are asked for."""

        def ask(request: LLMRequest) -> Iterator[Any]:
            model, messages, arguments = self._changed(request)
            self._open()
            with inside(model):
                chunks = iter(call(model, messages, **arguments))
            return self._views(model, chunks)

        seen: list[ChatGenerationChunk] = []
        try:
            source = llm.stream_execute_sync(
                self._about.provider,
                self._asked,
                ask,
                lambda shown: None,
                lambda: self._final(seen),
                **self._keywords(streaming=True),
            )
        except GuardrailRejected as refusal:
            yield _whole_chunk(self._refused(refusal))
            return
        try:
            for shown in source:
                chunk = self._chunk(shown)
                seen.append(chunk)
                yield chunk
        except GeneratorExit:
            self._end(outcomes.cancelled("consumer_closed"))
            raise
        finally:
            source.close()

    async def astream(self, call: Callable[..., AsyncIterator[ChatGenerationChunk]]) -> AsyncIterator[Any]:
        """The same for an asynchronous program."""

        async def ask(request: LLMRequest) -> AsyncIterator[Any]:
            model, messages, arguments = self._changed(request)
            self._open()
            with inside(model):
                chunks = aiter(call(model, messages, **arguments))
            return self._aviews(model, chunks)

        seen: list[ChatGenerationChunk] = []
        try:
            source = await llm.stream_execute(
                self._about.provider,
                self._asked,
                ask,
                lambda shown: None,
                lambda: self._final(seen),
                **self._keywords(streaming=True),
            )
        except GuardrailRejected as refusal:
            yield _whole_chunk(self._refused(refusal))
            return
        try:
            async for shown in source:
                chunk = self._chunk(shown)
                seen.append(chunk)
                yield chunk
        except GeneratorExit:
            self._end(outcomes.cancelled("consumer_closed"))
            raise
        finally:
            await source.aclose()

    def _views(self, model: Any, chunks: Iterator[ChatGenerationChunk]) -> Iterator[Any]:
        try:
            while True:
                with inside(model):  # not across a yield: whoever reads may stand in another context
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                yield self._view_of(chunk)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._end(outcomes.ending_of(error))
            raise
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    async def _aviews(self, model: Any, chunks: AsyncIterator[ChatGenerationChunk]) -> AsyncIterator[Any]:
        try:
            while True:
                with inside(model):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield self._view_of(chunk)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._end(outcomes.ending_of(error))
            raise
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    def _view_of(self, chunk: ChatGenerationChunk) -> dict[str, Any]:
        message = chunk.message
        shown: dict[str, Any] = {"role": "assistant", "content": message.content}
        if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
            shown["tool_call_chunks"] = [dict(piece) for piece in message.tool_call_chunks]
        self._chunks.show(shown, chunk, shaped=is_shaped("llm"))
        return shown

    def _chunk(self, shown: Any) -> ChatGenerationChunk:
        """The integration's own chunk, unless an intercept rewrote or added one."""
        if isinstance(shown, ChatGenerationChunk):
            return shown
        found: ChatGenerationChunk = self._chunks.reconcile(shown, _rewritten, _new_chunk)
        return found

    def _final(self, seen: list[ChatGenerationChunk]) -> Any:
        whole = merge_chat_generation_chunks(seen)  # at once: a sum of two reads the arguments of tool calls anew
        if whole is None:
            return None
        if self._span is not None and not self._ended:
            stats = self._run.stream if self._run is not None else None
            self._end(Ending("ok", extra=stats.metadata() if stats is not None else {}))
        message = whole.message
        plain = message if isinstance(message, AIMessage) else AIMessage(message.content)
        return answer_view([plain], None, self._about.name)

    # --- what both have in common

    def _keywords(self, *, streaming: bool = False) -> dict[str, Any]:
        return {
            "handle": self._parent(),
            "attributes": LLMAttributes(LLMAttributes.STREAMING) if streaming else None,
            "data": self._failure,
            "metadata": invocations.metadata("llm", {**self._about.metadata, **self._claim.about}),
            "model_name": self._about.name,
            "codec": RequestCodec(self._asked),
            "response_codec": response_codec(self._options),
        }

    def _parent(self) -> Any:
        above = self._run.parent if self._run is not None else None
        return above.handle if above is not None else invocations.parent()

    def _open(self) -> None:
        self._span = invocations.own_handle(LLMHandle)
        self._claim.handle = self._span
        self._asked.commit(self._span)
        if self._run is not None and self._span is not None:
            self._run.handle = self._span

    def _end(self, ending: Ending) -> None:
        self._ended = True
        invocations.describe_end(self._span, self._claim, ending, self._failure)

    def _refused(self, refusal: GuardrailRejected) -> AIMessage:
        """What stands in place of an answer; raises ``refusal`` where the application wants that."""
        if self._span is None and refusal.kind == "llm":
            self._claim.refused = True
            refusals.announce(refusal, self._parent(), None, None)
            if self._options.on_llm_rejection == "message":
                return refusals.message(refusal)
        raise refusal

    def _changed(self, request: LLMRequest) -> tuple[Any, list[BaseMessage], dict[str, Any]]:
        """The model, the messages and the arguments of the call, with what intercepts edited."""
        call = Call(self._model, self._messages, dict(self._given))
        if not self._asked.is_read and self._options.header_policy is None and not is_shaped("llm"):
            return call
        before, after = self._asked.content, request.content
        if not is_same_json(before, after):
            call = changed(call, before, after, self._options)
        model, messages, given = call
        wanted = headers.outgoing(request.headers, model, self._options)
        if wanted:
            model, given = headers.delivered(wanted, model, given)
        return model, messages, given

    def _answered(self, result: ChatResult) -> dict[str, Any]:
        self._end(outcomes.ok(None))
        shown = result_view(result, self._about.name)
        self._answers.show(shown, result, shaped=is_shaped("llm"))
        return shown

    def _settled(self, answer: Any) -> ChatResult:
        found: ChatResult = self._answers.reconcile(answer, _edited, lambda other: _result(substitutes.messages(other)))
        return found


def _edited(given: Given, answer: Any) -> ChatResult:
    originals = [generation.message for generation in given.original.generations[:1]]
    return _result(substitutes.edited_answer(originals, given.before, answer))


def _result(messages: list[BaseMessage]) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message) for message in messages[:1]])


def _whole_chunk(message: AIMessage) -> ChatGenerationChunk:
    chunk = AIMessageChunk(content=message.content, response_metadata=message.response_metadata)
    return ChatGenerationChunk(message=chunk)


def _new_chunk(shown: Any) -> ChatGenerationChunk:
    content = shown.get("content", "") if isinstance(shown, dict) else str(shown)
    return ChatGenerationChunk(message=AIMessageChunk(content=content))


def _rewritten(given: Given, shown: dict[str, Any]) -> ChatGenerationChunk:
    chunk = given.original
    update = {"content": shown.get("content", "")}
    if not is_same_json(shown.get("tool_call_chunks"), given.before.get("tool_call_chunks")):
        # LangChain reads the call from its pieces; what the provider's own form says of it would undo the edit.
        pieces = [tool_call_chunk(**_members(piece)) for piece in shown.get("tool_call_chunks") or ()]
        kept = {key: value for key, value in chunk.message.additional_kwargs.items() if key not in PROVIDER_CALLS}
        update = {**update, "tool_call_chunks": pieces, "additional_kwargs": kept}
        message = type(chunk.message)(
            **{**chunk.message.model_dump(exclude={"tool_calls", "invalid_tool_calls"}), **update}
        )
    else:
        message = chunk.message.model_copy(update=update)
    return ChatGenerationChunk(message=message, generation_info=chunk.generation_info)


def _members(piece: Any) -> dict[str, Any]:
    return {name: piece.get(name) for name in ("name", "args", "id", "index")}
