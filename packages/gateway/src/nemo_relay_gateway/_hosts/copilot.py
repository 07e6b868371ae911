# SPDX-License-Identifier: Apache-2.0
"""GitHub Copilot CLI. Its payloads do not name their event: the address of the hook does, ``/hooks/copilot/EVENT``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_gateway._hosts.shaped import text
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Kind, Origins, Verdict

NAME = "copilot"
EVENTS = (
    *("sessionStart", "sessionEnd", "userPromptSubmitted", "preToolUse", "postToolUse"),
    *("permissionRequest", "agentStop", "subagentStart", "subagentStop", "errorOccurred", "preCompact"),
)
_KINDS = {
    "sessionStart": Kind.SESSION_START,
    "sessionEnd": Kind.SESSION_END,
    "userPromptSubmitted": Kind.PROMPT,
    "agentStop": Kind.TURN_END,
    "preToolUse": Kind.TOOL_START,
    "postToolUse": Kind.TOOL_END,
}


def read(payload: Mapping[str, Any]) -> HookEvent:
    """A payload of Copilot CLI as an event."""
    name = text(payload.get("hook_event_name")) or text(payload.get("hookName")) or "unknown"
    kind = _KINDS.get(name, Kind.MARK)
    result = payload.get("toolResult")
    failed = isinstance(result, Mapping) and result.get("resultType") in ("failure", "denied")
    return HookEvent(
        host=NAME,
        kind=kind,
        name=name,
        session=text(payload.get("sessionId")) or "unknown",
        payload=payload,
        tool=text(payload.get("toolName")),
        arguments=payload.get("toolArgs", payload.get("toolInput")),
        result=result if kind is Kind.TOOL_END else payload.get("stopReason"),
        error=str(result.get("textResultForLlm")) if failed and isinstance(result, Mapping) else None,
        mark="compaction" if name == "preCompact" else "hook_mark",
    )


def write(event: HookEvent, verdict: Verdict) -> dict[str, Any]:
    """Copilot CLI's answer: nothing, unless a policy decided."""
    if verdict.denied is not None:
        return {"permissionDecision": "deny", "permissionDecisionReason": verdict.denied}
    if verdict.arguments is not None:
        return {"modifiedArgs": verdict.arguments}
    if verdict.result is not None:
        return {"modifiedResult": {"resultType": "success", "textResultForLlm": str(verdict.result)}}
    return {}


def origins(request: Request) -> Origins | None:
    """Copilot CLI's requests do not say which session they are of."""
    return None
