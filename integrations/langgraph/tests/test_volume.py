# SPDX-License-Identifier: Apache-2.0
"""What events repeat: nothing by default, and everything can be had back."""

from __future__ import annotations

import copy
import json
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, SystemMessage
from langgraph import types
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send

from nemo_relay import guardrails
from nemo_relay.atif import trajectory
from nemo_relay.integrations.langchain import RelayMiddleware, unfold
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.integrations.langgraph import AdapterOptions, RelayCallbackHandler
from nemo_relay.testing import CapturedEvents, capture_events

from .graphs import add, calling, only

_VARYING = re.compile(r"lc_run-[-0-9a-f]+|[0-9a-f]{8}-[0-9a-f]{4}-[-0-9a-f]{22}")
_WHOLE = AdapterOptions(dedupe_state=False)


def alike(value: Any) -> Any:
    """``value`` without what differs from run to run."""
    return json.loads(_VARYING.sub("id", json.dumps(value)))


def record(
    turns: int, options: AdapterOptions | None = None, *, handler: bool = True, middleware: bool = False
) -> CapturedEvents:
    """A run of an agent that calls a tool ``turns`` times."""
    script = [*(calling(("add", {"a": turn, "b": 1})) for turn in range(turns)), "done"]
    layers = [RelayMiddleware(options)] if middleware else []
    agent = create_agent(
        ScriptedChatModel(script=script), [add], name="calc", system_prompt="Brief.", middleware=layers
    )
    config: Any = {"callbacks": [RelayCallbackHandler(options)] if handler else [], "recursion_limit": 1_000}
    with capture_events() as captured:
        agent.invoke({"messages": [("user", "x" * 2_000)]}, config)
    return captured


def restored(captured: CapturedEvents) -> Any:
    return alike([event["data"] for event in unfold(captured.events)])


def size(captured: CapturedEvents) -> int:
    return sum(len(event.to_json()) for event in captured.events)


SETUPS: dict[str, Any] = {
    "handler": {},
    "middleware": {"handler": False, "middleware": True},
    "both": {"middleware": True},
}


@pytest.mark.parametrize("setup", SETUPS)
def test_s65_volume_is_linear_in_turns(setup: str) -> None:
    sizes = {turns: size(record(turns, **SETUPS[setup])) for turns in (10, 20, 40)}
    first, second = (sizes[20] - sizes[10]) / 10, (sizes[40] - sizes[20]) / 20
    assert second < 1.02 * first


def test_s65_volume_is_linear_with_guardrails(request: pytest.FixtureRequest) -> None:
    guardrails.register_llm_conditional_execution("watch", 1, lambda asked: None)
    request.addfinalizer(lambda: guardrails.deregister_llm_conditional_execution("watch"))
    sizes = {turns: size(record(turns, middleware=True)) for turns in (10, 20, 40)}
    assert (sizes[40] - sizes[20]) / 20 < 1.02 * (sizes[20] - sizes[10]) / 10


@pytest.mark.parametrize("setup", SETUPS)
def test_s65_everything_can_be_had_back(setup: str) -> None:
    economical, whole = record(6, **SETUPS[setup]), record(6, _WHOLE, **SETUPS[setup])
    assert size(economical) < size(whole)
    assert restored(economical) == alike([event.data for event in whole.events])


def test_s65_the_lines_of_a_file_can_be_unfolded() -> None:
    captured = record(3)
    lines = [json.loads(event.to_json()) for event in captured.events]
    before = copy.deepcopy(lines)
    assert unfold(lines) == unfold(captured.events)
    assert lines == before


def test_s65_trajectory_is_complete() -> None:
    def steps(options: AdapterOptions | None) -> list[dict[str, Any]]:
        events = [event.to_dict() for event in record(5, options).events]
        found = trajectory(events, session_id=events[0]["uuid"], agent_name="calc", agent_version="1")
        return [
            {key: value for key, value in step.items() if key not in ("extra", "timestamp")} for step in found["steps"]
        ]

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items() if key not in ("extra", "timestamp")}
        return [plain(item) for item in value] if isinstance(value, list) else value

    assert alike(plain(steps(None))) == alike(plain(steps(_WHOLE)))
    assert [step["source"] for step in steps(None)] == ["user", *["agent"] * 6]
    assert steps(None)[0]["message"] == "x" * 2_000


def test_model_requests_stand_on_their_own() -> None:
    for event in record(4).starts(category="llm"):
        roles = [message["role"] for message in event.data["content"]["messages"]]
        assert roles[:2] == ["system", "user"]
        assert roles[-1] in ("user", "tool")


class Work(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]
    files: dict[str, str]
    note: str


def busy(step: int) -> Any:
    def node(state: Work) -> Work:
        made: Work = {
            "log": [f"step {step} " * 30],
            "files": {**state.get("files", {}), f"{step}/~a.md": f"text {step} " * 50},
            "messages": [AIMessage(f"said {step}")],
        }
        if step == 3:
            files = dict(made["files"])
            del files["0/~a.md"]
            files["1/~a.md"] = "changed"
            made["files"] = files
            made["messages"] = [RemoveMessage(id=state["messages"][0].id or ""), HumanMessage("new", id="same")]
        if step == 4:
            made["messages"] = [HumanMessage("other words", id="same"), SystemMessage("s")]
        return made

    return node


