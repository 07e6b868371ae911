# SPDX-License-Identifier: Apache-2.0
"""What only LangGraph's own loop knows: which run asks a cache, which nodes wait behind a breakpoint, who called.

LangGraph tells neither its handlers nor its caches. But it is the loop that calls them, so it is found among the
callers of this very call: no guessing between concurrent runs, and nothing of LangGraph is replaced. Where a future
release is built otherwise nothing is found, and marks say less.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, NamedTuple
from uuid import UUID

from langgraph.callbacks import GraphInterruptEvent
from langgraph.pregel import Pregel

_DEPTH = 16  # frames between a hook and the loop that calls it, LangChain's dispatch and our own included
_SENDS = "__pregel_tasks"  # the channel of tasks that a node has sent
_CONTROL = ("__error__", "__error_source_node__", "__interrupt__", "__resume__")  # no result of a task


class Call(NamedTuple):
    """What a graph was called with, beside its input."""

    configurable: Mapping[str, Any]
    context: Any


class Waiting(NamedTuple):
    """What a graph that goes on had been waiting for."""

    ids: tuple[str, ...]  # the interrupts without an answer
    at_breakpoint: bool  # nothing asked: it had stopped before or after a node


def caller_run_id() -> UUID | None:
    """The run of the graph whose loop calls; None when no loop does."""
    found = getattr(getattr(_calling_loop(), "manager", None), "run_id", None)
    return found if isinstance(found, UUID) else None


def waiting_nodes() -> list[str]:
    """The nodes that would have run next, had the graph that calls not stopped at a breakpoint."""
    loop = _calling_loop()
    if loop is None:
        return []
    if loop.status == "interrupt_before":
        return [task.name for task in loop.tasks.values() if not task.writes]
    updated = loop.updated_channels or ()
    sends = loop.channels[_SENDS].get() if _SENDS in updated else ()
    triggered = (name for channel in sorted(updated) for name in loop.trigger_to_nodes.get(channel, ()))
    return [*(send.node for send in sends), *dict.fromkeys(triggered)]


def waiting() -> Waiting | None:
    """What the checkpoint waits for that the graph which calls goes on from; None when no loop calls.

    A finished thread waits for nothing, and neither does a fork whose questions were answered on another branch.
    """
    loop = _calling_loop()
    if loop is None:
        return None
    asked, pauses = _questions(loop)
    goes_on = loop.input is None or loop.is_nested  # an answer is none to a breakpoint
    ids = tuple(dict.fromkeys(str(pause.id) for pause in pauses))
    return Waiting(ids, not asked and goes_on and _has_next(loop))


def pause(run_id: UUID) -> GraphInterruptEvent | None:
    """The pause of the graph that calls, as LangGraph would have told it to a consumer that stays; None without one."""
    loop = _calling_loop()
    if loop is None:
        return None
    asked = tuple(_questions(loop)[1])
    return GraphInterruptEvent(run_id, loop.status, loop.checkpoint["id"], loop.checkpoint_ns, asked)


def _questions(loop: Any) -> tuple[bool, list[Any]]:
    """Whether anything was asked at this checkpoint, and the interrupts that have no answer."""
    asked: dict[str, list[Any]] = {}
    finished = set()
    for task, channel, value in loop.checkpoint_pending_writes:
        if channel == "__interrupt__":
            asked.setdefault(task, []).extend(value if isinstance(value, (list, tuple)) else [value])
        elif channel not in _CONTROL:
            finished.add(task)
    return bool(asked), [one for task, pauses in asked.items() if task not in finished for one in pauses]


def _has_next(loop: Any) -> bool:
    versions, seen = loop.checkpoint["channel_versions"], loop.checkpoint["versions_seen"]
    if _SENDS in loop.channels and loop.channels[_SENDS].is_available():
        return True
    return any(
        channel in versions
        and loop.channels[channel].is_available()
        and (channel not in seen.get(name, {}) or versions[channel] > seen[name][channel])
        for name, node in loop.nodes.items()
        for channel in node.triggers
        if channel in loop.channels
    )


def call() -> Call | None:
    """How the graph that calls was called; None when no graph calls."""
    for frame in _callers():
        if frame.f_code.co_name in ("stream", "astream"):
            given = frame.f_locals
            if isinstance(given.get("self"), Pregel):
                found = (given.get("config") or {}).get("configurable")
                return Call(found if isinstance(found, Mapping) else {}, given.get("context"))
    return None


def _calling_loop() -> Any:
    for frame in _callers():
        given = frame.f_locals
        for name in ("loop", "self"):
            found = given.get(name)
            if hasattr(found, "trigger_to_nodes") and hasattr(found, "manager"):
                return found
    return None


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_DEPTH):
        if frame is None:
            return
        yield frame
        frame = frame.f_back
