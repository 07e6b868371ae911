# SPDX-License-Identifier: Apache-2.0
"""Streams, early closes, cancellation, failure: each start has one end, and it tells the truth."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import ToolException, tool

from nemo_relay import ScopeType, scope, subscribers
from nemo_relay.integrations.langchain import AdapterOptions, RelayCallbackHandler
from nemo_relay.integrations.langchain._runs.table import counts
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node

MODEL = ScriptedChatModel(script=["one two three"])
CHAIN = ChatPromptTemplate.from_template("{x}") | MODEL


def by_name(events: CapturedEvents, name: str) -> Node:
    return next(node for node in events.tree().walk() if node.name == name)


async def until_nothing_is_open() -> None:
    """A run that nobody ends is ended when the framework lets go of it: some turns of the loop later."""
    for _ in range(1_000):
        gc.collect(0)
        await asyncio.sleep(0.001)
        if not counts()[0]:
            await subscribers.flush_async()
            return
    raise AssertionError("a run stays open")


async def test_s03_stream_to_its_end(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    config = {"callbacks": [handler, RelayCallbackHandler()]}
    chain = CHAIN | StrOutputParser()
    assert "".join(chain.stream({"x": "1"}, config)) == "one two three "
    assert "".join([chunk async for chunk in chain.astream({"x": "1"}, config)]) == "one two three "
    for root in events.tree().roots:
        assert (root.name, root.outcome, root.output) == ("RunnableSequence", "ok", "one two three ")
        assert (root.input, root.metadata["relay.input"]) == (None, {"x": "1"})
        call = next(child for child in root.children if child.category == "llm")
        assert call.outcome == "ok"
        assert call.metadata["relay.chunks"] == 5  # three words, the usage, and the framework's own last chunk
        assert call.metadata["relay.streaming"] is True
        assert call.tokens is not None
        assert call.tokens.total == 18
        (mark,) = call.marks
        assert mark.name == "llm.first_token"
        assert mark.data["ttft_ms"] >= 0


@pytest.mark.parametrize("how", ["close", "drop"])
def test_s04_sync_stream_closed_early(events: CapturedEvents, handler: RelayCallbackHandler, how: str) -> None:
    with scope.scope("app", ScopeType.Function):
        stream = CHAIN.stream({"x": "1"}, {"callbacks": [handler]})
        assert next(stream).content == "one "
        if how == "close":
            stream.close()
        else:
            del stream
            gc.collect()
    sequence, call = by_name(events, "RunnableSequence"), by_name(events, "scripted")
    assert (sequence.outcome, call.outcome) == ("cancelled", "cancelled")
    assert sequence.metadata["reason"] == call.metadata["reason"] == "consumer_closed"
    assert call.output["content"] == "one "
    assert sequence.metadata["otel.status_code"] == "UNSET"
    assert call.end_ns is not None
    assert sequence.end_ns is not None
    assert call.end_ns <= sequence.end_ns
    assert by_name(events, "app").outcome == "ok"


@pytest.mark.parametrize("how", ["close", "drop"])
async def test_s04_async_stream_closed_early(events: CapturedEvents, handler: RelayCallbackHandler, how: str) -> None:
    with scope.scope("app", ScopeType.Function):
        stream = CHAIN.astream({"x": "1"}, {"callbacks": [handler]})
        assert (await anext(stream)).content == "one "
        if how == "close":
            await stream.aclose()
        else:
            del stream
            gc.collect()
    await until_nothing_is_open()
    sequence, call = by_name(events, "RunnableSequence"), by_name(events, "scripted")
    assert (sequence.outcome, call.outcome) == ("cancelled", "cancelled")
    assert call.output["content"] == "one "
    assert call.end_ns is not None
    assert sequence.end_ns is not None
    assert call.end_ns <= sequence.end_ns


def test_s04_a_parser_drains_its_model(events: CapturedEvents) -> None:
    handler = RelayCallbackHandler(AdapterOptions(detail="all"))
    stream = (CHAIN | StrOutputParser()).stream({"x": "1"}, {"callbacks": [handler]})
    next(stream)
    stream.close()
    # LangChain reads the model's stream to its end here: the model did answer, and its tokens were paid.
    assert by_name(events, "RunnableSequence").outcome == "cancelled"
    assert by_name(events, "StrOutputParser").outcome == "cancelled"
    assert by_name(events, "scripted").outcome == "ok"


async def test_s47_cancelled_model_call(
    events: CapturedEvents, handler: RelayCallbackHandler, cancelled_once: Any
) -> None:
    slow = ScriptedChatModel(script=["late"], pace=30)
    chain = RunnableLambda(lambda x: x) | slow
    await cancelled_once(lambda: events.starts("scripted"), chain.ainvoke("hi", {"callbacks": [handler]}))
    sequence, call = by_name(events, "RunnableSequence"), by_name(events, "scripted")
    assert (sequence.outcome, call.outcome) == ("cancelled", "cancelled")
    assert sequence.metadata["reason"] == "cancelled"
    assert events.ends()[-1].name == "RunnableSequence"


async def test_s47_cancelled_model_call_without_a_chain(
    events: CapturedEvents, handler: RelayCallbackHandler, cancelled_once: Any
) -> None:
    slow = ScriptedChatModel(script=["late"], pace=30)
    await cancelled_once(lambda: events.starts("scripted"), slow.ainvoke("hi", {"callbacks": [handler]}))
    await until_nothing_is_open()
    assert by_name(events, "scripted").outcome == "cancelled"


async def test_s47_cancelled_stream_keeps_what_came(
    events: CapturedEvents, handler: RelayCallbackHandler, cancelled_once: Any
) -> None:
    came = []

    async def consume() -> None:
        async for chunk in MODEL.astream("hi", {"callbacks": [handler]}):
            came.append(chunk)
            await asyncio.sleep(30)

    await cancelled_once(lambda: came, consume())
    await until_nothing_is_open()
    call = by_name(events, "scripted")
    assert (call.outcome, call.output["content"]) == ("cancelled", "one ")


async def test_background_work_outlives_its_parent(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    tasks = []

    async def fire(value: str) -> str:
        tasks.append(asyncio.create_task(ScriptedChatModel(script=["later"], pace=0.01).ainvoke(value)))
        await asyncio.sleep(0)
        return value

    await RunnableLambda(fire).ainvoke("hi", {"callbacks": [handler]})
    await tasks[0]
    root = by_name(events, "fire")
    (call,) = root.children
    assert (root.outcome, call.outcome, call.output["content"]) == ("ok", "ok", "later")


async def test_late_child_of_an_ended_run_finds_its_parent(
    events: CapturedEvents, handler: RelayCallbackHandler
) -> None:
    tasks = []

    async def later() -> None:
        await asyncio.sleep(0.01)
        await MODEL.ainvoke("late")

    async def fire(value: str) -> str:
        tasks.append(asyncio.create_task(later()))
        return value

    await RunnableLambda(fire).ainvoke("hi", {"callbacks": [handler]})
    await tasks[0]
    assert by_name(events, "scripted").parent_uuid == by_name(events, "fire").uuid


async def test_a_sibling_that_goes_on_after_a_failure(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    tasks = []

    async def fail() -> None:
        raise LookupError

    async def work(_: Any) -> None:
        tasks.append(asyncio.create_task(ScriptedChatModel(script=["still here"], pace=0.02).ainvoke("hi")))
        await asyncio.sleep(0.001)
        await fail()

    with pytest.raises(LookupError):
        await RunnableLambda(work).ainvoke("go", {"callbacks": [handler]})
    assert (await tasks[0]).content == "still here"
    root = by_name(events, "work")
    (call,) = root.children
    assert (root.outcome, call.outcome, call.output["content"]) == ("error", "ok", "still here")


def test_content_block_streaming(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the protocol is in beta
        stream = MODEL.stream_events("hi", version="v3", config={"callbacks": [handler]})
        assert list(stream)
    call = by_name(events, "scripted")
    assert (call.outcome, call.metadata["relay.chunks"]) == ("ok", 3)
    assert [mark.name for mark in call.marks] == ["llm.first_token"]


@tool
def fails(code: int) -> str:
    """Fail."""
    raise LookupError(f"no {code}")


def test_s17_tool_failure(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    with pytest.raises(LookupError) as caught:
        fails.invoke({"code": 7}, {"callbacks": [handler]})
    assert "tb_next" in dir(caught.value.__traceback__)
    (end,) = events.ends()
    assert end.metadata["relay.outcome"] == "error"
    assert end.metadata["otel.status_code"] == "ERROR"
    assert end.metadata["otel.status_description"] == "no 7"  # B3: as the core says it
    assert end.metadata["error.type"] == end.metadata["exception.type"] == "LookupError"
    assert end.data == {"error": {"type": "LookupError", "module": "builtins", "message": "no 7"}}


def test_s18_arguments_that_do_not_fit(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    call = {"type": "tool_call", "id": "c9", "name": "fails", "args": {"code": "seven"}}
    with pytest.raises(ValueError, match="code"):
        fails.invoke(call, {"callbacks": [handler]})
    (end,) = events.ends()
    assert end.metadata["relay.outcome"] == "tool_error"
    assert end.metadata["error.code"] == "invalid_arguments"
    assert end.metadata["otel.status_code"] == "UNSET"
    assert end.category_profile["tool_call_id"] == "c9"


def test_s18_tool_that_reports_its_error(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    @tool
    def handled() -> str:
        """Fail softly."""
        raise ToolException("not today")

    handled.handle_tool_error = True
    result = handled.invoke({"type": "tool_call", "id": "c1", "name": "handled", "args": {}}, {"callbacks": [handler]})
    assert isinstance(result, ToolMessage)
    (end,) = events.ends()
    assert (end.metadata["relay.outcome"], end.metadata["error.code"]) == ("tool_error", "tool_error")
    assert (end.data["content"], end.data["status"]) == ("not today", "error")


def test_s19_artifacts_are_referred_to(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    artifact = object()

    @tool(response_format="content_and_artifact")
    def made() -> tuple[str, object]:
        """Make."""
        return "here", artifact

    call = {"type": "tool_call", "id": "c1", "name": "made", "args": {}}
    assert made.invoke(call, {"callbacks": [handler]}).artifact is artifact
    (end,) = events.ends()
    assert end.data["content"] == "here"
    assert end.data["artifact_ref"]["type"] == "object"


async def test_s47_cancelled_tool(events: CapturedEvents, handler: RelayCallbackHandler, cancelled_once: Any) -> None:
    @tool
    async def slow() -> str:
        """Wait."""
        await asyncio.sleep(30)
        return ""

    async def work(_: Any) -> None:
        await asyncio.gather(slow.ainvoke({}), ScriptedChatModel(script=["x"], pace=30).ainvoke("hi"))

    def both_begun() -> bool:
        return bool(events.starts("slow") and events.starts("scripted"))

    await cancelled_once(both_begun, RunnableLambda(work).ainvoke("go", {"callbacks": [handler]}))
    root = by_name(events, "work")
    assert root.outcome == "cancelled"
    assert [child.outcome for child in root.children] == ["cancelled", "cancelled"]
    assert all(child.end_ns <= root.end_ns for child in root.children)  # type: ignore[operator]


def test_keyboard_interrupt(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RunnableLambda(stop).invoke(1, {"callbacks": [handler]})
    (end,) = events.ends()
    assert (end.metadata["relay.outcome"], end.metadata["reason"]) == ("cancelled", "KeyboardInterrupt")
