# SPDX-License-Identifier: Apache-2.0
"""Scenario 53: a human reviews tool calls. The question names the calls, the answer names what was decided.

The published package never tells the answer (E-12).
"""

from __future__ import annotations

import gc
from inspect import signature
from typing import Any

import deepagents
import pytest
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from nemo_relay.integrations import langgraph
from nemo_relay.integrations.deepagents import (
    NemoRelayDeepAgentsCallbackHandler,
    _resumptions,
    add_nemo_relay_integration,
    create_deep_agent,
)
from nemo_relay.integrations.deepagents import _decisions as followed
from nemo_relay.integrations.langgraph import _pauses
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node

from .crew import RAN, START, Cast, calling, cast_for, crew, marks, named, only, run, searching

ASKED = "DeepAgents Human In The Loop Interrupt"
ANSWERED = "DeepAgents Human In The Loop Resume"


@tool
def publish(text: str) -> str:
    """Publish."""
    RAN.append(text)
    return f"published {text}"


DECISIONS: dict[str, dict[str, Any]] = {
    "approve": {"type": "approve"},
    "edit": {"type": "edit", "edited_action": {"name": "publish", "args": {"text": "edited"}}},
    "reject": {"type": "reject", "message": "not today"},
    "respond": {"type": "respond", "message": "done by hand"},
}


def config(thread: str, *handlers: Any) -> Any:
    return {"configurable": {"thread_id": thread}, "callbacks": list(handlers)}


def editor(*calls: Any, **options: Any) -> Any:
    """An agent that publishes what it is told to, after a review."""
    model = Cast(parts={"start": [calling(*calls), "all done"]})
    return create_deep_agent(
        model,
        [publish],
        name="main",
        interrupt_on={"publish": True},
        checkpointer=InMemorySaver(),
        **options,
    )


def forget_everything() -> None:
    """What a new process knows: nothing."""
    for table in (_resumptions._waiting, _resumptions._asked):
        table._items.clear()
    _pauses._pauses.clear()


def decisions(node: Node) -> list[Any]:
    (mark,) = marks(node, ANSWERED)
    assert mark.metadata["deepagents_kind"] == "human_in_the_loop"
    assert (mark.metadata["phase"], mark.metadata["langgraph_event"]) == ("resume", "Graph Resume")
    return list(mark.data["decisions"])


