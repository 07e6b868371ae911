# SPDX-License-Identifier: Apache-2.0
"""``wrap_graph`` and ``configure_graph``: a copy that records, and nothing else."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph

from nemo_relay.integrations.langgraph import (
    NemoRelayCallbackHandler,
    RelayCallbackHandler,
    configure_graph,
    wrap_graph,
)
from nemo_relay.testing import CapturedEvents

from .graphs import ASK, State, calculator, line, named


def leaf(state: State) -> State:
    return {"x": ["leaf"]}


def test_s49_a_copy_of_the_same_type(events: CapturedEvents) -> None:
    graph = line(leaf)
    before = copy.copy(graph.config)
    wrapped = wrap_graph(graph)
    assert wrapped is not graph
    assert type(wrapped) is type(graph)
    assert graph.config == before
    assert wrapped.invoke({"x": []}) == graph.invoke({"x": []})
    assert len(named(events, "G")) == 1


def test_s49_idempotent(events: CapturedEvents) -> None:
    once = wrap_graph(line(leaf))
    assert wrap_graph(once) is once
    wrap_graph(wrap_graph(once)).invoke({"x": []}, {"callbacks": [RelayCallbackHandler()]})
    assert [node.name for node in events.tree().walk()] == ["G", "leaf"]


def test_keeps_the_callers_own_callbacks(events: CapturedEvents) -> None:
    own = RelayCallbackHandler()
    graph = line(leaf).with_config(callbacks=[], tags=["mine"], metadata={"team": "red"})
    wrapped = wrap_graph(graph)
    wrapped.invoke({"x": []}, {"callbacks": [own]})
    (root,) = events.tree().roots
    assert (root.metadata["team"], root.metadata["relay.tags"]) == ("red", ["mine"])


def test_s49_inside_another_wrapped_graph(events: CapturedEvents) -> None:
    graph = StateGraph(State)
    graph.add_node("child", wrap_graph(line(leaf, name="inner")))
    graph.add_edge(START, "child")
    wrap_graph(graph.compile(name="outer")).invoke({"x": []})
    assert [node.name for node in events.tree().walk()] == ["outer", "child", "inner", "leaf"]


def test_alone_inside_a_plain_graph(events: CapturedEvents) -> None:
    graph = StateGraph(State)
    graph.add_node("child", wrap_graph(line(leaf, name="inner")))
    graph.add_edge(START, "child")
    graph.compile(name="outer").invoke({"x": []})
    assert [node.name for node in events.tree().walk()] == ["inner", "leaf"]


def test_wrapped_agent(events: CapturedEvents) -> None:
    wrap_graph(calculator()).invoke(ASK)
    assert [node.name for node in events.tree().walk() if node.category == "agent"] == ["calc"]


@pytest.mark.parametrize("make", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_s49_its_configuration_travels(events: CapturedEvents, make: Any) -> None:
    wrapped = wrap_graph(line(leaf))
    wrapped.config = make(wrapped.config)
    assert wrap_graph(wrapped) is wrapped
    wrapped.invoke({"x": []})
    assert len(named(events, "G")) == 1


def test_what_is_no_graph() -> None:
    with pytest.raises(TypeError, match="'RunnableLambda' object is not a compiled graph"):
        wrap_graph(RunnableLambda(leaf))  # type: ignore[type-var]


def test_published_names(events: CapturedEvents) -> None:
    assert NemoRelayCallbackHandler is RelayCallbackHandler
    graph = line(leaf)
    assert configure_graph(graph) is not graph
    assert configure_graph(graph, in_place=True) is graph
    graph.invoke({"x": []})
    assert len(named(events, "G")) == 1
