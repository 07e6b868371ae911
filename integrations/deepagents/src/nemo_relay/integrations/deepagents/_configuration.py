# SPDX-License-Identifier: Apache-2.0
"""How an agent is set up, as its configuration mark tells it: names and fingerprints, never contents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import SystemMessage


def described(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``create_deep_agent``, or the keys of a subagent's spec, as keywords of the middleware."""
    prompt = kwargs.get("system_prompt")
    facts = {
        "agent_name": kwargs.get("name"),
        "skills": kwargs.get("skills"),
        "subagents": kwargs.get("subagents"),
        "backend_name": type(kwargs["backend"]).__name__ if kwargs.get("backend") is not None else None,
        "tools": [tool_name(tool) for tool in kwargs.get("tools") or ()] or None,
        "permissions": kwargs.get("permissions"),
        "interrupt_on": kwargs.get("interrupt_on"),
        "memory": kwargs.get("memory"),
        "system_prompt_sha256": fingerprint(prompt) if prompt else None,
    }
    return {key: value for key, value in facts.items() if value is not None}


def subagent_view(spec: Mapping[str, Any]) -> dict[str, Any]:
    """One subagent as the mark shows it."""
    kind = "async_subagent" if "graph_id" in spec else "compiled_subagent" if "runnable" in spec else "subagent"
    model = spec.get("model")
    found = {
        "type": kind,
        "name": spec.get("name"),
        "description": spec.get("description"),
        "model": model if isinstance(model, str) or model is None else type(model).__name__,
        "graph_id": spec.get("graph_id"),
        "url": spec.get("url"),
        "skills": list(spec["skills"]) if spec.get("skills") else None,
        "mode": spec.get("mode"),
    }
    return {key: value for key, value in found.items() if value is not None}


def modes(subagents: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """``isolated`` or ``fork`` by the name of the subagent."""
    return {str(spec.get("name")): str(spec.get("mode") or "isolated") for spec in subagents if "graph_id" not in spec}


def permission_view(rule: Any) -> Any:
    """A filesystem permission rule."""
    if isinstance(rule, Mapping):
        return dict(rule)
    return {key: getattr(rule, key, None) for key in ("operations", "paths", "mode")}


def interrupt_view(interrupt_on: Mapping[str, Any]) -> dict[str, Any]:
    """Which tools wait for a human, with the decisions that are allowed; all of them where it says ``True``."""
    return {tool: _allowed(config) for tool, config in interrupt_on.items()}


def _allowed(config: Any) -> Any:
    given = config.get("allowed_decisions") if isinstance(config, Mapping) else None
    return list(given) if given else bool(config)


def tool_name(tool: Any) -> str:
    """The name the model calls a tool by."""
    if isinstance(tool, Mapping):
        function = tool.get("function")
        return str((function.get("name") if isinstance(function, Mapping) else None) or tool.get("name") or "tool")
    return str(getattr(tool, "name", None) or getattr(tool, "__name__", None) or type(tool).__name__)


def fingerprint(prompt: str | SystemMessage) -> str:
    """SHA-256 of a system prompt, to see when it changes without recording it twice."""
    text = prompt if isinstance(prompt, str) else prompt.text
    return hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()
