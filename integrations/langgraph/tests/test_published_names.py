# SPDX-License-Identifier: Apache-2.0
"""The names of the published LangGraph integration: importable from the same place, and doing what they are said to."""

from __future__ import annotations

import pickle
from importlib import import_module
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.callbacks import GraphCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

import nemo_relay.integrations.langgraph as adapter
from nemo_relay.integrations import langchain
from nemo_relay.integrations.langgraph import (
    NemoRelayCallbackHandler,
    NemoRelayMiddleware,
    awrap_tool_call,
    configure_graph,
    create_tool_node,
    wrap_tool_call,
)
from nemo_relay.testing import CapturedEvents

from .graphs import named, only

PUBLISHED = {
    "NemoRelayCallbackHandler",
    "NemoRelayMiddleware",
    "awrap_tool_call",
    "configure_graph",
    "create_tool_node",
    "wrap_tool_call",
}


def test_every_public_name_is_there() -> None:
    assert set(adapter.__all__) >= PUBLISHED
    assert all(getattr(adapter, name) is not None for name in adapter.__all__)
    with pytest.raises(AttributeError, match="'nothing'"):
        adapter.nothing  # noqa: B018


def test_c3_the_module_paths_of_the_published_package() -> None:
    from nemo_relay.integrations.langgraph import callbacks, tool_node

    assert callbacks.NemoRelayCallbackHandler is adapter.NemoRelayCallbackHandler
    assert callbacks.configure_graph is adapter.configure_graph
    for name in tool_node.__all__:
        assert getattr(tool_node, name) is getattr(adapter, name)
    assert pickle.loads(pickle.dumps(callbacks.NemoRelayCallbackHandler)) is adapter.NemoRelayCallbackHandler


def test_what_is_public_says_where_it_is() -> None:
    own = [name for name in adapter.__all__ if ".langgraph" in getattr(adapter, name).__module__]
    assert {"RelayCheckpointer", "wrap_graph", "RelayCallbackHandler", "create_tool_node"} <= set(own)
    for name in own:
        value = getattr(adapter, name)
        assert "._" not in value.__module__, name
        assert getattr(import_module(value.__module__), value.__name__) is value


def test_the_handler_is_told_of_pauses() -> None:
    assert isinstance(NemoRelayCallbackHandler(), GraphCallbackHandler)
    assert isinstance(NemoRelayCallbackHandler(), langchain.NemoRelayCallbackHandler)
    assert NemoRelayMiddleware is langchain.NemoRelayMiddleware


@tool
def fragile(code: int) -> str:
    """Fail, ask, or answer."""
    if code == 0:
        raise LookupError("no such code")
    return str(interrupt("may I?")) if code == 1 else "fine"


def called(node: Any, code: Any, **config: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("tools", node)
    graph.add_edge(START, "tools")
    compiled = configure_graph(graph.compile(name="T", checkpointer=InMemorySaver()))
    asked = AIMessage("", tool_calls=[{"name": "fragile", "args": {"code": code}, "id": "k"}])
    return compiled.invoke({"messages": [asked]}, {"configurable": {"thread_id": "n"}}), compiled


def test_a_tool_node_refuses_wrappers_of_others() -> None:
    for name in ("wrap_tool_call", "awrap_tool_call"):
        with pytest.raises(ValueError, match=name):
            create_tool_node([fragile], **{name: wrap_tool_call})
    assert isinstance(create_tool_node([fragile], name="mine"), ToolNode)


def sorry_for_lookups(error: LookupError) -> str:
    return f"sorry: {error}"


def sorry_for_values(error: ValueError) -> str:
    return f"sorry: {error}"


POLICIES: dict[str, tuple[Any, str | None]] = {  # handle_tool_errors, and the message the model reads
    "raise": (False, None),
    "message": (True, "LookupError('no such code')"),
    "text": ("try again", "try again"),
    "type": (LookupError, "LookupError('no such code')"),
    "types": ((KeyError, LookupError), "LookupError('no such code')"),
    "other type": (KeyError, None),
    "other types": ((KeyError, ValueError), None),
    "function": (lambda error: f"sorry: {error}", "sorry: no such code"),
    "function for it": (sorry_for_lookups, "sorry: no such code"),
    "function for another": (sorry_for_values, None),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_tool_node_keeps_the_error_policies(events: CapturedEvents, policy: str) -> None:
    given, message = POLICIES[policy]
    node, plain = create_tool_node([fragile], handle_tool_errors=given), ToolNode([fragile], handle_tool_errors=given)
    if message is None:
        for made in (node, plain):
            with pytest.raises(LookupError, match="no such code"):
                called(made, 0)
        assert [span.outcome for span in named(events, "fragile")] == ["error", "error"]
    else:
        state, _ = called(node, 0)
        assert message in state["messages"][-1].content
        assert called(plain, 0)[0]["messages"][-1].content == state["messages"][-1].content
        assert state["messages"][-1].status == "error"


def test_only_wrong_arguments_become_messages_by_default(events: CapturedEvents) -> None:
    state, _ = called(create_tool_node([fragile]), "x")
    assert state["messages"][-1].status == "error"
    with pytest.raises(LookupError):
        called(create_tool_node([fragile]), 0)


@pytest.mark.parametrize("handle", [True, "text", False])
def test_a_pause_goes_through_every_policy(events: CapturedEvents, handle: Any) -> None:
    state, graph = called(create_tool_node([fragile], handle_tool_errors=handle), 1)
    assert state["__interrupt__"][0].value == "may I?"
    state = graph.invoke(Command(resume="yes"), {"configurable": {"thread_id": "n"}})
    assert state["messages"][-1].content == "yes"
    assert [node.outcome for node in events.tree().walk() if node.name == "fragile"] == ["interrupted", "ok"]


def test_the_wrappers_of_a_tool_node(events: CapturedEvents) -> None:
    node = ToolNode([fragile], wrap_tool_call=wrap_tool_call, awrap_tool_call=awrap_tool_call)
    state, _ = called(node, 2)
    assert state["messages"][-1].content == "fine"
    assert only(events, "fragile").tool_call_id == "k"
