# SPDX-License-Identifier: Apache-2.0
"""Gemini CLI. It reports model calls with their text and usage, a chunk of a stream at a time, and no call ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nemo_relay_gateway._hosts import shaped
from nemo_relay_gateway._hosts.shaped import text
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Kind, Origins, Verdict

NAME = "gemini-cli"
_KINDS = {
    "BeforeAgent": Kind.PROMPT,
    "AfterAgent": Kind.TURN_END,
    "BeforeTool": Kind.TOOL_START,
    "AfterTool": Kind.TOOL_END,
    "BeforeModel": Kind.MODEL_START,
    "AfterModel": Kind.MODEL_PART,
}


def read(payload: Mapping[str, Any]) -> HookEvent:
    """A payload of Gemini CLI as an event."""
    event = shaped.read(NAME, payload)
    kind = _KINDS.get(event.name)
    if event.name == "PreCompress":
        return replace(event, mark="compaction")
    if kind is None:
        return event
    event = replace(event, kind=kind)
    if kind is Kind.TURN_END:
        return replace(event, result=payload.get("prompt_response"))
    if kind is Kind.TOOL_END:
        result = payload.get("tool_response")
        error = result.get("error") if isinstance(result, Mapping) else None
        return replace(event, result=result, error=None if error is None else str(error))
    if kind in (Kind.MODEL_START, Kind.MODEL_PART):
        return _model(event, payload)
    return event


def _model(event: HookEvent, payload: Mapping[str, Any]) -> HookEvent:
    request, response = payload.get("llm_request"), payload.get("llm_response")
    model = text(request.get("model")) if isinstance(request, Mapping) else None
    return replace(event, call="model", arguments=request, model=model, result=response, annotated=_usage(response))


def _usage(response: Any) -> dict[str, Any] | None:
    counts = response.get("usageMetadata") if isinstance(response, Mapping) else None
    if not isinstance(counts, Mapping):
        return None
    names = {
        "prompt_tokens": "promptTokenCount",
        "completion_tokens": "candidatesTokenCount",
        "total_tokens": "totalTokenCount",
        "cache_read_tokens": "cachedContentTokenCount",
    }
    return {"usage": {ours: counts[theirs] for ours, theirs in names.items() if isinstance(counts.get(theirs), int)}}


def write(event: HookEvent, verdict: Verdict) -> dict[str, Any]:
    """Gemini CLI's answer: nothing, unless a policy decided."""
    if verdict.denied is not None:
        return {"decision": "deny", "reason": verdict.denied}
    if verdict.arguments is not None:
        return {"hookSpecificOutput": {"hookEventName": event.name, "tool_input": verdict.arguments}}
    if verdict.result is not None:
        return {"decision": "deny", "reason": str(verdict.result)}  # the reason takes the place of the result
    return {}


def origins(request: Request) -> Origins | None:
    """Gemini CLI's requests do not say which session they are of."""
    return None
