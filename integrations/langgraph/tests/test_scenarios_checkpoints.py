# SPDX-License-Identifier: Apache-2.0
"""Scenario 39 on a real SQLite file, time travel, and a resumption in another process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from nemo_relay.integrations.langgraph import RelayCallbackHandler, RelayCheckpointer, wrap_graph
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node

from .graphs import State, line, named, only

sqlite = pytest.importorskip("langgraph.checkpoint.sqlite", reason="langgraph-checkpoint-sqlite is not installed")
BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def a(state: State) -> State:
    return {"x": ["a"]}


def b(state: State) -> State:
    return {"x": ["b"]}


@asynccontextmanager
async def saver(mode: str, path: Path) -> AsyncIterator[Any]:
    """The saver for that mode on this file."""
    if mode == "invoke":
        with sqlite.SqliteSaver.from_conn_string(str(path)) as found:
            yield found
    else:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with AsyncSqliteSaver.from_conn_string(str(path)) as found:
            yield found


async def call(graph: Any, mode: str, given: Any, config: Any, **options: Any) -> Any:
    if mode == "invoke":
        return await asyncio.to_thread(graph.invoke, given, config, **options)
    return await graph.ainvoke(given, config, **options)


def told(node: Node, name: str) -> list[Any]:
    """The data of the marks of that name."""
    return [mark.data for mark in node.marks if mark.name == name]


SAVES: dict[Any, list[tuple[str, int]]] = {
    "sync": [("input", -1), ("loop", 0), ("loop", 1), ("loop", 2)],
    "async": [("input", -1), ("loop", 0), ("loop", 1), ("loop", 2)],
    "exit": [("loop", 2)],
}
THREAD: Any = {"configurable": {"thread_id": "t"}}


@pytest.mark.allow_blocking  # opening and closing the file
@BOTH
@pytest.mark.parametrize("durability", SAVES)
async def test_s39_a_sqlite_file(events: CapturedEvents, mode: str, durability: Any, tmp_path: Path) -> None:
    async with saver(mode, tmp_path / "checkpoints.db") as inner:
        graph = wrap_graph(line(a, b, checkpointer=inner))
        await call(graph, mode, {"x": []}, THREAD, durability=durability)
    async with saver(mode, tmp_path / "checkpoints.db") as inner:  # as a program that is started again
        graph = wrap_graph(line(a, b, checkpointer=RelayCheckpointer(inner)))
        state = await call(graph, mode, {"x": []}, THREAD, durability=durability)
        stored = [found async for found in inner.alist(THREAD)] if mode == "ainvoke" else list(inner.list(THREAD))
    assert state["x"] == ["a", "b", "a", "b"]
    first, second = named(events, "G")
    saves = told(first, "Checkpoint Save")
    assert [(save["source"], save["step"]) for save in saves] == SAVES[durability]
    assert {save["checkpoint_id"] for save in saves} <= {found.checkpoint["id"] for found in stored}
    assert all(save["bytes"] > 100 for save in saves)
    (restored,) = told(second, "Checkpoint Restore")
    assert restored["checkpoint_id"] == saves[-1]["checkpoint_id"]
    assert told(first, "Checkpoint Restore") == []


def test_s39_the_size_is_that_of_the_state(events: CapturedEvents) -> None:
    def large(state: State) -> State:
        return {"x": ["y" * 10_000]}

    wrap_graph(line(large, checkpointer=InMemorySaver())).invoke({"x": []}, THREAD)
    sizes = [save["bytes"] for save in told(only(events, "G"), "Checkpoint Save")]
    assert sizes[-1] > 10_000 > sizes[0]


@BOTH
async def test_s39_time_travel(events: CapturedEvents, mode: str) -> None:
    graph = wrap_graph(line(a, b, checkpointer=InMemorySaver()))
    await call(graph, mode, {"x": []}, THREAD)
    (old,) = (state for state in graph.get_state_history(THREAD) if state.next == ("b",))
    assert (await call(graph, mode, None, old.config))["x"] == ["a", "b"]
    past = old.config["configurable"]["checkpoint_id"]
    second = named(events, "G")[1]
    assert past in [mark["checkpoint_id"] for mark in told(second, "Checkpoint Restore")]
    forked = [mark["from"] for mark in told(second, "Checkpoint Fork")]
    assert forked in ([past], [])  # older releases of LangGraph go on without a fork
    assert told(second, "Graph Resume")[0]["thread_id"] == "t"


@BOTH
async def test_s39_a_fork_from_an_old_checkpoint(events: CapturedEvents, mode: str) -> None:
    graph = wrap_graph(line(a, b, checkpointer=InMemorySaver()))
    await call(graph, mode, {"x": []}, THREAD)
    (old,) = (state for state in graph.get_state_history(THREAD) if state.next == ("b",))
    if mode == "invoke":
        forked = graph.update_state(old.config, {"x": ["mine"]})
    else:
        forked = await graph.aupdate_state(old.config, {"x": ["mine"]})
    assert (await call(graph, mode, None, forked))["x"] == ["a", "mine", "b"]
    (fork,) = (event for event in events if event.kind == "mark" and event.name == "Checkpoint Fork")
    assert fork.data["from"] == old.config["configurable"]["checkpoint_id"]
    assert fork.data["checkpoint_id"] == forked["configurable"]["checkpoint_id"]


def test_s39_what_is_kept_beside_the_state(events: CapturedEvents) -> None:
    """One key in the metadata of what a run saved, none in what was saved outside of runs; the state is as it was."""
    inner = InMemorySaver()
    graph = wrap_graph(line(a, checkpointer=inner))
    graph.invoke({"x": []}, THREAD)
    assert graph.get_state(THREAD).metadata["relay.run_uuid"] == only(events, "G").uuid
    graph.update_state(THREAD, {"x": ["mine"]})
    assert "relay.run_uuid" not in graph.get_state(THREAD).metadata
    assert graph.get_state(THREAD).values == {"x": ["a", "mine"]}


def test_s39_a_checkpointer_passes_through(events: CapturedEvents) -> None:
    inner = InMemorySaver()
    wrapped = wrap_graph(line(a, checkpointer=inner))
    assert isinstance(wrapped.checkpointer, RelayCheckpointer)
    assert wrapped.checkpointer.inner is inner
    assert wrapped.checkpointer.storage is inner.storage
    assert wrap_graph(line(a, checkpointer=wrapped.checkpointer)).checkpointer is wrapped.checkpointer
    assert wrap_graph(line(a)).checkpointer is None


PROGRAM = """
import json, sys
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from nemo_relay.integrations.langgraph import wrap_graph
from nemo_relay.testing import capture_events

