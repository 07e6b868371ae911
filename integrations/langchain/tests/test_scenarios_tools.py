# SPDX-License-Identifier: Apache-2.0
"""Scenarios 17, 20 and 27 where tools and streams meet the application's own ways."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import threading
from typing import Any

import pytest
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import ToolException, tool

from nemo_relay.integrations.langchain import RelayCallbackHandler, RelayMiddleware, wrap_chat_model, wrap_tool
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents

from .agents import ASK, agent, intercepting, of, run

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
LAYERS = pytest.mark.parametrize("middleware", [0, 1])


class Forgiving(AgentMiddleware[Any, Any, Any]):
    """Turns what a tool raises into a message for the model."""

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        try:
            return handler(request)
        except LookupError as error:
            return ToolMessage(str(error), tool_call_id=request.tool_call["id"], status="error")

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except LookupError as error:
            return ToolMessage(str(error), tool_call_id=request.tool_call["id"], status="error")


@BOTH
@LAYERS
async def test_s17_an_error_that_becomes_a_message(events: CapturedEvents, mode: str, middleware: int) -> None:
    @tool
    def weather(city: str) -> str:
        """Fail."""
        raise LookupError("no such city")

    graph = agent(Forgiving(), *([RelayMiddleware()] * middleware), tools=[weather])
    state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert (state["messages"][2].status, state["messages"][2].content) == ("error", "no such city")
    assert state["messages"][-1].content == "it is sunny"
    (call,) = of(events, "tool")
    assert (call.outcome, call.output["error"]["type"]) == ("error", "LookupError")


@BOTH
@LAYERS
async def test_s17_an_error_that_the_tool_handles_itself(events: CapturedEvents, mode: str, middleware: int) -> None:
    @tool
    def weather(city: str) -> str:
        """Fail politely."""
        raise ToolException("closed today")

    weather.handle_tool_error = True
    graph = agent(*([RelayMiddleware()] * middleware), tools=[weather])
    state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert (state["messages"][2].status, state["messages"][2].content) == ("error", "closed today")
    (call,) = of(events, "tool")
    assert (call.outcome, call.metadata["error.code"]) == ("tool_error", "tool_error")


LETTER: contextvars.ContextVar[str] = contextvars.ContextVar("letter", default="a")


@LAYERS
def test_s20_a_tool_that_is_bound_to_its_thread(events: CapturedEvents, middleware: int) -> None:
    """A connection of sqlite may be used only where it was made, and a variable that is set stays set there."""
    connection, seen = sqlite3.connect(":memory:"), []

    @tool
    def count(upto: int) -> int:
        """Count, with a loop of its own and the connection."""
        seen.append((LETTER.get(), threading.get_ident()))
        LETTER.set("b")
        found: int = connection.execute("select ?", [upto]).fetchone()[0]
        return asyncio.run(asyncio.sleep(0, found))

    made = wrap_tool(count) if middleware else count
    config: Any = {"callbacks": [RelayCallbackHandler()]}
    assert [made.invoke({"upto": number}, config) for number in (3, 4)] == [3, 4]
    connection.close()
    assert {thread for _, thread in seen} == {threading.get_ident()}
    assert [call.outcome for call in of(events, "tool")] == ["ok", "ok"]


@pytest.mark.parametrize("mode", ["stream", "astream"])
@pytest.mark.parametrize("shape", ["text", "view", "chunk"])
async def test_s27_a_stream_that_is_replaced(events: CapturedEvents, mode: str, shape: str) -> None:
    """An intercept answers from a cache, chunk by chunk, and the provider is not asked."""
    asked: list[Any] = []

    def reply(messages: Any) -> str:
        asked.append(messages)
        return "from the provider"

    def made(word: str) -> Any:
        chunk = ChatGenerationChunk(message=AIMessageChunk(word))
        return {"text": word, "view": {"role": "assistant", "content": word}, "chunk": chunk}[shape]

    words = ["from ", "the ", "cache"]

    async def cached(name: str, request: Any, context: Any, proceed: Any) -> Any:
        async def chunks() -> Any:
            for word in words:
                yield made(word)

        return chunks()

    def cached_sync(name: str, request: Any, context: Any, proceed: Any) -> Any:
        return (made(word) for word in words)

    model = wrap_chat_model(ScriptedChatModel(script=[reply]))
    config: Any = {"callbacks": [RelayCallbackHandler()]}
    with intercepting("llm_stream_execution", cached if mode == "astream" else cached_sync):
        if mode == "stream":
            found = [chunk.content for chunk in model.stream("hi", config)]
        else:
            found = [chunk.content async for chunk in model.astream("hi", config)]
    assert [text for text in found if text] == words
    assert asked == []
    (call,) = of(events, "llm")
    assert (call.outcome, call.output["content"]) == ("ok", "from the cache")


async def test_s27_a_stream_of_an_agent_that_is_replaced(events: CapturedEvents) -> None:
    async def cached(name: str, request: Any, context: Any, proceed: Any) -> Any:
        async def chunks() -> Any:
            yield "from the cache"

        return chunks()

    with intercepting("llm_stream_execution", cached):
        config: Any = {"callbacks": [RelayCallbackHandler()]}
        parts = [part async for part in agent(RelayMiddleware()).astream(ASK, config, stream_mode="messages")]
    assert "".join(message.text for message, _ in parts) == "from the cache"