def run_busy(options: AdapterOptions | None) -> CapturedEvents:
    graph: Any = StateGraph(Work)
    for step in range(6):
        graph.add_node(f"n{step}", busy(step))
        graph.add_edge(f"n{step - 1}" if step else START, f"n{step}")
    given = {"messages": [HumanMessage("hi", id="first")], "note": "n" * 500, "files": {}, "log": []}
    with capture_events() as captured:
        graph.compile(name="busy").invoke(given, {"callbacks": [RelayCallbackHandler(options)]})
    return captured


def test_states_that_grow_shrink_and_change() -> None:
    economical, whole = run_busy(None), run_busy(_WHOLE)
    assert alike([event["data"] for event in unfold(economical.events)]) == alike(
        [event.data for event in whole.events]
    )
    last = next(event for event in economical.starts() if event.name == "n5")
    assert last.data["files"].keys() == {"$from", "set"}
    assert last.data["log"][0].keys() == {"$from", "keep"}
    assert last.data["note"].keys() == {"$from"}


@dataclass
class Board:
    messages: Annotated[list[AnyMessage], add_messages] = field(default_factory=list)
    done: int = 0


def test_a_state_that_is_no_dict() -> None:
    graph: Any = StateGraph(Board)
    graph.add_node("one", lambda board: {"messages": [AIMessage("a" * 300)], "done": 1})
    graph.add_node("two", lambda board: {"messages": [AIMessage("b" * 300)], "done": 2})
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    runs = []
    for options in (None, _WHOLE):
        with capture_events() as captured:
            given = Board([HumanMessage("q", id="q"), HumanMessage("r" * 300, id="r")])
            graph.compile(name="board").invoke(given, {"callbacks": [RelayCallbackHandler(options)]})
        runs.append(captured)
    economical, whole = runs
    assert alike([event["data"] for event in unfold(economical.events)]) == alike(
        [event.data for event in whole.events]
    )
    assert "$from" in str([event.data for event in economical.starts()][-1])


def test_branches_and_subgraphs_keep_their_states_apart() -> None:
    inner: Any = StateGraph(MessagesState)
    inner.add_node("think", lambda state: {"messages": [AIMessage(f"on {state['messages'][-1].content}")]})
    inner.add_node("say", lambda state: {"messages": [AIMessage("said")]})
    inner.add_edge(START, "think")
    inner.add_edge("think", "say")
    graph: Any = StateGraph(MessagesState)
    graph.add_node("work", inner.compile(name="worker"))
    graph.add_conditional_edges(
        START,
        lambda state: [
            Send("work", {"messages": [*state["messages"], HumanMessage(str(n), id=f"w{n}")]}) for n in (1, 2)
        ],
        ["work"],
    )
    graph.add_edge("work", END)
    runs = []
    for options in (None, _WHOLE):
        with capture_events() as captured:
            given = {"messages": [HumanMessage("a" * 200, id="a"), HumanMessage("b" * 200, id="b")]}
            graph.compile(name="boss").invoke(given, {"callbacks": [RelayCallbackHandler(options)]})
        runs.append([(event["name"], alike(event["data"])) for event in unfold(captured.events)])
    economical, whole = runs
    assert sorted(economical, key=str) == sorted(whole, key=str)


def test_an_edited_message_is_shown_again() -> None:
    message = HumanMessage("before", id="m")

    def change(state: MessagesState) -> dict[str, Any]:
        message.content = "after"
        return {}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("change", change)
    graph.add_node("look", lambda state: {})
    graph.add_edge(START, "change")
    graph.add_edge("change", "look")
    with capture_events() as captured:
        graph.compile(name="g").invoke({"messages": [message]}, {"callbacks": [RelayCallbackHandler()]})
    (look,) = [
        event for event in unfold(captured.events) if event["name"] == "look" and event["scope_category"] == "start"
    ]
    assert [shown["content"] for shown in look["data"]["messages"]] == ["after"]


@pytest.mark.skipif(not hasattr(types, "TracePolicy"), reason="this LangGraph has no trace policies")
def test_a_node_author_s_trace_policy_is_honoured() -> None:
    graph: Any = StateGraph(MessagesState)
    graph.add_node(
        "secret",
        lambda state: {"messages": [AIMessage("hidden answer")]},
        trace_policy=types.TracePolicy(process_inputs=types.omit_payload, process_outputs=types.omit_payload),
    )
    graph.add_edge(START, "secret")
    with capture_events() as captured:
        graph.compile(name="g").invoke({"messages": [("user", "q")]}, {"callbacks": [RelayCallbackHandler()]})
    node = only(captured, "secret")
    assert (node.input, node.output) == ({}, {})


def test_the_answer_of_an_agent_is_whole() -> None:
    root = only(record(2), "calc")
    assert root.output["messages"][-1]["content"] == "done"


def test_a_reference_that_leads_nowhere_stays() -> None:
    captured = record(2)
    late = [event for event in captured.events if event.name != "model"]
    last = unfold(late)[-1]
    assert last["data"]["messages"][0].keys() == {"$from", "keep"}
