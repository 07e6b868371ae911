# SPDX-License-Identifier: Apache-2.0
"""The published package's defects E-01 to E-19, as far as it takes LangGraph to show them: ours has none of them."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langgraph import RelayCallbackHandler, RelayMiddleware, configure_graph, wrap_graph
from nemo_relay.testing import CapturedEvents, check_lifecycles

from .graphs import ASK, State, calculator, line, named, only
from .test_graphs import (  # noqa: F401
    test_s42_handoff_is_no_error as test_e16_a_hand_off_is_no_error,
)
from .test_graphs import (  # noqa: F401
    test_s45_sync_stream_closed_early as test_e16_a_closed_or_abandoned_stream_is_no_error,
)
from .test_graphs import (  # noqa: F401
    test_s47_cancellation as test_e16_a_cancellation_is_no_error,
)
from .test_graphs import (  # noqa: F401
    test_s48_state_with_awkward_types as test_e04_no_trace_vanishes,
)
from .test_scenarios_graphs import (  # noqa: F401
    test_s34_fan_out_with_agents as test_e01_every_call_of_a_fan_out_has_its_parent,
)
from .test_scenarios_rest import (  # noqa: F401
    test_s11_structured_output as test_e07_structured_output_is_not_altered,
)
from .test_scopes import (  # noqa: F401
    test_s46_a_stream_outlives_the_scope_it_was_started_in as test_e13_a_scope_that_is_left_while_a_stream_is_open,
)

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def leaf(state: State) -> State:
    return {"x": ["leaf"]}


def ask(state: State) -> State:
    return {"x": [interrupt("how many?")]}


@BOTH
async def test_e16_a_pause_is_no_error_and_no_success(events: CapturedEvents, mode: str) -> None:
    graph = StateGraph(State)
    graph.add_node("child", line(ask, name="inner"))
    graph.add_edge(START, "child")
    compiled: Any = wrap_graph(graph.compile(name="outer", checkpointer=InMemorySaver()))
    config: Any = {"configurable": {"thread_id": f"e16-{mode}"}}
    if mode == "invoke":
        compiled.invoke({"x": []}, config)
    else:
        await compiled.ainvoke({"x": []}, config)
    for name in ("outer", "child", "inner", "ask"):
        span = only(events, name)
        assert (span.outcome, span.metadata["otel.status_code"]) == ("interrupted", "UNSET")


def test_e16_a_router_has_a_name(events: CapturedEvents) -> None:
    graph = StateGraph(State)
    graph.add_node("plan", leaf)
    graph.add_node("left", leaf)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda state: "left", ["left"])
    wrap_graph(graph.compile(name="G")).invoke({"x": []})  # type: ignore[arg-type]
    names = {node.name for node in events.tree().walk()}
    assert not names & {"RunnableCallable", "Unknown", "RunnableLambda"}
    (mark,) = (mark for mark in only(events, "G").marks if mark.name == "graph.route")
    assert mark.data == {"from": "plan", "to": ["left"]}


@BOTH
async def test_e12_a_resumption_is_told_whatever_its_run_id(events: CapturedEvents, mode: str) -> None:
    graph: Any = line(ask, checkpointer=InMemorySaver())
    for number in range(5):
        place = {"configurable": {"thread_id": f"e12-{mode}-{number}"}}
        for given in ({"x": []}, Command(resume=number)):
            config = {**place, "callbacks": [RelayCallbackHandler()]}
            await graph.ainvoke(given, config) if mode == "ainvoke" else graph.invoke(given, config)
    names = [event.name for event in events if event.kind == "mark" and event.name.startswith("Graph ")]
    assert names == ["Graph Interrupt", "Graph Resume"] * 5


def test_e15_what_a_graph_does_between_its_nodes_is_told(events: CapturedEvents) -> None:
    wrap_graph(line(leaf, checkpointer=InMemorySaver())).invoke({"x": []}, {"configurable": {"thread_id": "e15"}})
    names = {mark.name for mark in only(events, "G").marks}
    assert names == {"Superstep Start", "Superstep End", "Checkpoint Save"}


@BOTH
async def test_e17_a_configured_graph_and_a_handler_of_the_call(events: CapturedEvents, mode: str) -> None:
    graph = line(leaf)
    before = copy.copy(graph.config)
    configured = configure_graph(graph)
    assert graph.config == before
    outer = configure_graph(line(node_of(configured), name="outer"))
    config: Any = {"callbacks": [RelayCallbackHandler()]}
    with scope.scope("app", ScopeType.Function):
        await outer.ainvoke({"x": []}, config) if mode == "ainvoke" else outer.invoke({"x": []}, config)
    assert [node.name for node in events.tree().walk()] == ["app", "outer", "child", "G", "leaf"]


def node_of(graph: Any) -> Any:
    def child(state: State) -> Any:
        return graph.invoke({"x": []})

    return child


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda handler: pickle.loads(pickle.dumps(handler))])
def test_e17_handlers_can_be_copied(events: CapturedEvents, make: Any) -> None:
    line(leaf).invoke({"x": []}, {"callbacks": [make(RelayCallbackHandler())]})
    assert [node.name for node in events.tree().walk()] == ["G", "leaf"]


async def test_e18_requests_of_one_loop_do_not_nest(events: CapturedEvents) -> None:
    graph = wrap_graph(calculator(middleware=[RelayMiddleware()]))
    with scope.scope("start-up", ScopeType.Function):
        pass
    await asyncio.gather(*(asyncio.create_task(graph.ainvoke(ASK)) for _ in range(5)))
    assert [root.name for root in events.tree().roots] == ["start-up", *["calc"] * 5]
    assert all(len(list(root.walk())) == 7 for root in named(events, "calc"))
    check_lifecycles(events.events)


def test_e14_nodes_are_no_agents(events: CapturedEvents) -> None:
    """What exporters derive session headers from is an agent: the graph, never a node of it."""
    wrap_graph(calculator()).invoke(ASK, {"configurable": {"thread_id": "e14"}})
    agents = [node for node in events.tree().walk() if node.category == "agent"]
    assert [(node.name, node.metadata["session_id"]) for node in agents] == [("calc", "e14")]
