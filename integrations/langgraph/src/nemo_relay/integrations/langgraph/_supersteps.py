# SPDX-License-Identifier: Apache-2.0
"""Supersteps of a graph as marks, told from the steps of its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Any
from uuid import UUID

from nemo_relay.integrations.langchain.adapter import Run, find_open_run, mark

_METADATA = {"integration": "langgraph"}

# The nodes of a step start on threads of their own, all at once. The first to come says that the step starts, and no
# other starts before that is said. Graphs share a few locks, which are held for that one mark.
_LOCKS = tuple(RLock() for _ in range(16))


def is_node(tags: Sequence[str] | None) -> bool:
    """Whether a run with these tags is a node of a graph."""
    for tag in tags or ():  # noqa: SIM110 - a generator would cost as much again
        if tag.startswith("graph:step:"):
            return True
    return False


def node_starts(owner: object, name: str | None, parent_run_id: UUID, metadata: Mapping[str, Any] | None) -> None:
    """A node starts; if it is the first of its step, the step starts, and the one before is over.

    Args:
        owner: the handler that is told of it; only the one that records the graph leaves marks.
        name: of the node.
        parent_run_id: of the graph's run.
        metadata: of the node's run.
    """
    graph = find_open_run(parent_run_id)
    step = (metadata or {}).get("langgraph_step")
    if graph is None or graph.owner is not owner or step is None:
        return
    with _LOCKS[hash(parent_run_id) % len(_LOCKS)]:
        if graph.step is None or graph.step[0] != step:
            graph_ends(owner, graph)
            graph.step = (step, [])
            mark(graph, "Superstep Start", {"step": step}, _METADATA)
        graph.step[1].append(str(name))


def graph_ends(owner: object, graph: Run) -> None:
    """The step that was running is over: how many tasks it had, and which.

    Args:
        owner: the handler that is told of it.
        graph: the graph's run.
    """
    if graph.step is None or graph.owner is not owner:
        return
    step, tasks = graph.step
    graph.step = None
    mark(graph, "Superstep End", {"step": step, "task_count": len(tasks), "tasks": tasks}, _METADATA)
