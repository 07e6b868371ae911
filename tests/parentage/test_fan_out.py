# SPDX-License-Identifier: Apache-2.0
"""Three agents in a ``Send`` fan-out: each model call, tool and user scope under its own agent."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from nemo_relay.integrations.langchain.testing import RunRecorder
from nemo_relay.integrations.langgraph import AdapterOptions, RelayCallbackHandler
from nemo_relay.testing import capture_events

from .agents import make_agent
from .proofs import REPETITIONS, assert_own_lanes, assert_same_tree

NAMES = ("amy", "bob", "cleo")  # no name may be the end of a hexadecimal id


class State(TypedDict, total=False):
    who: str
    answers: Annotated[list[str], operator.add]


EVERY_RUN = AdapterOptions(detail="all")


def fan_out(*, asynchronous: bool) -> Any:
    agents = {who: make_agent(who, asynchronous=asynchronous) for who in NAMES}

    def work(state: State) -> State:
        found = agents[state["who"]].invoke({"messages": [("user", state["who"])]})
        return {"answers": [found["messages"][-1].content]}

    async def work_async(state: State) -> State:
        found = await agents[state["who"]].ainvoke({"messages": [("user", state["who"])]})
        return {"answers": [found["messages"][-1].content]}

    graph = StateGraph(State)
    graph.add_node("plan", lambda state: {})
    graph.add_node("work", work_async if asynchronous else work)
    graph.add_node("join", lambda state: {})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda state: [Send("work", {"who": who}) for who in NAMES], ["work"])
    graph.add_edge("work", "join")
    graph.add_edge("join", END)
    return graph.compile(name="fan-out")


def check(captured: Any, recorder: RunRecorder, result: dict[str, Any]) -> None:
    assert sorted(result["answers"]) == [f"done for {who}" for who in NAMES]
    assert_same_tree(captured, recorder)
    lanes = {node.name: node for node in captured.tree().walk() if node.category == "agent" and node.name in NAMES}
    assert len(lanes) == 3
    assert_own_lanes(captured, lanes, per_lane_llm=3, per_lane_tools=3)


def test_synchronous() -> None:
    graph, handler = fan_out(asynchronous=False), RelayCallbackHandler(EVERY_RUN)
    for _ in range(REPETITIONS):
        recorder = RunRecorder()
        with capture_events() as captured:
            result = graph.invoke({"answers": []}, {"callbacks": [recorder, handler]})
        check(captured, recorder, result)


async def test_asynchronous() -> None:
    graph, handler = fan_out(asynchronous=True), RelayCallbackHandler(EVERY_RUN)
    for _ in range(REPETITIONS):
        recorder = RunRecorder()
        with capture_events() as captured:
            result = await graph.ainvoke({"answers": []}, {"callbacks": [recorder, handler]})
        check(captured, recorder, result)
