# SPDX-License-Identifier: Apache-2.0
"""Interrupts and resumptions: shown as what they are, on every level they pass, and linked."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt

from nemo_relay.integrations import langchain
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.integrations.langgraph import RelayCallbackHandler
from nemo_relay.testing import CapturedEvents

from .graphs import ASK, State, calling, line, named, only, told


def pre(state: State) -> State:
    return {"x": ["pre"]}


def ask(state: State) -> State:
    return {"x": [interrupt("how many?")]}


def post(state: State) -> State:
    return {"x": ["post"]}


def config(thread: str, *handlers: Any) -> Any:
    return {"configurable": {"thread_id": thread}, "callbacks": list(handlers)}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s35_interrupt_and_resume(events: CapturedEvents, asynchronous: bool) -> None:
    graph = line(pre, ask, post, checkpointer=InMemorySaver())

    async def run(value: Any) -> Any:
        # A new handler, and a second one beside it, as in a server that builds its configuration per request.
        settings = config("t1", RelayCallbackHandler(), RelayCallbackHandler())
        return await graph.ainvoke(value, settings) if asynchronous else graph.invoke(value, settings)

    paused = await run({"x": []})
    (waiting,) = paused["__interrupt__"]
    assert (await run(Command(resume=42)))["x"] == ["pre", 42, "post"]

    first, second = named(events, "G")
    assert [(child.name, child.outcome) for child in first.children] == [
        ("pre", "ok"),
        ("ask", "interrupted"),
    ]
    assert (first.outcome, first.metadata["relay.interrupt_ids"]) == ("interrupted", [waiting.id])
    assert first.metadata["otel.status_code"] == "UNSET"
    assert first.children[1].output == {"interrupts": [{"id": waiting.id, "value": "how many?"}]}
    (mark,) = told(first)
    assert mark.name == "Graph Interrupt"
    assert mark.data["interrupts"] == [{"id": waiting.id, "value": "how many?"}]
    assert (mark.data["thread_id"], mark.data["next"]) == ("t1", ["ask"])
    assert mark.data["run_id"] == first.metadata["relay.run_id"]
    assert mark.data["checkpoint_id"]
    assert (mark.metadata["integration"], mark.metadata["relay.interrupt_ids"]) == ("langgraph", [waiting.id])

    assert [(child.name, child.outcome) for child in second.children] == [("ask", "ok"), ("post", "ok")]
    assert second.outcome == "ok"
    (mark,) = told(second)
    assert mark.name == "Graph Resume"
    assert mark.data["answers"] == {waiting.id: 42}
    assert mark.data["resumed_run_uuid"] == first.uuid
    assert mark.data["thread_id"] == "t1"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("when", ["interrupt_before", "interrupt_after"])
async def test_s36_static_interrupt(
    events: CapturedEvents, handler: RelayCallbackHandler, when: str, asynchronous: bool
) -> None:
    graph = line(pre, post, checkpointer=InMemorySaver())
    place, stop = config(f"{when}-{asynchronous}", handler), {when: ["post" if when == "interrupt_before" else "pre"]}

    async def run(given: Any, **options: Any) -> None:
        await graph.ainvoke(given, place, **options) if asynchronous else graph.invoke(given, place, **options)

    await run({"x": []}, **stop)
    assert graph.get_state(place).next == ("post",)
    await run(None)
    first, second = named(events, "G")
    assert (first.outcome, second.outcome) == ("interrupted", "ok")
    (mark,) = told(first)
    assert (mark.data["status"], mark.data["interrupts"], mark.data["next"]) == (when, [], ["post"])
    (mark,) = told(second)
    assert mark.name == "Graph Resume"
    assert mark.data["resumed_run_uuid"] == first.uuid


@pytest.mark.parametrize("when", ["interrupt_before", "interrupt_after"])
def test_s36_several_nodes_wait(events: CapturedEvents, handler: RelayCallbackHandler, when: str) -> None:
    graph = StateGraph(State)
    for node in (pre, post):
        graph.add_node(node.__name__, node)
    graph.add_node("work", pre)
    graph.add_edge(START, "pre")
    graph.add_edge("pre", "post")
    graph.add_conditional_edges("pre", lambda state: [Send("work", {"x": [n]}) for n in (1, 2)], ["work"])
    compiled = graph.compile(name="G", checkpointer=InMemorySaver())
    place = config(f"many-{when}", handler)
    compiled.invoke({"x": []}, place, **{when: ["post" if when == "interrupt_before" else "pre"]})  # type: ignore[arg-type]
    mark = next(mark for mark in told(only(events, "G")) if mark.name == "Graph Interrupt")
    assert mark.data["next"] == list(compiled.get_state(place).next)
    assert sorted(mark.data["next"]) == ["post", "work", "work"]


def test_the_langchain_handler_alone_tells_the_outcome(events: CapturedEvents) -> None:
    graph = line(ask, checkpointer=InMemorySaver())
    graph.invoke({"x": []}, config("t3", langchain.RelayCallbackHandler()))
    assert (only(events, "G").outcome, only(events, "ask").outcome) == ("interrupted", "interrupted")


def test_s38_interrupt_in_a_subgraph(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    graph = StateGraph(State)
    graph.add_node("child", line(ask, name="inner"))
    graph.add_edge(START, "child")
    outer = graph.compile(name="outer", checkpointer=InMemorySaver())
    outer.invoke({"x": []}, config("t4", handler))
    assert {name: only(events, name).outcome for name in ("outer", "child", "inner", "ask")} == {
        "outer": "interrupted",
        "child": "interrupted",
        "inner": "interrupted",
        "ask": "interrupted",
    }
    assert [mark.name for node in events.tree().walk() for mark in told(node)] == ["Graph Interrupt"]
    assert told(only(events, "outer"))
    outer.invoke(Command(resume=1), config("t4", handler))
    assert [node.outcome for node in named(events, "outer")] == ["interrupted", "ok"]


def test_s38_interrupt_in_a_tool(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    @tool
    def approve() -> str:
        """Ask a human."""
        return str(interrupt("may I?"))

    model = ScriptedChatModel(script=[calling(("approve", {})), "done"])
    agent = create_agent(model, [approve], name="careful", checkpointer=InMemorySaver())
    agent.invoke(ASK, config("t5", handler))
    assert {name: only(events, name).outcome for name in ("careful", "tools", "approve")} == {
        "careful": "interrupted",
        "tools": "interrupted",
        "approve": "interrupted",
    }
    result = agent.invoke(Command(resume="yes"), config("t5", handler))
    assert result["messages"][-2].content == "yes"
    assert [node.outcome for node in named(events, "approve")] == ["interrupted", "ok"]


def test_s37_two_parallel_interrupts(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    graph = StateGraph(State)
    graph.add_node("ask", lambda state: {"x": [interrupt(state["x"][0])]})
    graph.add_conditional_edges(START, lambda state: [Send("ask", {"x": [n]}) for n in (1, 2)], ["ask"])
    compiled = graph.compile(name="G", checkpointer=InMemorySaver())
    paused = compiled.invoke({"x": []}, config("t6", handler))
    ids = {waiting.id for waiting in paused["__interrupt__"]}
    assert set(only(events, "G").metadata["relay.interrupt_ids"]) == ids
    answers = dict.fromkeys(ids, "yes")
    compiled.invoke(Command(resume=answers), config("t6", handler))
    (mark,) = told(named(events, "G")[1])
    assert mark.data["answers"] == answers


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s37_answered_one_by_one(
    events: CapturedEvents, handler: RelayCallbackHandler, asynchronous: bool
) -> None:
    graph = StateGraph(State)
    graph.add_node("ask", lambda state: {"x": [interrupt(state["x"][0])]})
    graph.add_conditional_edges(START, lambda state: [Send("ask", {"x": [n]}) for n in (1, 2)], ["ask"])
    compiled, place = graph.compile(name="G", checkpointer=InMemorySaver()), config(f"t7-{asynchronous}", handler)

    async def run(given: Any) -> Any:
        return await compiled.ainvoke(given, place) if asynchronous else compiled.invoke(given, place)

    paused = await run({"x": []})
    first, second = (waiting.id for waiting in paused["__interrupt__"])
    paused = await run(Command(resume={first: "yes"}))
    assert [waiting.id for waiting in paused["__interrupt__"]] == [second]
    await run(Command(resume={second: "no"}))
    runs = named(events, "G")
    assert [node.outcome for node in runs] == ["interrupted", "interrupted", "ok"]
    assert [set(node.metadata.get("relay.interrupt_ids", ())) for node in runs] == [{first, second}, {second}, set()]
    resumed = [mark.data for node in runs for mark in told(node) if mark.name == "Graph Resume"]
    assert [mark["answers"] for mark in resumed] == [{first: "yes"}, {second: "no"}]
    assert [mark["resumed_run_uuid"] for mark in resumed] == [runs[0].uuid, runs[1].uuid]
