# SPDX-License-Identifier: Apache-2.0
"""Scenarios 7, 8, 13, 14, 21, 29 to 32: single parts under control, zero-code recording, many agents at once."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
from typing import Annotated, Any

import pytest
from langchain.agents.middleware import AgentMiddleware, ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import InjectedToolArg, tool

from nemo_relay import ScopeType, ToolExecutionInterceptOutcome, scope
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain import (
    AdapterOptions,
    Ask,
    RelayCallbackHandler,
    RelayMiddleware,
    instrument,
    uninstrument,
    wrap_chat_model,
    wrap_embeddings,
    wrap_retriever,
    wrap_tool,
    wrap_tools,
)
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, expect_tree

from .agents import ASK, agent, intercepting, marks, named, of, run, tool_guardrail, weather

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


# --- embeddings and retrievers


class Finding(BaseRetriever):
    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return [Document("about " + query)]


@BOTH
async def test_s07_a_wrapped_retriever(events: CapturedEvents, mode: str) -> None:
    retriever = wrap_retriever(Finding())
    found = retriever.invoke("cats") if mode == "invoke" else await retriever.ainvoke("cats")
    assert isinstance(retriever, Finding)
    assert found == [Document("about cats")]
    (node,) = of(events, "retriever")
    assert (node.input, node.output[0]["page_content"]) == ({"query": "cats"}, "about cats")


class Lengths(Embeddings):
    def __init__(self, size: int) -> None:
        self.size = size

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text))] * self.size for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


async def test_s08_embeddings(events: CapturedEvents) -> None:
    plain = Lengths(size=4)
    ours = wrap_embeddings(plain)
    assert wrap_embeddings(ours) is ours
    with scope.scope("app", ScopeType.Function):
        assert ours.embed_documents(["a", "b", "secret"]) == plain.embed_documents(["a", "b", "secret"])
        assert await ours.aembed_documents(["a"]) == plain.embed_documents(["a"])
        assert ours.embed_query("a") == await ours.aembed_query("a") == plain.embed_query("a")
    expect_tree(events.tree(), "function:app\n    embedder:Lengths {ok} x4")
    assert of(events, "embedder")[0].input == {"texts": 3}
    assert of(events, "embedder")[0].output == {"vectors": 3, "dims": 4}
    assert "secret" not in "".join(event.to_json() for event in events.events)
    assert ours.size == 4
    assert pickle.loads(pickle.dumps(ours)).embed_query("a") == plain.embed_query("a")


async def test_s08_embeddings_that_fail(events: CapturedEvents) -> None:
    class Broken(Lengths):
        def embed_query(self, text: str) -> list[float]:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        wrap_embeddings(Broken(size=2)).embed_query("a")
    assert of(events, "embedder")[0].outcome == "error"


# --- tools on their own


@tool
def multiply(number: int, secret: Annotated[int, InjectedToolArg] = 2) -> int:
    """Multiply."""
    return number * secret


@BOTH
@pytest.mark.parametrize("handlers", [0, 1])
async def test_s21_a_wrapped_tool(events: CapturedEvents, mode: str, handlers: int) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    ours = wrap_tool(multiply)
    assert wrap_tool(ours) is ours
    assert isinstance(ours, type(multiply))
    assert (ours.name, ours.args, ours.description) == (multiply.name, multiply.args, multiply.description)
    given = {"number": 2, "secret": 10}
    found = await (asyncio.to_thread(ours.invoke, given, config) if mode == "invoke" else ours.ainvoke(given, config))
    assert found == 20
    (call,) = of(events, "tool")
    assert (call.input, call.output, call.outcome) == ({"number": 2}, 20, "ok")

    async def more(context: Any, proceed: Any) -> Any:
        found = await proceed({"number": 3})
        return ToolExecutionInterceptOutcome(found.result + 1)

    with intercepting("tool_execution", more):
        found = await (
            asyncio.to_thread(ours.invoke, given, config) if mode == "invoke" else ours.ainvoke(given, config)
        )
    assert found == 31


@BOTH
@pytest.mark.parametrize("handlers", [0, 1])
async def test_s21_a_wrapped_tool_is_refused(events: CapturedEvents, mode: str, handlers: int) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    (ours,) = wrap_tools([weather])
    call: Any = {"name": "weather", "args": {"city": "Paris"}, "id": "k", "type": "tool_call"}
    asked: list[Any] = []

    def decide(name: str, args: Any) -> str:
        asked.append(args)
        return "not now"

    with tool_guardrail(decide):
        with pytest.raises(GuardrailRejected):
            ours.invoke({"city": "P"}, config) if mode == "invoke" else await ours.ainvoke({"city": "x"}, config)
        message = ours.invoke(call, config) if mode == "invoke" else await ours.ainvoke(call, config)
    assert (message.status, message.content, message.tool_call_id) == ("error", "not now", "k")
    assert len(asked) == 2
    assert of(events, "tool") == []


@BOTH
async def test_s21_a_wrapped_tool_in_a_managed_agent_is_one_event(events: CapturedEvents, mode: str) -> None:
    asked: list[Any] = []
    with tool_guardrail(lambda name, args: asked.append(args)):
        graph = agent(RelayMiddleware(), tools=[wrap_tool(weather)])
        state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][2].content == "sunny in Paris"
    assert len(of(events, "tool")) == len(asked) == 1


def test_s22_a_question_where_nobody_can_answer_is_a_refusal(events: CapturedEvents) -> None:
    with tool_guardrail(lambda name, args: Ask("sure?")), pytest.raises(GuardrailRejected, match="sure"):
        wrap_tool(weather).invoke({"city": "Paris"})
    assert of(events, "tool") == []


@BOTH
async def test_s21_an_agent_in_a_tool_with_the_same_call_id(events: CapturedEvents, mode: str) -> None:
    """Ids are the model's: two models may give the same one, to tools of the same name."""
    inner = agent(RelayMiddleware())

    @tool("weather")
    def delegate(city: str) -> str:
        """Ask another agent."""
        return str(inner.invoke(ASK)["messages"][-1].text)

    @tool("weather")
    async def adelegate(city: str) -> str:
        """Ask another agent."""
        return str((await inner.ainvoke(ASK))["messages"][-1].text)

    asked: list[str] = []
    with tool_guardrail(lambda name, args: asked.append(name)):
        graph = agent(RelayMiddleware(), tools=[delegate if mode == "invoke" else adelegate])
        await run(graph, mode, callbacks=[RelayCallbackHandler()])
    outer_call, inner_call = of(events, "tool")
    assert asked == ["weather", "weather"]
    assert outer_call.children[0].name == "A"
    assert inner_call.outcome == "ok"