@pytest.mark.parametrize("other_process", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("kind", DECISIONS)
async def test_s53_each_decision(events: CapturedEvents, kind: str, asynchronous: bool, other_process: bool) -> None:
    agent, decision = editor(("publish", {"text": "draft"}, "p1")), DECISIONS[kind]
    RAN.clear()
    paused = await run(agent, START, asynchronous, config("t", NemoRelayDeepAgentsCallbackHandler()))
    (waiting,) = paused["__interrupt__"]
    if other_process:
        forget_everything()
    answer = Command(resume={"decisions": [decision]})
    await run(agent, answer, asynchronous, config("t", NemoRelayDeepAgentsCallbackHandler()))
    expected = {"approve": ["draft"], "edit": ["edited"]}.get(kind, [])
    assert expected == RAN

    first, second = named(events, "main")
    assert (first.outcome, second.outcome) == ("interrupted", "ok")
    (mark,) = marks(first, ASKED)
    (asked,) = mark.data["interrupts"]
    assert asked["id"] == waiting.id
    assert [action["tool_call_id"] for action in asked["value"]["action_requests"]] == ["p1"]
    assert "tool_call_id" not in waiting.value["action_requests"][0]  # the application's own object
    assert (mark.data["thread_id"], mark.data["next"]) == ("t", ["HumanInTheLoopMiddleware.after_model"])
    assert (mark.metadata["integration"], mark.metadata["phase"]) == ("deepagents", "interrupt")
    assert mark.metadata["langgraph_event"] == "Graph Interrupt"

    (shown,) = decisions(second)
    assert (shown["type"], shown["tool_name"], shown["tool_call_id"]) == (kind, "publish", "p1")
    assert shown.get("edited_action") == decision.get("edited_action")
    skipped = marks(second, "tool.skipped")
    assert [mark.data["tool_call_id"] for mark in skipped] == (["p1"] if kind in ("reject", "respond") else [])
    tools = [node for node in second.walk() if node.category == "tool"]
    assert [node.input for node in tools] == [{"text": text} for text in RAN]
    assert not marks(second, "Graph Resume")


@pytest.mark.parametrize("other_process", [False, True])
@pytest.mark.parametrize("as_map", [False, True])
def test_s53_some_calls_need_no_review(events: CapturedEvents, as_map: bool, other_process: bool) -> None:
    calls = (
        ("publish", {"text": "a"}, "p1"),
        ("write_file", {"file_path": "/n.txt", "content": "x"}, "w1"),
        ("publish", {"text": "b"}, "p2"),
        ("publish", {"text": "c"}, "p3"),
    )
    agent = editor(*calls)
    (waiting,) = agent.invoke(START, config("t"))["__interrupt__"]
    (mark,) = marks(only(events, "main"), ASKED)
    actions = mark.data["interrupts"][0]["value"]["action_requests"]
    assert [action["tool_call_id"] for action in actions] == ["p1", "p2", "p3"]
    if other_process:
        forget_everything()
    given = {"decisions": [DECISIONS[kind] for kind in ("edit", "reject", "approve")]}
    agent.invoke(Command(resume={waiting.id: given} if as_map else given), config("t"))
    found = [(shown["type"], shown.get("tool_call_id")) for shown in decisions(named(events, "main")[1])]
    # Another process cannot tell the approved call from the one that needed no approval, and does not guess.
    assert found == [("edit", "p1"), ("reject", "p2"), ("approve", None if other_process else "p3")]


@pytest.mark.parametrize("other_process", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s53_two_subagents_wait_at_once(events: CapturedEvents, asynchronous: bool, other_process: bool) -> None:
    model = cast_for("researcher", "general-purpose", **{"general-purpose": searching("general-purpose", key="s2")})
    agent = create_deep_agent(**crew(model, interrupt_on={"search": True}, checkpointer=InMemorySaver()))
    RAN.clear()
    waiting = {pause.id: pause for pause in (await run(agent, START, asynchronous, config("t")))["__interrupt__"]}
    (mark,) = marks(only(events, "main"), ASKED)
    asked = {item["id"]: item["value"]["action_requests"][0]["tool_call_id"] for item in mark.data["interrupts"]}
    assert (asked.keys(), sorted(asked.values())) == (waiting.keys(), ["s1", "s2"])
    if other_process:
        forget_everything()
    refused = next(place for place, call in asked.items() if call == "s2")
    answers = {place: {"decisions": [DECISIONS["reject" if place == refused else "approve"]]} for place in waiting}
    await run(agent, Command(resume=answers), asynchronous, config("t"))
    assert RAN == ["researcher"]
    found = {
        shown["interrupt_id"]: (shown["type"], shown["tool_call_id"]) for shown in decisions(named(events, "main")[1])
    }
    assert found == {place: (("reject", "s2") if call == "s2" else ("approve", call)) for place, call in asked.items()}
    (skipped,) = marks(named(events, "general-purpose")[1], "tool.skipped")
    assert (skipped.data["tool_name"], skipped.data["tool_call_id"]) == ("search", "s2")
    outcomes = [node.outcome for node in named(events, "general-purpose")]
    assert outcomes == ["interrupted", "ok"]


def test_s53_one_answer_at_a_time(events: CapturedEvents) -> None:
    model = cast_for("researcher", "general-purpose", **{"general-purpose": searching("general-purpose", key="s2")})
    agent = create_deep_agent(**crew(model, interrupt_on={"search": True}, checkpointer=InMemorySaver()))
    first, second = agent.invoke(START, config("t"))["__interrupt__"]
    approve = {"decisions": [DECISIONS["approve"]]}
    left = agent.invoke(Command(resume={first.id: approve}), config("t"))["__interrupt__"]
    assert [pause.id for pause in left] == [second.id]
    agent.invoke(Command(resume={second.id: approve}), config("t"))
    asked, between, last = named(events, "main")
    assert [node.outcome for node in (asked, between, last)] == ["interrupted", "interrupted", "ok"]
    assert [shown["interrupt_id"] for shown in decisions(between)] == [first.id]
    assert [shown["interrupt_id"] for shown in decisions(last)] == [second.id]
    calls = {shown["tool_call_id"] for node in (between, last) for shown in decisions(node)}
    assert calls == {"s1", "s2"}


@pytest.mark.skipif("interrupt_mode" not in signature(HumanInTheLoopMiddleware).parameters, reason="younger")
@pytest.mark.parametrize("other_process", [False, True])
def test_s53_a_review_per_call(events: CapturedEvents, other_process: bool) -> None:
    review: Any = HumanInTheLoopMiddleware(interrupt_on={"publish": True}, interrupt_mode="per_call")
    model = Cast(
        parts={"start": [calling(("publish", {"text": "a"}, "p1"), ("publish", {"text": "b"}, "p2")), "all done"]}
    )
    agent = create_deep_agent(model, [publish], name="main", middleware=[review], checkpointer=InMemorySaver())
    waiting = {pause.value["tool_call_id"]: pause.id for pause in agent.invoke(START, config("t"))["__interrupt__"]}
    (mark,) = marks(only(events, "main"), ASKED)
    assert {item["value"]["tool_call_id"] for item in mark.data["interrupts"]} == {"p1", "p2"}
    if other_process:
        forget_everything()
    answers = {waiting["p1"]: DECISIONS["approve"], waiting["p2"]: DECISIONS["reject"]}
    agent.invoke(Command(resume=answers), config("t"))
    second = named(events, "main")[1]
    found = {(shown["type"], shown["tool_name"], shown["tool_call_id"]) for shown in decisions(second)}
    assert found == {("approve", "publish", "p1"), ("reject", "publish", "p2")}
    assert [mark.data["tool_call_id"] for mark in marks(second, "tool.skipped")] == ["p2"]


def test_s53_two_handlers_and_one_mark(events: CapturedEvents) -> None:
    agent = editor(("publish", {"text": "draft"}, "p1"))
    pair = (NemoRelayDeepAgentsCallbackHandler(), NemoRelayDeepAgentsCallbackHandler())
    agent.invoke(START, config("t", *pair))
    agent.invoke(Command(resume={"decisions": [DECISIONS["approve"]]}), config("t", *pair))
    first, second = named(events, "main")
    assert len(marks(first, ASKED)) == 1
    assert [shown["tool_call_id"] for shown in decisions(second)] == ["p1"]


def test_s53_a_graph_handler_beside_it(events: CapturedEvents) -> None:
    agent = editor(("publish", {"text": "draft"}, "p1"))
    agent.invoke(START, config("t", langgraph.RelayCallbackHandler()))
    agent.invoke(Command(resume={"decisions": [DECISIONS["approve"]]}), config("t", langgraph.RelayCallbackHandler()))
    for node in named(events, "main"):
        assert len([mark for mark in node.marks if "Interrupt" in mark.name or "Resume" in mark.name]) == 1


def test_an_interrupt_that_is_no_review_stays_a_graph_interrupt(events: CapturedEvents) -> None:
    @tool
    def ask() -> str:
        """Ask."""
        return str(interrupt("how many?"))

    model = Cast(parts={"start": [calling(("ask", {}, "a1")), "all done"]})
    agent = create_deep_agent(model, [ask], name="main", checkpointer=InMemorySaver())
    agent.invoke(START, config("t"))
    agent.invoke(Command(resume={"decisions": "many"}), config("t"))
    first, second = named(events, "main")
    assert (len(marks(first, "Graph Interrupt")), len(marks(second, "Graph Resume"))) == (1, 1)
    assert not marks(first, ASKED)
    assert not marks(second, ANSWERED)


def test_s53_an_answer_that_no_node_explains_is_still_told(events: CapturedEvents) -> None:
    agent = editor(("publish", {"text": "draft"}, "p1"))
    agent.invoke(START, config("t"))
    forget_everything()
    wrong = {"decisions": [DECISIONS["approve"], DECISIONS["approve"]]}  # one too many: the framework refuses it
    with pytest.raises(ValueError, match="does not match"):
        agent.invoke(Command(resume=wrong), config("t"))
    second = named(events, "main")[1]
    assert second.outcome == "error"
    assert [(shown["type"], "tool_call_id" in shown) for shown in decisions(second)] == [("approve", False)] * 2


def test_s53_nothing_is_kept_of_an_answered_review(events: CapturedEvents) -> None:
    forget_everything()
    agent = editor(("publish", {"text": "draft"}, "p1"))
    for thread in ("t1", "t2"):
        agent.invoke(START, config(thread))
        agent.invoke(Command(resume={"decisions": [DECISIONS["approve"]]}), config(thread))
    gc.collect()
    bounded: list[Any] = [_resumptions._waiting, _resumptions._asked, followed._resumed]
    assert [len(table._items) for table in bounded] == [0, 0, 0]
    assert followed._asking._by_key == {}


def test_s53_the_published_way_of_attaching_it(events: CapturedEvents) -> None:
    arguments = add_nemo_relay_integration(
        model=Cast(parts={"start": [calling(("publish", {"text": "draft"}, "p1")), "all done"]}),
        tools=[publish],
        name="main",
        interrupt_on={"publish": True},
        checkpointer=InMemorySaver(),
    )
    agent: Any = deepagents.create_deep_agent(**arguments)
    agent.invoke(START, config("t", NemoRelayDeepAgentsCallbackHandler()))
    agent.invoke(
        Command(resume={"decisions": [DECISIONS["respond"]]}), config("t", NemoRelayDeepAgentsCallbackHandler())
    )
    assert [shown["tool_call_id"] for shown in decisions(named(events, "main")[1])] == ["p1"]
