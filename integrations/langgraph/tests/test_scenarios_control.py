# SPDX-License-Identifier: Apache-2.0
"""Scenarios 13, 21, 35, 38 and 50 for graphs: tool nodes of our own, zero-code recording, headers."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from nemo_relay import ScopeType, guardrails, scope
from nemo_relay.integrations.langgraph import (
    AdapterOptions,
    RelayCallbackHandler,
    RelayMiddleware,
    awrap_tool_call,
    create_tool_node,
    instrument,
    propagate_headers,
    uninstrument,
    wrap_graph,
    wrap_tool_call,
)
from nemo_relay.testing import CapturedEvents

from .graphs import State, line, named, only

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
CALL: Any = {"messages": [AIMessage("", tool_calls=[{"name": "say", "args": {"word": "hi"}, "id": "k"}])]}


@tool
def say(word: str) -> str:
    """Say it."""
    return word.upper()


def graph_of(node: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("tools", node)
    graph.add_edge(START, "tools")
    return graph.compile(name="T")


NODES: dict[str, Any] = {
    "create_tool_node": lambda: create_tool_node([say]),
    "wrap_tool_call": lambda: ToolNode([say], wrap_tool_call=wrap_tool_call, awrap_tool_call=awrap_tool_call),
}


async def call(graph: Any, mode: str, given: Any = None, **config: Any) -> Any:
    given = CALL if given is None else given
    return graph.invoke(given, config) if mode == "invoke" else await graph.ainvoke(given, config)


@BOTH
@pytest.mark.parametrize("how", NODES)
async def test_s21_tool_nodes(events: CapturedEvents, mode: str, how: str) -> None:
    graph = wrap_graph(graph_of(NODES[how]()))
    state = await call(graph, mode)
    assert state["messages"][-1].content == "HI"
    node = only(events, "say")
    assert (node.outcome, node.tool_call_id, node.input) == ("ok", "k", {"word": "hi"})
    guardrails.register_tool_conditional_execution("g", 10, lambda name, args: "no")
    try:
        state = await call(graph, mode)
    finally:
        guardrails.deregister_tool_conditional_execution("g")
    assert (state["messages"][-1].status, state["messages"][-1].content) == ("error", "no")
    assert len(named(events, "say")) == 1


@BOTH
async def test_s17_tool_nodes_keep_their_error_policy(events: CapturedEvents, mode: str) -> None:
    @tool
    def say(word: str) -> str:
        """Fail."""
        raise KeyError(word)

    with pytest.raises(KeyError):
        await call(graph_of(create_tool_node([say])), mode)
    handled = create_tool_node([say], handle_tool_errors=True)
    state = await call(wrap_graph(graph_of(handled)), mode)
    assert state["messages"][-1].status == "error"
    assert [node.outcome for node in named(events, "say")] == ["error", "error"]
    with pytest.raises(ValueError, match="wrap_tool_call"):
        create_tool_node([say], wrap_tool_call=wrap_tool_call)


@BOTH
async def test_s38_an_interrupt_in_a_managed_tool(events: CapturedEvents, mode: str) -> None:
    @tool
    def say(word: str) -> str:
        """Ask."""
        return str(interrupt({"about": word}))

    graph = StateGraph(MessagesState)
    graph.add_node("tools", create_tool_node([say]))
    graph.add_edge(START, "tools")
    made = wrap_graph(graph.compile(name="T", checkpointer=InMemorySaver()))
    config: Any = {"configurable": {"thread_id": "t"}}
    await call(made, mode, **config)
    state = await call(made, mode, Command(resume="fine"), **config)
    assert state["messages"][-1].content == "fine"
    assert [node.outcome for node in named(events, "say")] == ["interrupted", "ok"]
    assert [node.metadata["otel.status_code"] for node in named(events, "say")] == ["UNSET", "OK"]
    assert [node.outcome for node in named(events, "T")] == ["interrupted", "ok"]


def ask(state: State) -> State:
    return {"x": [interrupt("how many?")]}


@BOTH
async def test_s35_instrument_tells_of_interrupts(events: CapturedEvents, mode: str) -> None:
    config: Any = {"configurable": {"thread_id": "t"}}
    graph = line(ask, checkpointer=InMemorySaver())
    instrument(AdapterOptions())
    try:
        await call(graph, mode, {"x": []}, **config)
        await call(graph, mode, Command(resume=42), **config)
        await call(wrap_graph(line(ask, name="W", checkpointer=InMemorySaver())), mode, {"x": []}, **config)
    finally:
        assert uninstrument()
    first, second = named(events, "G")
    assert [mark.name for mark in first.marks if mark.name.startswith("Graph")] == ["Graph Interrupt"]
    assert [mark.name for mark in second.marks if mark.name.startswith("Graph")] == ["Graph Resume"]
    assert [mark.name for mark in only(events, "W").marks if mark.name.startswith("Graph")] == ["Graph Interrupt"]
    assert not uninstrument()
    before = len(events.events)
    await call(graph, mode, {"x": []}, configurable={"thread_id": "u"})
    assert len(events.events) == before


def test_s50_headers_of_the_node(events: CapturedEvents) -> None:
    found: list[dict[str, str]] = []

    def remote(state: State) -> State:
        found.append(propagate_headers({"x-team": "red"}))
        return {"x": []}

    with scope.scope("app", ScopeType.Function):
        wrap_graph(line(remote)).invoke({"x": []})
    node = only(events, "remote")
    version, _, span, _ = found[0]["traceparent"].split("-")
    assert version == "00"
    assert found[0]["x-team"] == "red"
    assert span in node.uuid.replace("-", "")
    assert RelayMiddleware.__name__ == "RelayMiddleware"
    assert RelayCallbackHandler.run_inline
