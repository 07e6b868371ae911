# SPDX-License-Identifier: Apache-2.0
"""Scenario 49 in a server: graphs that are loaded from a file, as ``langgraph dev`` does, and get its checkpointer."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel import Pregel
from langgraph.types import Command

from nemo_relay.integrations.langgraph import configure_graph, wrap_graph
from nemo_relay.testing import CapturedEvents

from .graphs import calculator, line, named, only

MODULE = """
from contextlib import asynccontextmanager

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from nemo_relay.integrations.langgraph import configure_graph, wrap_graph


class State(TypedDict, total=False):
    x: int


def ask(state: State) -> State:
    return {"x": interrupt("how many?")}


builder = StateGraph(State)
builder.add_node("ask", ask)
builder.add_edge(START, "ask")

compiled = wrap_graph(builder.compile(name="G"))
configured = configure_graph(builder.compile(name="G"))


def factory(config):
    return wrap_graph(builder.compile(name="G"))


async def async_factory(config):
    return configure_graph(builder.compile(name="G"))


@asynccontextmanager
async def managed_factory(config):
    yield wrap_graph(builder.compile(name="G"))
"""
EXPORTS = ["compiled", "configured", "factory", "async_factory", "managed_factory"]


@asynccontextmanager
async def loaded(path: Path, export: str, config: Any) -> AsyncIterator[Any]:
    """What the server makes of an export: a graph of its own for this run, with the server's checkpointer."""
    spec = importlib.util.spec_from_file_location("served", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, export)
    if callable(found) and not isinstance(found, Pregel):
        found = found(config)
        if inspect.isawaitable(found):
            found = await found
    if isinstance(found, AbstractAsyncContextManager):
        async with found as graph:
            yield graph
        return
    yield found


@pytest.mark.parametrize("export", EXPORTS)
async def test_s49_loaded_by_a_server(events: CapturedEvents, export: str, tmp_path: Path) -> None:
    path, saver = tmp_path / "served.py", InMemorySaver()
    path.write_text(MODULE, encoding="utf-8")
    config: Any = {"configurable": {"thread_id": f"served-{export}", "assistant_id": "a-1", "graph_id": "agent"}}
    for given in ({"x": 0}, Command(resume=42)):
        async with loaded(path, export, config) as graph:
            assert isinstance(graph, Pregel)
            assert graph.get_input_jsonschema()["properties"]
            assert graph.get_graph().to_json()["nodes"]
            served = graph.copy({"checkpointer": saver, "store": None})
            assert type(served) is type(graph)
            state = [part async for part in served.astream(given, config, stream_mode="values")][-1]
    assert state == {"x": 42}
    first, second = named(events, "G")
    assert (first.outcome, second.outcome) == ("interrupted", "ok")
    assert (first.metadata["assistant_id"], first.metadata["graph_id"]) == ("a-1", "agent")
    (mark,) = (mark for mark in second.marks if mark.name == "Graph Resume")
    assert mark.data["resumed_run_uuid"] == first.uuid


async def test_s49_what_the_server_keeps_of_it_can_be_pickled(events: CapturedEvents) -> None:
    graph = wrap_graph(calculator())
    again = pickle.loads(pickle.dumps(graph.config))
    calculated = calculator().with_config(again)
    await calculated.ainvoke({"messages": [("user", "1 + 2?")]})
    assert only(events, "calc").outcome == "ok"


def test_s49_in_place_for_a_module_that_others_have_imported(events: CapturedEvents) -> None:
    def leaf(state: Any) -> Any:
        return {"x": ["leaf"]}

    graph = line(leaf, checkpointer=InMemorySaver())
    assert configure_graph(graph, in_place=True) is graph
    graph.invoke({"x": []}, {"configurable": {"thread_id": "p"}})
    assert "Checkpoint Save" in [mark.name for mark in only(events, "G").marks]
