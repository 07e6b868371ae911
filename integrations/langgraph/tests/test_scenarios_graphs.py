# SPDX-License-Identifier: Apache-2.0
"""Scenarios 33, 34, 36 to 41, 44 and 49: supersteps, checkpoints, and what managed agents do inside graphs."""

from __future__ import annotations

import operator
import time
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt

from nemo_relay import guardrails
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.integrations.langgraph import RelayCheckpointer, RelayMiddleware, wrap_graph
from nemo_relay.testing import CapturedEvents, expect_tree

from .graphs import State, add, calling, line, named, only

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


async def call(graph: Any, mode: str, given: Any, durability: Any = None, **configurable: Any) -> Any:
    config: Any = {"configurable": configurable}
    options = {"durability": durability} if durability else {}
    if mode == "invoke":
        return graph.invoke(given, config, **options)
    return await graph.ainvoke(given, config, **options)


def a(state: State) -> State:
    return {"x": ["a"]}


def b(state: State) -> State:
    return {"x": ["b"]}


@BOTH
async def test_s33_supersteps(events: CapturedEvents, mode: str) -> None:
    await call(wrap_graph(line(a, b)), mode, {"x": []})
    expect_tree(
        events.tree(),
        """
        agent:G {ok}
            <Superstep Start>
            function:a {langgraph_step=1}
            <Superstep End>
            <Superstep Start>
            function:b {langgraph_step=2}
            <Superstep End>
        """,
    )
    ends = [mark.data for mark in only(events, "G").marks if mark.name == "Superstep End"]
    assert ends == [
        {"step": 1, "task_count": 1, "tasks": ["a"]},
        {"step": 2, "task_count": 1, "tasks": ["b"]},
    ]


def test_s33_a_step_starts_once_and_before_its_nodes(events: CapturedEvents) -> None:
    """They start on threads of their own, all at once; whoever hears of the step takes its time."""
    builder = StateGraph(State)
    for number in range(4):
        builder.add_node(f"n{number}", a)
        builder.add_edge(START, f"n{number}")

    def slow(event: Any, fields: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.05)
        return fields

    guardrails.register_mark_sanitize("slow", 0, slow)
    try:
        wrap_graph(builder.compile(name="G")).invoke({"x": []})
    finally:
        guardrails.deregister_mark_sanitize("slow")
    said = [event.name for event in events.events if getattr(event, "scope_category", "mark") != "end"]
    assert said[:2] == ["G", "Superstep Start"]
    assert sorted(said[2:]) == ["Superstep End", "n0", "n1", "n2", "n3"]
    (end,) = [mark for mark in only(events, "G").marks if mark.name == "Superstep End"]
    assert sorted(end.data["tasks"]) == ["n0", "n1", "n2", "n3"]


class Work(TypedDict, total=False):
    n: int
    done: Annotated[list[str], operator.add]


def fan_out(middleware: int) -> Any:
    script = [calling(("add", {"a": 1, "b": 2})), "three"]
    agents = {
        n: create_agent(
            ScriptedChatModel(script=script),
            [add],
            name=f"X_{n}",
            middleware=[RelayMiddleware()] * middleware,
        )
        for n in range(3)
    }

    def plan(state: Work) -> Work:
        return {}

    def work(state: Work) -> Work:
        found = agents[state["n"]].invoke({"messages": [("user", "1 + 2?")]})
        return {"done": [found["messages"][-1].text]}

    async def awork(state: Work) -> Work:
        found = await agents[state["n"]].ainvoke({"messages": [("user", "1 + 2?")]})
        return {"done": [found["messages"][-1].text]}

    def join(state: Work) -> Work:
        return {}

    def each(state: Work) -> list[Send]:
        return [Send("work", {"n": n}) for n in range(3)]

    from langchain_core.runnables import RunnableLambda

    graph = StateGraph(Work)
    graph.add_node("plan", plan)
    graph.add_node("work", RunnableLambda(work, awork))
    graph.add_node("join", join)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", each, ["work"])
    graph.add_edge("work", "join")
    return graph.compile(name="G")


