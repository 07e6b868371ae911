# SPDX-License-Identifier: Apache-2.0
"""Test tools: a chat model that answers from a script, and the framework's own run tree to compare with."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

Reply = str | AIMessage | BaseException | Callable[[Sequence[BaseMessage]], str | AIMessage]

USAGE = UsageMetadata(
    input_tokens=11,
    output_tokens=7,
    total_tokens=18,
    input_token_details={"cache_read": 3},
    output_token_details={"reasoning": 2},
)


class ScriptedChatModel(BaseChatModel):
    """Answers from a script: the n-th reply to a conversation that holds n answers already.

    The reply depends on the conversation alone, so one model serves any number of concurrent agents. It
    streams word by word, and calls tools for real: give an ``AIMessage`` with ``tool_calls``.

    Args:
        script: texts, messages, exceptions to raise, or functions from the conversation to a text or message.
        The
            last one is repeated.
        pace: seconds before an answer, and before each chunk of a stream.
        model: the model name it reports.

    >>> ScriptedChatModel(script=["hello"]).invoke("hi").content
    'hello'
    """

    script: list[Any]
    pace: float = 0.0
    model: str = "scripted-1"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(ls_provider="scripted", ls_model_name=self.model, ls_model_type="chat")

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        """As provider integrations do: the tools in OpenAI's form, as a parameter of the call."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _reply(self, messages: Sequence[BaseMessage]) -> AIMessage:
        answered = sum(isinstance(message, AIMessage) for message in messages)
        reply = self.script[min(answered, len(self.script) - 1)]
        if callable(reply) and not isinstance(reply, type):
            reply = reply(messages)
        if isinstance(reply, BaseException):
            raise reply
        message = reply.model_copy() if isinstance(reply, AIMessage) else AIMessage(reply)
        message.usage_metadata = message.usage_metadata or USAGE
        finish = "tool_calls" if message.tool_calls else "stop"
        message.response_metadata = {
            "finish_reason": finish,
            "model_name": self.model,
            **message.response_metadata,
        }
        return message

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self.pace:
            time.sleep(self.pace)
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(self.pace)
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._reply(messages)):
            if self.pace:
                time.sleep(self.pace)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(self._reply(messages)):
            await asyncio.sleep(self.pace)
            yield chunk


def _chunks(message: AIMessage) -> list[ChatGenerationChunk]:
    words = [word + " " for word in str(message.text).split()] or [""]
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(message.tool_calls)
    ]
    chunks = [AIMessageChunk(content=word) for word in words]
    chunks.append(
        AIMessageChunk(
            content="",
            tool_call_chunks=calls,
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
        )
    )
    return [ChatGenerationChunk(message=chunk) for chunk in chunks]


class RunFact(NamedTuple):
    """One run, as the framework tells any handler of it."""

    run_id: str
    parent_run_id: str | None
    kind: str
    name: str | None
    hidden: bool


class RunRecorder(BaseCallbackHandler):
    """A plain handler that notes the framework's own run tree: what events are compared with."""

    run_inline = True

    def __init__(self) -> None:
        self.runs: dict[str, RunFact] = {}

    def visible_parent(self, run_id: str) -> str | None:
        """The nearest ancestor of a run that is no plumbing; None for a root, and where the framework names a run that
        no handler was told of."""
        parent = self.runs[run_id].parent_run_id
        while parent is not None and parent in self.runs and self.runs[parent].hidden:
            parent = self.runs[parent].parent_run_id
        return parent if parent in self.runs else None

    def visible(self) -> list[RunFact]:
        """All runs but the framework's plumbing."""
        return [run for run in self.runs.values() if not run.hidden]

    def _note(
        self, kind: str, name: str | None, run_id: UUID, parent_run_id: UUID | None, kwargs: dict[str, Any]
    ) -> None:
        parent = str(parent_run_id) if parent_run_id is not None else None
        hidden = "langsmith:hidden" in (kwargs.get("tags") or ())
        self.runs[str(run_id)] = RunFact(str(run_id), parent, kind, name, hidden)

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Note the run."""
        self._note("chain", kwargs.get("name"), run_id, parent_run_id, kwargs)

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the run."""
        self._note("llm", kwargs.get("name"), run_id, parent_run_id, kwargs)

    def on_tool_start(
        self,
        serialized: Any,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the run."""
        self._note("tool", (serialized or {}).get("name"), run_id, parent_run_id, kwargs)

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Note the run."""
        self._note("retriever", kwargs.get("name"), run_id, parent_run_id, kwargs)
