# SPDX-License-Identifier: Apache-2.0
"""Cursor. Tools are read from ``preToolUse`` and its twins: the shell and MCP steps report the same call again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_gateway._hosts.shaped import text
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Kind, Origins, Verdict

NAME = "cursor"
EVENTS = (
    *("sessionStart", "sessionEnd", "beforeSubmitPrompt", "preToolUse", "postToolUse", "postToolUseFailure"),
    *("beforeReadFile", "afterFileEdit", "afterAgentResponse", "afterAgentThought", "preCompact"),
    *("subagentStart", "subagentStop", "stop"),
)
_KINDS = {
    "sessionStart": Kind.SESSION_START,
    "sessionEnd": Kind.SESSION_END,
    "beforeSubmitPrompt": Kind.PROMPT,
    "stop": Kind.TURN_END,
    "preToolUse": Kind.TOOL_START,
    "postToolUse": Kind.TOOL_END,
    "postToolUseFailure": Kind.TOOL_END,
    "afterAgentResponse": Kind.MODEL_END,
    "subagentStart": Kind.SUBAGENT_START,
    "subagentStop": Kind.SUBAGENT_END,
}
_ASKS = frozenset(("preToolUse", "beforeShellExecution", "beforeMCPExecution", "beforeReadFile", "subagentStart"))
_TOKENS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
}


def read(payload: Mapping[str, Any]) -> HookEvent:
    """A payload of Cursor as an event."""
    name = text(payload.get("hook_event_name")) or "unknown"
    kind = _KINDS.get(name, Kind.MARK)
    return HookEvent(
        host=NAME,
        kind=kind,
        name=name,
        session=text(payload.get("parent_conversation_id")) or text(payload.get("conversation_id")) or "unknown",
        payload=payload,
        agent=text(payload.get("subagent_id")),
        agent_type=text(payload.get("subagent_type")),
        child_session=text(payload.get("child_conversation_id")),
        call=text(payload.get("tool_use_id")),
        tool=text(payload.get("tool_name")),
        arguments=payload.get("tool_input"),
        result=_result(kind, payload),
        error=_error(name, payload),
        model=text(payload.get("model")),
        annotated=_usage(payload) if kind is Kind.MODEL_END else None,
        mark="compaction" if name == "preCompact" else "hook_mark",
    )


def _result(kind: Kind, payload: Mapping[str, Any]) -> Any:
    if kind is Kind.TOOL_END:
        return payload.get("tool_output")
    if kind is Kind.MODEL_END:
        return {"text": payload.get("text")}
    return payload.get("summary", payload.get("status"))


def _error(name: str, payload: Mapping[str, Any]) -> str | None:
    if name == "postToolUseFailure" or payload.get("status") in ("error", "aborted"):
        return text(payload.get("error_message")) or text(payload.get("status")) or "failed"
    return None


def _usage(payload: Mapping[str, Any]) -> dict[str, Any]:
    usage = {ours: payload[theirs] for ours, theirs in _TOKENS.items() if isinstance(payload.get(theirs), int)}
    return {"message": payload.get("text"), "usage": usage or None}


def write(event: HookEvent, verdict: Verdict) -> dict[str, Any]:
    """Cursor's answer: nothing, unless a policy decided."""
    if verdict.denied is not None:
        if event.name not in _ASKS:
            return {"continue": False, "user_message": verdict.denied}
        messages = {"user_message": verdict.denied}
        if event.name != "subagentStart":
            messages["agent_message"] = verdict.denied
        return {"permission": "deny", **messages}
    if verdict.arguments is not None:
        return {"updated_input": verdict.arguments}
    if verdict.result is not None:
        return {"updated_mcp_tool_output": verdict.result}
    return {}


def origins(request: Request) -> Origins | None:
    """Cursor's model calls go to its own service."""
    return None
