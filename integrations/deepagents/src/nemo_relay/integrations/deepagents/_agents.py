# SPDX-License-Identifier: Apache-2.0
"""Which runs are agents of a deep agent, and what their spans say: name, role, and the call that delegated to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

TASK = "task"  # the tool by which a deep agent delegates
INTEGRATION = {"integration": "deepagents"}
_UNNAMED = (None, "", "LangGraph")
_FORK_KEY = "_deepagents_forked_context"  # in the state that a declared fork starts from


class Setup(NamedTuple):
    """What only the middleware of an agent knows: how it was set up."""

    modes: Mapping[str, str]
    backend: str | None


class TaskCall(NamedTuple):
    """One call of the ``task`` tool."""

    subagent: str | None
    tool_call_id: str | None
    mode: str | None  # None: nothing told which


# Set while a tool of that agent runs, for the callbacks that start below it.
setup: ContextVar[Setup | None] = ContextVar("nemo_relay_deepagents_setup", default=None)


def is_deep(metadata: Mapping[str, Any]) -> bool:
    """Whether a run belongs to a deep agent."""
    versions = metadata.get("lc_versions")
    return isinstance(versions, dict) and "deepagents" in versions


def is_agent(
    name: str | None, metadata: Mapping[str, Any], tags: Sequence[str], call: TaskCall | None, *, lcel: bool
) -> bool:
    """Whether a run is an agent: the deep agent itself, or one that it delegates to with ``call``."""
    if not is_deep(metadata) or any(tag.startswith(("graph:step:", "seq:step:")) for tag in tags):
        return False
    if name and name in (metadata.get("lc_agent_name"), call.subagent if call is not None else None):
        return True
    return not lcel and metadata.get("ls_integration") == "deepagents" and "langgraph_node" not in metadata


def agent_name(name: str | None, metadata: Mapping[str, Any], call: TaskCall | None = None) -> str:
    """What to call the agent; ``DeepAgent`` when nobody gave it a name."""
    delegated = call.subagent if call is not None else None
    return str(delegated or metadata.get("lc_agent_name") or ("DeepAgent" if name in _UNNAMED else name))


def span_name(name: str | None, metadata: Mapping[str, Any]) -> str | None:
    """The name of its span: the one the framework gives the run, unless that is only the library's."""
    return agent_name(name, metadata) if name in _UNNAMED else name


def described(name: str | None, metadata: Mapping[str, Any], call: TaskCall | None, inputs: Any) -> dict[str, Any]:
    """What the start event of an agent says beyond the framework's own metadata."""
    inside = call is not None or metadata.get("ls_integration") != "deepagents"
    about: dict[str, Any] = {
        **INTEGRATION,
        "deepagents_agent_name": agent_name(name, metadata, call),
        "deepagents_agent_role": "subagent" if inside else "orchestrator",
    }
    if call is not None:
        forked = isinstance(inputs, dict) and inputs.get(_FORK_KEY) is True
        found = {
            "lc_agent_name": call.subagent,  # which the framework does not set where the runnable is no graph
            "subagent_type": call.subagent,
            "mode": "fork" if forked else call.mode,
            "parent_tool_call_id": call.tool_call_id,
        }
        about.update((key, value) for key, value in found.items() if value is not None)
    return about


def task_call(inputs: Any, tool_call_id: Any) -> TaskCall:
    """A call of the ``task`` tool, as its start tells it."""
    kind = inputs.get("subagent_type") if isinstance(inputs, dict) else None
    known = setup.get()
    mode = known.modes.get(kind) if known is not None and isinstance(kind, str) else None
    return TaskCall(kind if isinstance(kind, str) else None, str(tool_call_id) if tool_call_id else None, mode)
