# SPDX-License-Identifier: Apache-2.0
"""Small graphs that the tests share, and how their trees are read."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph

from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node


class State(TypedDict, total=False):
    x: Annotated[list[Any], operator.add]


def line(*nodes: Any, name: str = "G", checkpointer: Any = None, **options: Any) -> Any:
    """A graph that runs ``nodes`` one after the other; each is named after its function."""
    graph = StateGraph(State)
    before = START
    for node in nodes:
        graph.add_node(node.__name__, node, **options)
        graph.add_edge(before, node.__name__)
        before = node.__name__
    return graph.compile(name=name, checkpointer=checkpointer)


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
def fragile(code: int) -> str:
    """Fail."""
    raise LookupError(f"no {code}")


def calling(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """An answer that asks for these tools, in parallel."""
    asked = [{"name": name, "args": args, "id": f"c{number}"} for number, (name, args) in enumerate(calls, 1)]
    return AIMessage("", tool_calls=asked)


def calculator(*tools: Any, **options: Any) -> Any:
    """An agent that adds 1 and 2, then answers."""
    script = [calling(("add", {"a": 1, "b": 2})), "it is three"]
    return create_agent(ScriptedChatModel(script=script), [add, *tools], name="calc", **options)


ASK = {"messages": [("user", "1 + 2?")]}


def shape(node: Node) -> Any:
    """A tree as nested (category, name, outcome, children)."""
    return node.category, node.name, node.outcome, [shape(child) for child in node.children]


def named(events: CapturedEvents, name: str) -> list[Node]:
    """The spans of that name, in the order of their time."""
    return [node for node in events.tree().walk() if node.name == name]


def only(events: CapturedEvents, name: str) -> Node:
    """The one span of that name."""
    (node,) = named(events, name)
    return node


def told(node: Node) -> list[Any]:
    """The marks of a span but those of its supersteps."""
    return [mark for mark in node.marks if not mark.name.startswith("Superstep")]


def without_supersteps(node: Node) -> list[Any]:
    """What a span holds but the marks of its supersteps."""
    return [item for item in node.items() if not item.name.startswith("Superstep")]
