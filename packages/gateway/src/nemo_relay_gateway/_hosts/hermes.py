# SPDX-License-Identifier: Apache-2.0
"""Hermes Agent: what is particular to an event stands in ``extra``; subagents are sessions of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nemo_relay_gateway._hosts.shaped import text
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Kind, Origins, Verdict

NAME = "hermes"
_KINDS = {
    "on_session_start": Kind.SESSION_START,
    "on_session_end": Kind.TURN_END,
    "on_session_finalize": Kind.SESSION_END,
    "on_session_reset": Kind.SESSION_END,
    "pre_llm_call": Kind.PROMPT,
    "pre_api_request": Kind.MODEL_START,
    "post_api_request": Kind.MODEL_END,
    "api_request_error": Kind.MODEL_END,
    "pre_tool_call": Kind.TOOL_START,
    "post_tool_call": Kind.TOOL_END,
    "subagent_start": Kind.SUBAGENT_START,
    "subagent_stop": Kind.SUBAGENT_END,
}
_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens")


def read(payload: Mapping[str, Any]) -> HookEvent:
    """A payload of Hermes Agent as an event."""
    name = text(payload.get("hook_event_name")) or "unknown"
    extra = payload.get("extra")
    extra = extra if isinstance(extra, Mapping) else {}
    kind = _KINDS.get(name, Kind.MARK)
    child = text(extra.get("child_session_id"))
    is_model = kind in (Kind.MODEL_START, Kind.MODEL_END)
    return HookEvent(
        host=NAME,
        kind=kind,
        name=name,
        session=text(payload.get("session_id")) or "unknown",
        payload={**payload, "prompt": extra.get("user_message")} if kind is Kind.PROMPT else payload,
        agent=child,
        agent_type=text(extra.get("child_role")),
        child_session=child,
        call=text(extra.get("api_request_id")) if is_model else text(extra.get("tool_call_id")),
        tool=text(payload.get("tool_name")),
        arguments=_request(extra) if is_model else payload.get("tool_input"),
        result=_result(kind, extra),
        error=_error(name, extra),
        model=text(extra.get("response_model")) or text(extra.get("model")),
        annotated=_annotated(extra) if kind is Kind.MODEL_END else None,
    )


def _request(extra: Mapping[str, Any]) -> Any:
    request = extra.get("request")
    body = request.get("body") if isinstance(request, Mapping) else None
    return body if body is not None else {"messages": extra.get("request_messages")}


def _result(kind: Kind, extra: Mapping[str, Any]) -> Any:
    if kind is Kind.MODEL_END:
        return extra.get("response")
    if kind is Kind.SUBAGENT_END:
        return extra.get("child_summary")
    result = extra.get("result")
    if isinstance(result, str):
        try:
            return msgspec.json.decode(result)
        except msgspec.MsgspecError:
            return result
    return result


def _error(name: str, extra: Mapping[str, Any]) -> str | None:
    if name == "api_request_error":
        error = extra.get("error")
        return str(error.get("message") if isinstance(error, Mapping) else error)
    if extra.get("interrupted") is True:
        return "interrupted"
    failed = extra.get("status") not in (None, "ok") or extra.get("child_status") not in (None, "ok", "completed")
    return text(extra.get("error_message")) or text(extra.get("child_status")) or "failed" if failed else None


def _annotated(extra: Mapping[str, Any]) -> dict[str, Any] | None:
    usage = extra.get("usage")
    if not isinstance(usage, Mapping):
        return None
    counts = {name: usage[name] for name in _TOKENS if isinstance(usage.get(name), int)}
    if "completion_tokens" not in counts and isinstance(usage.get("output_tokens"), int):
        counts["completion_tokens"] = usage["output_tokens"]
    return {"model": text(extra.get("response_model")), "usage": counts}


def write(event: HookEvent, verdict: Verdict) -> dict[str, Any]:
    """Hermes Agent's answer: nothing, unless a policy decided."""
    return {} if verdict.denied is None else {"decision": "block", "reason": verdict.denied}


def origins(request: Request) -> Origins | None:
    """Hermes Agent's requests do not say which session they are of."""
    return None
