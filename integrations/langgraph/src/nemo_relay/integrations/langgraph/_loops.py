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
from typing import Any
from uuid import UUID

from langgraph.pregel import Pregel

_DEPTH = 16  # frames between a hook and the loop that calls it, LangChain's dispatch and our own included
_SENDS = "__pregel_tasks"  # the channel of tasks that a node has sent


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


def caller_configurable() -> Mapping[str, Any]:
    """The ``configurable`` part of the configuration that the graph which calls was called with."""
    for frame in _callers():
        if frame.f_code.co_name in ("stream", "astream"):
            given = frame.f_locals
            if isinstance(given.get("self"), Pregel):
                found = (given.get("config") or {}).get("configurable")
                return found if isinstance(found, Mapping) else {}
    return {}


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
