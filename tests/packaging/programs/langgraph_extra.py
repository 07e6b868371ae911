# SPDX-License-Identifier: Apache-2.0
"""Run where `nemo-relay[langgraph]` is installed: a wrapped graph leaves its nodes and tools on the disk."""

import json
import tempfile
from pathlib import Path
from typing import TypedDict

from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from nemo_relay.integrations.langgraph import wrap_graph
from nemo_relay.recording import record


class State(TypedDict):
    value: int


@tool
def double(value: int) -> int:
    """Twice the value."""
    return value * 2


def work(state: State) -> State:
    return {"value": double.invoke({"value": state["value"]})}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
builder.add_edge("work", END)
graph = wrap_graph(builder.compile(name="doubler"))

with tempfile.TemporaryDirectory() as folder:
    with record(directory=folder):
        assert graph.invoke({"value": 21}) == {"value": 42}

    lines = (Path(folder) / "atof" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    starts = {event["uuid"]: event for event in map(json.loads, lines) if event.get("scope_category") == "start"}
    lineage = {e["name"]: starts.get(e["parent_uuid"], {}).get("name") for e in starts.values()}
    assert lineage["work"] == "doubler", lineage
    assert lineage["double"] == "work", lineage
    assert {event["category"] for event in starts.values()} >= {"agent", "function", "tool"}, starts
    ends = [event["uuid"] for event in map(json.loads, lines) if event.get("scope_category") == "end"]
    assert sorted(ends) == sorted(starts), "each start has its end"
