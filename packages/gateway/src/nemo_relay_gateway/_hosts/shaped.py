# SPDX-License-Identifier: Apache-2.0
"""Hooks in the shape that Claude Code introduced and others took over: one object with ``hook_event_name``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_gateway._sessions.events import HookEvent, Kind, Verdict

KINDS = {
    "SessionStart": Kind.SESSION_START,
    "SessionEnd": Kind.SESSION_END,
    "UserPromptSubmit": Kind.PROMPT,
    "Stop": Kind.TURN_END,
    "StopFailure": Kind.TURN_END,
    "SubagentStart": Kind.SUBAGENT_START,
    "SubagentStop": Kind.SUBAGENT_END,
    "PreToolUse": Kind.TOOL_START,
    "PostToolUse": Kind.TOOL_END,
    "PostToolUseFailure": Kind.TOOL_END,
    "PermissionDenied": Kind.TOOL_END,
}
_MARKS = {"PreCompact": "compaction", "PostCompact": "compaction", "Notification": "notification"}


def read(host: str, payload: Mapping[str, Any]) -> HookEvent:
    """A payload as an event; names that are not known become marks."""
    name = text(payload.get("hook_event_name")) or "unknown"
    kind = KINDS.get(name, Kind.MARK)
    return HookEvent(
        host=host,
        kind=kind,
        name=name,
        session=text(payload.get("session_id")) or "unknown",
        payload=payload,
        agent=text(payload.get("agent_id")),
        agent_type=text(payload.get("agent_type")),
        call=text(payload.get("tool_use_id")),
        tool=text(payload.get("tool_name")),
        arguments=payload.get("tool_input"),
        result=_result(kind, payload),
        error=_error(name, payload),
        model=text(payload.get("model")),
        mark=_MARKS.get(name, "hook_mark"),
    )


def _result(kind: Kind, payload: Mapping[str, Any]) -> Any:
    if kind is Kind.TOOL_END:
        return payload.get("tool_response", payload.get("tool_output"))
    return payload.get("last_assistant_message")


def _error(name: str, payload: Mapping[str, Any]) -> str | None:
    if name in ("PostToolUseFailure", "StopFailure"):
        return text(payload.get("error")) or "failed"
    return "permission denied" if name == "PermissionDenied" else None


def write(event: HookEvent, verdict: Verdict) -> dict[str, Any]:
    """The answer to a hook: nothing, unless a policy decided."""
    specific: dict[str, Any] = {}
    if verdict.denied is not None:
        specific = {"permissionDecision": "deny", "permissionDecisionReason": verdict.denied}
    elif verdict.asked is not None:
        specific = {"permissionDecision": "ask", "permissionDecisionReason": verdict.asked}
        if verdict.arguments is not None:
            specific["updatedInput"] = verdict.arguments
    elif verdict.arguments is not None:
        specific = {"updatedInput": verdict.arguments}
    elif verdict.result is not None:
        specific = {"updatedToolOutput": verdict.result}
    return {"hookSpecificOutput": {"hookEventName": event.name, **specific}} if specific else {}


def text(value: Any) -> str | None:
    """A text that is there and not empty; a number as its text."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