@BOTH
async def test_s21_a_wrapped_tool_in_a_plain_agent(events: CapturedEvents, mode: str) -> None:
    with tool_guardrail(lambda name, args: "no"):
        state = await run(agent(tools=[wrap_tool(weather)]), mode, callbacks=[RelayCallbackHandler()])
    assert (state["messages"][2].status, state["messages"][2].content) == ("error", "no")
    assert state["messages"][-1].content == "it is sunny"


# --- zero code


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
async def test_s13_instrument(events: CapturedEvents, mode: str) -> None:
    assert not uninstrument()
    instrument()
    instrument()
    try:
        await run(agent(), mode)
        await run(agent(RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
    finally:
        assert uninstrument()
    await run(agent(), mode)
    trees = [[node.name for node in root_walk] for root_walk in map(_walk, events.tree().roots)]
    assert len(trees) == 2
    assert trees[0] == trees[1] == ["A", "model", "scripted", "tools", "weather", "model", "scripted"]


def _walk(root: Any) -> list[Any]:
    found = [root]
    for child in root.children:
        found += _walk(child)
    return found


async def test_s13_callbacks_from_everywhere(events: CapturedEvents) -> None:
    instrument()
    try:
        model = ScriptedChatModel(script=["hello"], callbacks=[RelayCallbackHandler()])
        model.with_config(callbacks=[RelayCallbackHandler()]).invoke("hi", {"callbacks": [RelayCallbackHandler()]})
    finally:
        uninstrument()
    expect_tree(events.tree(), "llm:scripted {ok}")


async def test_s13_instrument_enforces_and_reaches_threads(events: CapturedEvents) -> None:
    instrument(AdapterOptions())
    refused: list[BaseException] = []

    def work() -> None:
        try:
            weather.invoke({"city": "Paris"})
        except GuardrailRejected as error:
            refused.append(error)

    try:
        with tool_guardrail(lambda name, args: "no"):
            thread = threading.Thread(target=work)
            thread.start()
            await asyncio.to_thread(thread.join)
    finally:
        uninstrument()
    assert len(refused) == 1


def test_s14_two_handlers(events: CapturedEvents) -> None:
    handler = RelayCallbackHandler(AdapterOptions(enforce_in_callbacks=False))
    for other in (copy.copy(handler), copy.deepcopy(handler), pickle.loads(pickle.dumps(handler))):
        assert other.options.enforce_in_callbacks is False
    agent(RelayMiddleware()).invoke(ASK, {"callbacks": [handler, RelayCallbackHandler()]})
    assert len(of(events, "tool")) == 1
    assert len(of(events, "llm")) == 2


# --- retries and fallbacks of other middleware


class Flaky:
    """Fails, then answers."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    def __call__(self, messages: Any) -> str:
        if self.left:
            self.left -= 1
            raise ConnectionError("busy")
        return "done"


@BOTH
@pytest.mark.parametrize("ours", ["outside", "inside"])
async def test_s29_model_retry(events: CapturedEvents, mode: str, ours: str) -> None:
    retry = ModelRetryMiddleware(max_retries=3, initial_delay=0, jitter=False)
    middleware: list[Any] = [RelayMiddleware(), retry] if ours == "outside" else [retry, RelayMiddleware()]
    state = await run(agent(*middleware, script=[Flaky(2)]), mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][-1].content == "done"
    calls = of(events, "llm")
    if ours == "inside":
        assert [call.outcome for call in calls] == ["error", "error", "ok"]
    else:
        assert calls[0].outcome == "ok"
        assert [call.outcome for call in calls[0].children] == ["error", "ok"]
        assert [call.metadata["relay.attempt"] for call in calls[0].children] == [2, 3]
        assert len(marks(events, "retry")) == 2


@BOTH
@pytest.mark.parametrize("ours", ["outside", "inside"])
async def test_s29_model_fallback(events: CapturedEvents, mode: str, ours: str) -> None:
    backup = ModelFallbackMiddleware(ScriptedChatModel(script=["backup here"], model="backup-1"))
    middleware: list[Any] = [RelayMiddleware(), backup] if ours == "outside" else [backup, RelayMiddleware()]
    graph = agent(*middleware, script=[ConnectionError("down")])
    state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][-1].content == "backup here"
    calls = of(events, "llm")
    if ours == "inside":
        assert [(call.outcome, call.model) for call in calls] == [("error", "scripted-1"), ("ok", "backup-1")]
    else:
        assert [(call.outcome, call.model) for call in calls] == [("ok", "backup-1"), ("ok", "backup-1")]
        assert calls[1] in calls[0].children


class Summing(AgentMiddleware[Any, Any, Any]):
    def before_model(self, state: Any, runtime: Any) -> None:
        ScriptedChatModel(script=["a summary"], model="small-1").invoke("sum up")

    async def abefore_model(self, state: Any, runtime: Any) -> None:
        await ScriptedChatModel(script=["a summary"], model="small-1").ainvoke("sum up")


@BOTH
async def test_s30_an_internal_call_of_other_middleware(events: CapturedEvents, mode: str) -> None:
    graph = agent(Summing(), RelayMiddleware(), script=["done"])
    await run(graph, mode, callbacks=[RelayCallbackHandler()])
    expect_tree(
        events.tree(),
        """
        agent:A {ok}
            function:Summing.before_model {ok}
                llm:scripted {ok, model=small-1}
            function:model
                llm:scripted {ok, model=scripted-1}
        """,
    )


# --- many at once


def check_disjoint(events: CapturedEvents, count: int) -> None:
    agents = named(events, "A")
    assert len(agents) == count
    for root in agents:
        walked = [node.name for node in _walk(root)]
        assert walked == ["A", "model", "scripted", "tools", "weather", "model", "scripted"]


@pytest.mark.parametrize("middleware", [0, 1])
async def test_s31_fifty_agents_in_one_loop(events: CapturedEvents, middleware: int) -> None:
    graph, handler = agent(*([RelayMiddleware()] * middleware)), RelayCallbackHandler()
    with scope.scope("app", ScopeType.Function):
        await asyncio.gather(*(graph.ainvoke(ASK, {"callbacks": [handler]}) for _ in range(50)))
    check_disjoint(events, 50)
    (app,) = events.tree().roots
    assert {child.name for child in app.children} == {"A"}


@pytest.mark.parametrize("middleware", [0, 1])
def test_s31_fifty_agents_in_eight_threads(events: CapturedEvents, middleware: int) -> None:
    graph, handler = agent(*([RelayMiddleware()] * middleware)), RelayCallbackHandler()
    given = [ASK] * 50
    chain = RunnableLambda(lambda asked: graph.invoke(asked, {"callbacks": [handler]}))
    chain.batch(given, {"max_concurrency": 8})
    check_disjoint(events, 50)


async def test_s32_a_server_that_was_touched_at_start_up(events: CapturedEvents) -> None:
    graph, handler = agent(RelayMiddleware()), RelayCallbackHandler()
    with scope.scope("start-up", ScopeType.Function):
        pass
    tasks = [asyncio.create_task(graph.ainvoke(ASK, {"callbacks": [handler]})) for _ in range(20)]
    await asyncio.gather(*tasks)
    check_disjoint(events, 20)
    assert all(root.name in ("start-up", "A") for root in events.tree().roots)


def test_a_wrapped_model_leaves_its_client_open() -> None:
    closed = []

    class Closing(ScriptedChatModel):
        def __del__(self) -> None:
            closed.append(self.model)

    original = Closing(script=["hello"])
    wrap_chat_model(original)
    gc.collect()
    assert closed == [], "the copy closed what the original still uses"
    wrapped = wrap_chat_model(original)
    del original
    gc.collect()
    assert (wrapped.invoke("hi").content, closed) == ("hello", [])
    del wrapped
    gc.collect()
    assert closed == ["scripted-1"]
