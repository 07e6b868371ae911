# SPDX-License-Identifier: Apache-2.0
"""Codex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from nemo_relay_gateway._hosts import shaped
from nemo_relay_gateway._hosts.shaped import text
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Kind, Origins

NAME = "codex"
EVENTS = (
    *("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest"),
    *("SubagentStart", "SubagentStop", "Stop", "PreCompact", "PostCompact"),
    *("PreModelRequest", "PostModelRequest", "Interrupt"),
)
write = shaped.write


def read(payload: Mapping[str, Any]) -> HookEvent:
    """A payload of Codex as an event."""
    event = shaped.read(NAME, payload)
    if event.name == "PreModelRequest":
        return replace(event, kind=Kind.MODEL_START, call=text(payload.get("request_id")), agent=_thread(payload))
    if event.name == "PostModelRequest":
        return _model_end(event, payload)
    if event.name == "Interrupt":
        return replace(event, kind=Kind.TURN_END, error="interrupted")
    return event


def _thread(payload: Mapping[str, Any]) -> str | None:
    """The subagent's thread; the session's own thread is no subagent."""
    thread = text(payload.get("thread_id"))
    return None if thread == text(payload.get("session_id")) else thread


def _model_end(event: HookEvent, payload: Mapping[str, Any]) -> HookEvent:
    failed = payload.get("status") == "failed"
    return replace(
        event,
        kind=Kind.MODEL_END,
        call=text(payload.get("request_id")),
        agent=_thread(payload),
        error=(text(payload.get("error")) or "failed") if failed else None,
        result={"id": payload.get("response_id"), "usage": payload.get("token_usage")},
        response_id=text(payload.get("response_id")),
        annotated=_usage(payload.get("token_usage"), payload),
    )


def _usage(tokens: Any, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    if not isinstance(tokens, Mapping):
        return None
    names = {
        "prompt_tokens": "input_tokens",
        "completion_tokens": "output_tokens",
        "total_tokens": "total_tokens",
        "cache_read_tokens": "cached_input_tokens",
        "cache_write_tokens": "cache_write_input_tokens",
    }
    usage = {ours: tokens[theirs] for ours, theirs in names.items() if isinstance(tokens.get(theirs), int)}
    return {"id": payload.get("response_id"), "model": payload.get("model"), "usage": usage}


def origins(request: Request) -> Origins | None:
    """Who sends a provider request: Codex says so in a header that holds JSON, and in plain ones besides."""
    found = _metadata(request)
    session = found.get("session_id") or _header(request, b"session-id") or _header(request, b"session_id")
    if session is None:
        return None
    thread = found.get("thread_id") or _header(request, b"thread-id")
    parent = found.get("parent_thread_id") or _header(request, b"x-codex-parent-thread-id")
    details = {f"codex_{key}": found[key] for key in ("turn_id", "request_kind", "subagent_kind") if key in found}
    agent = thread if thread != session else None
    return Origins(NAME, session, agent, parent if parent != session else None, details)


def _metadata(request: Request) -> dict[str, str]:
    value = request.header(b"x-codex-turn-metadata")
    try:
        found = msgspec.json.decode(value) if value else {}
    except msgspec.MsgspecError:
        return {}
    return {key: item for key, item in found.items() if isinstance(item, str)} if isinstance(found, dict) else {}


def _header(request: Request, name: bytes) -> str | None:
    value = request.header(name)
    return value.decode("latin-1") if value else None
