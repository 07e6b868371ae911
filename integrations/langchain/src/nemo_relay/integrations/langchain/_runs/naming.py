# SPDX-License-Identifier: Apache-2.0
"""What a run is called, what kind of work it is, and which metadata its start event carries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config

from nemo_relay import ScopeType
from nemo_relay.integrations.langchain import _failures

if TYPE_CHECKING:
    from nemo_relay.integrations.langchain._runs.table import Run

IDENTITY = ("thread_id", "session_id", "user_id")  # what events say of the one for whom a run is made
HIDDEN_TAG = "langsmith:hidden"  # the framework's own plumbing: its start node, its lambda routers
_HOOK = re.compile(r"\.(before|after)_(agent|model)$")
_UNNAMED = (None, "", "RunnableCallable")
_CALL_PATH = 4  # of a task that was called: ("__pregel_push", the path of the caller, which call of it, True)


def chain_kind(
    name: str | None,
    parent: Run | None,
    tags: Sequence[str],
    metadata: dict[str, Any],
    *,
    lcel: bool,
    run_type: str | None,
) -> str:
    """``agent graph subgraph node task runnable prompt parser router`` or ``middleware_hook``.

    ``lcel`` is true when LangChain's own runnables started it; LangGraph's name no run type.
    """
    for tag in tags:
        if tag.startswith("graph:step:"):
            return "middleware_hook" if name and "." in name and _HOOK.search(name) else "node"
    if name and metadata.get("lc_agent_name") == name:
        return "agent"
    if lcel:
        return run_type if run_type in ("prompt", "parser") else "runnable"
    if "ls_integration" not in metadata:
        return "runnable"
    if "langgraph_node" not in metadata:
        return "graph"
    if _is_call(metadata, parent):
        return "task"
    if parent is not None and parent.kind in ("node", "middleware_hook") and _is_later_step(tags):
        return "router"
    return "subgraph"


def _is_call(metadata: dict[str, Any], parent: Run | None) -> bool:
    """Whether LangGraph runs a task that a node, or another task, has called; what runs inside it has its metadata."""
    path = metadata.get("langgraph_path")
    if not isinstance(path, (tuple, list)) or len(path) < _CALL_PATH or path[-1] is not True:
        return False
    about = parent.handle.metadata if parent is not None and parent.handle is not None else None
    place = about.get("langgraph_checkpoint_ns") if isinstance(about, dict) else None
    return metadata.get("langgraph_checkpoint_ns") != place


def _is_later_step(tags: Sequence[str]) -> bool:
    # A node is a small sequence: its function first, then the writers and the functions that choose the next
    # nodes.
    return any(tag.startswith("seq:step:") and tag != "seq:step:1" for tag in tags)


def chain_name(name: str | None, serialized: dict[str, Any] | None, kind: str, parent: Run | None) -> str:
    """The name the framework gives the run; a router without one is called after its node."""
    if kind == "router" and name in _UNNAMED and parent is not None:
        return f"{parent.name}:route"
    given = serialized or {}
    last = given.get("id") or [None]
    return str(name or given.get("name") or last[-1] or "Unknown")


_GRAPHS = ("langgraph", "langchain_create_agent", "deepagents")
_COARSE = ("agent", "graph", "retriever")
_FINE = ("prompt", "parser", "router")


def is_plumbing(kind: str, tags: Sequence[str], detail: str) -> bool:
    """Whether a chain's run gets no event of its own, at that level of detail."""
    if HIDDEN_TAG in tags or detail == "all":
        return HIDDEN_TAG in tags
    return kind in _FINE if detail == "nodes" else kind not in _COARSE


def scope_type(kind: str) -> ScopeType:
    """Only what acts as an agent is one: exporters derive sessions from agents."""
    return ScopeType.Agent if kind in ("agent", "graph") else ScopeType.Function


def start_metadata(
    run_id: UUID,
    parent_run_id: UUID | None,
    kind: str,
    tags: Sequence[str] | None,
    metadata: dict[str, Any],
    session_id: Callable[[Mapping[str, Any]], str | None] | None = None,
) -> dict[str, Any]:
    """The framework's metadata as it came, and what joins the event to the framework's own run."""
    in_graph = "langgraph_node" in metadata or metadata.get("ls_integration") in _GRAPHS
    run = str(run_id)
    found = {
        **metadata,
        "langchain_run_id": run,
        "relay.run_id": run,
        "relay.framework": "langgraph" if in_graph or kind in ("graph", "agent") else "langchain",
        "relay.kind": kind,
    }
    for name, value in identity().items():
        found.setdefault(name, value)
    if kind in ("agent", "graph"):
        # What headers call the session: the conversation, else this run. Never the name of a scope.
        chosen = _chosen_session(session_id, metadata) if parent_run_id is None else None
        if chosen is not None:
            found["session_id"] = chosen
        found.setdefault("session_id", str(_session(parent_run_id, metadata) or run_id))
    if parent_run_id is not None:
        found["relay.parent_run_id"] = str(parent_run_id)
    if tags:
        found["relay.tags"] = list(tags)
    return found


def identity() -> dict[str, str]:
    """Whose run this is, as far as the configuration says so that is in force here."""
    config = var_child_runnable_config.get()
    given = config.get("configurable") if config else None
    if not given:
        return {}
    return {
        name: str(value)
        for name in IDENTITY
        if (value := given.get(name)) is not None and isinstance(value, (str, int, UUID))
    }


def _chosen_session(session_id: Callable[[Mapping[str, Any]], str | None] | None, metadata: Any) -> str | None:
    try:
        found = session_id(metadata) if session_id is not None else None
    except Exception as error:  # the application's own function; the run is worth more than its name
        _failures.note_failure("session_id", error)
        return None
    return None if found is None else str(found)


def _session(parent_run_id: UUID | None, metadata: dict[str, Any]) -> Any:
    # An agent inside another run is a session of its own, though it inherits the thread of its caller.
    return metadata.get("thread_id") if parent_run_id is None else None