def ask(state):
    return {"x": interrupt("how many?")}

builder = StateGraph(dict)
builder.add_node("ask", ask)
builder.add_edge(START, "ask")
with SqliteSaver.from_conn_string(sys.argv[1]) as saver, capture_events() as events:
    graph = wrap_graph(builder.compile(name="G", checkpointer=saver))
    given = {"x": 0} if sys.argv[2] == "ask" else Command(resume=42)
    graph.invoke(given, {"configurable": {"thread_id": "t"}})
(span,) = [node for node in events.tree().walk() if node.name == "G"]
print(json.dumps([span.uuid, [[mark.name, mark.data] for mark in span.marks if mark.name.startswith("Graph ")]]))
"""


def in_a_process(*arguments: str) -> Any:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(150)
def test_s39_s35_another_process_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoints.db")
    paused, ((asked, interrupt),) = in_a_process(path, "ask")
    _, ((resumed, answer),) = in_a_process(path, "answer")
    assert (asked, resumed) == ("Graph Interrupt", "Graph Resume")
    assert answer["resumed_run_uuid"] == paused
    assert answer["answers"] == {interrupt["interrupts"][0]["id"]: 42}


def test_s39_the_later_of_two_pauses_is_the_one(events: CapturedEvents) -> None:
    """What this process saw of a thread does not hide that another one went on with it."""
    from langgraph.types import interrupt

    from nemo_relay.integrations.langgraph import _pauses

    def ask(state: State) -> State:
        return {"x": [interrupt("?")]}

    graph = wrap_graph(line(a, ask, checkpointer=InMemorySaver()))
    here: Any = {"configurable": {"thread_id": "later"}}
    graph.invoke({"x": []}, here)
    paused_at = graph.get_state(here).config["configurable"]["checkpoint_id"]
    older = "00000000-0000-7000-8000-000000000001"
    _pauses.remember(_pauses.Checkpoint("later", (), paused_at), older, ["old"])  # all that it has seen
    graph.invoke(Command(resume=1), {**here, "callbacks": [RelayCallbackHandler()]})
    first, second = named(events, "G")
    (mark,) = told(second, "Graph Resume")
    assert mark["resumed_run_uuid"] == first.uuid