@BOTH
@pytest.mark.parametrize("middleware", [0, 1])
async def test_s34_fan_out_with_agents(events: CapturedEvents, mode: str, middleware: int) -> None:
    state = await call(wrap_graph(fan_out(middleware)), mode, {"done": []})
    assert state["done"] == ["three"] * 3
    for n in range(3):
        agent = only(events, f"X_{n}")
        below = [node.name for child in agent.children for node in (child, *child.children)]
        assert below == ["model", "scripted", "tools", "add", "model", "scripted"]
    assert len(named(events, "add")) == 3
    assert len(named(events, "scripted")) == 6
    ends = [mark.data["task_count"] for mark in only(events, "G").marks if mark.name == "Superstep End"]
    assert ends == [1, 3, 1]


SAVES = {
    "sync": [("input", -1), ("loop", 0), ("loop", 1), ("loop", 2)],
    "async": [("input", -1), ("loop", 0), ("loop", 1), ("loop", 2)],
    "exit": [("loop", 2)],
}


@BOTH
@pytest.mark.parametrize("durability", SAVES)
async def test_s39_checkpoints(events: CapturedEvents, mode: str, durability: str) -> None:
    inner = InMemorySaver()
    graph = wrap_graph(line(a, b, checkpointer=RelayCheckpointer(inner)))
    first = await call(graph, mode, {"x": []}, durability, thread_id="t")
    second = await call(graph, mode, {"x": []}, durability, thread_id="t")
    assert (first["x"], second["x"]) == (["a", "b"], ["a", "b", "a", "b"])
    runs = named(events, "G")
    saves = [mark.data for mark in runs[0].marks if mark.name == "Checkpoint Save"]
    assert [(save["source"], save["step"]) for save in saves] == SAVES[durability]
    assert {save["thread_id"] for save in saves} == {"t"}
    assert [mark.name for mark in runs[0].marks if mark.name == "Checkpoint Restore"] == []
    (restored,) = (mark.data for mark in runs[1].marks if mark.name == "Checkpoint Restore")
    assert restored["checkpoint_id"] == saves[-1]["checkpoint_id"]
    stored = {found.checkpoint["id"] for found in inner.list({"configurable": {"thread_id": "t"}})}
    assert {save["checkpoint_id"] for save in saves} <= stored


@BOTH
async def test_s39_a_fork(events: CapturedEvents, mode: str) -> None:
    graph = wrap_graph(line(a, checkpointer=RelayCheckpointer(InMemorySaver())))
    config: Any = {"configurable": {"thread_id": "t"}}
    await call(graph, mode, {"x": []}, thread_id="t")
    if mode == "invoke":
        graph.update_state(config, {"x": ["mine"]})
        assert graph.get_state(config).values == {"x": ["a", "mine"]}
    else:
        await graph.aupdate_state(config, {"x": ["mine"]})
        assert (await graph.aget_state(config)).values == {"x": ["a", "mine"]}
    forks = [event for event in events.events if event.kind == "mark" and event.name == "Checkpoint Fork"]
    (fork,) = forks
    saves = [mark.data for mark in only(events, "G").marks if mark.name == "Checkpoint Save"]
    assert fork.data["from"] == saves[-1]["checkpoint_id"]


def ask(state: State) -> State:
    return {"x": [interrupt("how many?")]}


@BOTH
async def test_s39_interrupts_go_through_the_checkpointer(events: CapturedEvents, mode: str) -> None:
    graph = wrap_graph(line(a, ask, checkpointer=RelayCheckpointer(InMemorySaver())))
    await call(graph, mode, {"x": []}, thread_id="t")
    state = await call(graph, mode, Command(resume=3), thread_id="t")
    assert state["x"] == ["a", 3]
    assert [node.outcome for node in named(events, "G")] == ["interrupted", "ok"]


def test_s49_a_managed_agent_as_a_node_of_a_wrapped_graph(events: CapturedEvents) -> None:
    script = [calling(("add", {"a": 1, "b": 2})), "three"]
    inner = create_agent(
        ScriptedChatModel(script=script), [add], name="inner", middleware=[RelayMiddleware()], checkpointer=None
    )
    from langgraph.graph import MessagesState

    graph = StateGraph(MessagesState)
    graph.add_node("child", wrap_graph(inner))
    graph.add_edge(START, "child")
    wrap_graph(graph.compile(name="outer")).invoke({"messages": [("user", "1 + 2?")]})
    expect_tree(
        events.tree(),
        """
        agent:outer
            function:child
                agent:inner
                    function:model
                        llm:scripted
                    function:tools
                        tool:add
                    function:model
                        llm:scripted
        """,
    )
