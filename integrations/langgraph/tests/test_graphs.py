# SPDX-License-Identifier: Apache-2.0
"""Graphs, agents, subgraphs, routers, tasks: which events they leave, in every way of running them."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import enum
import gc
import pathlib
import uuid
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.errors import GraphRecursionError
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy
from langsmith.utils import tracing_is_enabled

from nemo_relay.integrations.langchain._runs.table import counts
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.integrations.langgraph import AdapterOptions, RelayCallbackHandler
from nemo_relay.testing import CapturedEvents

from .graphs import ASK, State, add, calculator, calling, fragile, line, named, only, shape, told, without_supersteps

MODEL_STEP = ("function", "model", "ok", [("llm", "scripted", "ok", [])])
AGENT = (
    "agent",
    "calc",
    "ok",
    [MODEL_STEP, ("function", "tools", "ok", [("tool", "add", "ok", [])]), MODEL_STEP],
)


@pytest.mark.every_scope_stack
@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream", "messages", "events"])
async def test_s15_agent_in_every_mode(events: CapturedEvents, handler: RelayCallbackHandler, mode: str) -> None:
    agent, config = calculator(), {"callbacks": [handler]}
    match mode:
        case "invoke":
            agent.invoke(ASK, config)
        case "ainvoke":
            await agent.ainvoke(ASK, config)
        case "stream":
            list(agent.stream(ASK, config))
        case "astream":
            _ = [chunk async for chunk in agent.astream(ASK, config)]
        case "messages":
            _ = [chunk async for chunk in agent.astream(ASK, config, stream_mode="messages", subgraphs=True)]
        case "events":
            _ = [event async for event in agent.astream_events(ASK, config, version="v2")]
    (root,) = events.tree().roots
    assert shape(root) == AGENT
    (call,) = named(events, "add")
    assert (call.tool_call_id, call.input, call.output["content"]) == ("c1", {"a": 1, "b": 2}, "3")
    assert root.metadata["lc_agent_name"] == "calc"
    assert root.metadata["relay.framework"] == "langgraph"
    first = root.children[0]
    assert (
        first.metadata["relay.kind"],
        first.metadata["langgraph_node"],
        first.metadata["langgraph_step"],
    ) == (
        "node",
        "model",
        1,
    )
    llm = first.children[0]
    assert llm.metadata["lc_agent_name"] == "calc"
    assert llm.input["content"]["messages"][0] == {
        "role": "user",
        "content": "1 + 2?",
        "extra": llm.input["content"]["messages"][0]["extra"],
    }
    assert llm.input["content"]["tools"][0]["function"]["name"] == "add"
    assert root.total_tokens().total == 36
    assert bool(llm.metadata.get("relay.streaming")) is (mode in ("messages", "events"))


@pytest.mark.every_scope_stack
def test_s17_parallel_tools_one_fails(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    script = [calling(("add", {"a": 1, "b": 2}), ("fragile", {"code": 7})), "sorry"]
    agent = create_agent(ScriptedChatModel(script=script), [add, fragile], name="calc")
    with pytest.raises(LookupError):
        agent.invoke(ASK, {"callbacks": [handler]})
    root = only(events, "calc")
    assert root.outcome == "error"
    assert root.error == "LookupError: no 7"
    assert {(child.outcome, child.children[0].name, child.children[0].outcome) for child in root.children[1:]} == {
        ("ok", "add", "ok"),
        ("error", "fragile", "error"),
    }


@pytest.mark.parametrize("detail", ["nodes", "all"])
def test_s34_router_and_route(events: CapturedEvents, detail: Any) -> None:
    handler = RelayCallbackHandler(AdapterOptions(detail=detail))
    graph = StateGraph(State)
    graph.add_node("plan", lambda state: {"x": [1]})
    graph.add_node("left", lambda state: {"x": [2]})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda state: "left", ["left", END])
    graph.compile(name="G").invoke({"x": []}, {"callbacks": [handler]})
    root = only(events, "G")
    routers = [("function", "plan:route", "ok", [])] if detail == "all" else []
    assert shape(root) == (
        "agent",
        "G",
        "ok",
        [("function", "plan", "ok", routers), ("function", "left", "ok", [])],
    )
    assert [child.metadata["relay.kind"] for child in root.children[0].children] == ["router"] * len(routers)
    (mark,) = told(root)
    assert (mark.name, mark.data) == ("graph.route", {"from": "plan", "to": ["left"]})


def test_start_router_is_plumbing(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    graph = StateGraph(State)
    graph.add_node("left", lambda state: {"x": [2]})
    graph.add_conditional_edges(START, lambda state: "left", ["left"])
    graph.compile(name="G").invoke({"x": []}, {"callbacks": [handler]})
    assert shape(only(events, "G")) == ("agent", "G", "ok", [("function", "left", "ok", [])])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s34_graph_in_graph(events: CapturedEvents, handler: RelayCallbackHandler, asynchronous: bool) -> None:
    def leaf(state: State) -> State:
        return {"x": ["leaf"]}

    inner = line(leaf, name="inner")

    def by_call(state: State) -> State:
        return {"x": inner.invoke({"x": []})["x"]}

    graph = StateGraph(State)
    graph.add_node("by_node", inner)
    graph.add_node("by_call", by_call)
    graph.add_node("by_lambda", RunnableLambda(lambda state: {"x": []}))
    graph.add_edge(START, "by_node")
    graph.add_edge("by_node", "by_call")
    graph.add_edge("by_call", "by_lambda")
    outer = graph.compile(name="outer")
    config = {"callbacks": [handler]}
    await outer.ainvoke({"x": []}, config) if asynchronous else outer.invoke({"x": []}, config)
    root = only(events, "outer")
    assert [child.name for child in root.children] == ["by_node", "by_call", "by_lambda"]
    for child in root.children[:2]:
        (nested,) = child.children
        assert (nested.category, nested.name, nested.metadata["relay.kind"]) == (
            "function",
            "inner",
            "subgraph",
        )
        assert [grand.name for grand in nested.children] == ["leaf"]


def test_the_session_is_the_thread_or_the_run(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    agent = calculator()
    agent.invoke(ASK, {"callbacks": [handler], "configurable": {"thread_id": "t9"}})
    agent.invoke(ASK, {"callbacks": [handler]})
    agent.invoke(ASK, {"callbacks": [handler], "metadata": {"session_id": "mine"}})
    first, second, third = named(events, "calc")
    assert (first.metadata["session_id"], third.metadata["session_id"]) == ("t9", "mine")
    assert second.metadata["session_id"] == second.metadata["relay.run_id"]
    assert "session_id" not in second.children[0].metadata


def test_s43_functional_api(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    @task
    def double(number: int) -> int:
        return number * 2

    @entrypoint()
    def flow(count: int) -> list[int]:
        return [future.result() for future in [double(number) for number in range(count)]]

    assert flow.invoke(3, {"callbacks": [handler]}) == [0, 2, 4]
    (root,) = events.tree().roots
    (node,) = root.children
    assert (root.category, node.name, [child.name for child in node.children]) == (
        "agent",
        "flow",
        ["double"] * 3,
    )
    assert {child.metadata["relay.kind"] for child in node.children} == {"task"}


def test_s40_node_retry(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    failures = [ValueError("one"), ValueError("two")]

    def flaky(state: State) -> State:
        if failures:
            raise failures.pop(0)
        return {"x": [1]}

    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=ValueError)
    graph = line(flaky, retry_policy=policy)
    graph.invoke({"x": []}, {"callbacks": [handler, RelayCallbackHandler()]})
    attempts = named(events, "flaky")
    assert [(node.outcome, node.metadata["node_attempt"]) for node in attempts] == [
        ("error", 1),
        ("error", 2),
        ("ok", 3),
    ]
    root = only(events, "G")
    assert root.outcome == "ok"
    assert [(mark.name, mark.data["error"]["message"]) for mark in told(root)] == [
        ("retry", "one"),
        ("retry", "two"),
    ]
    assert [getattr(item, "name", "") for item in without_supersteps(root)] == [
        "flaky",
        "retry",
        "flaky",
        "retry",
        "flaky",
    ]


def test_s42_handoff_is_no_error(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    def leave(state: State) -> Command[Any]:
        return Command(goto="after", update={"x": [1]}, graph=Command.PARENT)

    inner = line(leave, name="inner")
    graph = StateGraph(State)
    graph.add_node("child", inner, destinations=("after",))
    graph.add_node("after", lambda state: {"x": [2]})
    graph.add_edge(START, "child")
    graph.compile(name="outer").invoke({"x": []}, {"callbacks": [handler]})
    assert [only(events, name).outcome for name in ("child", "inner", "after", "outer")] == [
        "handoff",
        "handoff",
        "ok",
        "ok",
    ]
    assert only(events, "inner").output == {"goto": "after", "update": ["x"]}


def test_s44_recursion_limit(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    graph = StateGraph(State)
    graph.add_node("again", lambda state: {"x": [1]})
    graph.add_edge(START, "again")
    graph.add_edge("again", "again")
    with pytest.raises(GraphRecursionError):
        graph.compile(name="G").invoke({"x": []}, {"callbacks": [handler], "recursion_limit": 3})
    root = only(events, "G")
    assert (root.outcome, root.metadata["error.code"]) == ("error", "GRAPH_RECURSION_LIMIT")


class Colour(enum.Enum):
    RED = "red"


def awkward() -> dict[str, Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return {
        "datetime": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "uuid": uuid.UUID(int=1),
        "path": pathlib.Path("a/b"),
        "enum": Colour.RED,
        "decimal": decimal.Decimal("1.5"),
        "bytes": b"\xff\x00",
        "function": awkward,
        "keys": {1: "one", (2, 3): "pair"},
        "big": 2**70,
        "cycle": cycle,
        "nan": float("nan"),
        "object": object(),
        "set": {1},
        "surrogate": "\ud800",
    }


@pytest.mark.parametrize("kind", list(awkward()))
def test_s48_state_with_awkward_types(events: CapturedEvents, handler: RelayCallbackHandler, kind: str) -> None:
    value = awkward()[kind]
    seen = []

    class Odd(TypedDict, total=False):
        value: Any

    def carry(state: Odd) -> Odd:
        seen.append(state["value"])
        return {"value": value}

    graph = StateGraph(Odd)
    graph.add_node("carry", carry)
    graph.add_edge(START, "carry")
    config: Any = {"callbacks": [handler], "metadata": {"odd": value}}
    result = graph.compile(name="G").invoke({"value": value}, config)
    assert result["value"] is seen[0] is value
    root = only(events, "G")
    assert shape(root) == ("agent", "G", "ok", [("function", "carry", "ok", [])])
    assert "value" in root.input
    assert "odd" in root.metadata


@pytest.mark.parametrize("how", ["close", "drop"])
def test_s45_sync_stream_closed_early(events: CapturedEvents, handler: RelayCallbackHandler, how: str) -> None:
    stream = calculator().stream(ASK, {"callbacks": [handler]})
    next(stream)
    stream.close() if how == "close" else None
    del stream
    root = only(events, "calc")
    assert (root.outcome, root.metadata["reason"]) == ("cancelled", "consumer_closed")
    assert [child.outcome for child in root.children] == ["ok"]


@pytest.mark.parametrize("how", ["close", "drop"])
async def test_s45_async_stream_closed_early(events: CapturedEvents, handler: RelayCallbackHandler, how: str) -> None:
    stream = calculator().astream(ASK, {"callbacks": [handler]})
    await anext(stream)
    if how == "close":
        await stream.aclose()
    del stream
    for _ in range(1_000):
        gc.collect(0)
        await asyncio.sleep(0.001)
        if not counts()[0]:
            break
    root = only(events, "calc")
    assert (root.outcome, root.metadata["reason"]) == ("cancelled", "consumer_closed")


@pytest.mark.every_scope_stack
@pytest.mark.parametrize("where", ["node", "model", "tool"])
async def test_s47_cancellation(
    events: CapturedEvents, handler: RelayCallbackHandler, where: str, cancelled_once: Any
) -> None:
    @tool
    async def slow() -> str:
        """Wait."""
        await asyncio.sleep(30)
        return ""

    async def work(state: State) -> State:
        if where == "tool":
            await slow.ainvoke({})
        elif where == "model":
            await ScriptedChatModel(script=["x"], pace=30).ainvoke("hi")
        else:
            await asyncio.sleep(30)
        return {"x": []}

    inner = {"node": "work", "model": "scripted", "tool": "slow"}[where]
    await cancelled_once(lambda: events.starts(inner), line(work).ainvoke({"x": []}, {"callbacks": [handler]}))
    assert {node.outcome for node in events.tree().walk()} == {"cancelled"}
    assert len(list(events.tree().walk())) == (2 if where == "node" else 3)


async def test_results_equal_the_uninstrumented_run(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    def plain(result: dict[str, Any]) -> list[Any]:
        return [(message.type, message.content, getattr(message, "tool_calls", None)) for message in result["messages"]]

    agent = calculator()
    bare = plain(agent.invoke(ASK))
    assert plain(agent.invoke(ASK, {"callbacks": [handler]})) == bare
    assert plain(await agent.ainvoke(ASK, {"callbacks": [handler]})) == bare


def test_nothing_leaks_in_fifty_runs(handler: RelayCallbackHandler, events: CapturedEvents) -> None:
    agent = calculator()
    gc.collect()
    before = counts()
    for _ in range(50):
        agent.invoke(ASK, {"callbacks": [handler]})
        stream = agent.stream(ASK, {"callbacks": [handler]})
        next(stream)
        stream.close()
    del stream
    gc.collect()
    assert counts()[0] == before[0]
    if not tracing_is_enabled():  # LangSmith's client keeps the ids of runs until it has sent them
        assert counts() == before
