# SPDX-License-Identifier: Apache-2.0
"""OpenAI Chat Completions as bytes: unary, server-sent events, and errors."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .replies import Failure, Reply, ToolCall, Usage, estimated_usage

# A fixed moment instead of the clock: recordings made with the same script have the same bytes.
_CREATED = 1_767_225_600
_FINGERPRINT = "fp_scripted"
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_ERROR_TYPES = {429: "requests", 500: "server_error", 502: "server_error", 503: "server_error"}
_ERROR_CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}

REQUEST_ID_HEADER = "x-request-id"


def check(body: Mapping[str, Any]) -> Failure | None:
    """What the real endpoint would refuse in this request, or None."""
    if not isinstance(body.get("model"), str):
        return Failure(400, "you must provide a model parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        text = "Missing required parameter: 'messages'."
        return Failure(400, text, code="missing_required_parameter", param="messages")
    if body.get("n") not in (None, 1):
        return Failure(400, "The scripted provider gives one choice: leave 'n' out.", param="n")
    return _check_roles(messages) or _check_tool_answers(messages)


def _check_roles(messages: list[Any]) -> Failure | None:
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            text = f"Invalid value: {role!r}. Supported values are: {', '.join(sorted(_ROLES))}."
            return Failure(400, text, code="invalid_value", param=f"messages[{index}].role")
    return None


def _check_tool_answers(messages: list[Any]) -> Failure | None:
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                text = "messages with role 'tool' must answer a preceding message with 'tool_calls'."
                return Failure(400, f"Invalid parameter: {text}", param=f"messages[{index}].role")
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            break
        waiting = [str(call.get("id")) for call in message.get("tool_calls") or ()]
    if not waiting:
        return None
    text = "An assistant message with 'tool_calls' must be followed by tool messages for each 'tool_call_id'."
    return Failure(400, f"{text} No response found for: {', '.join(waiting)}", param="messages")


def unary(reply: Reply, body: Mapping[str, Any], serial: int) -> dict[str, Any]:
    """The body of a whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.full_text or None}
    if reply.tool_calls:
        message["tool_calls"] = [_tool_call(call, serial, i) for i, call in enumerate(reply.tool_calls)]
    else:
        message["content"] = reply.full_text
    message |= {"refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    return {
        **_envelope("chat.completion", body, serial),
        "choices": [choice],
        "usage": _usage(estimated_usage(reply, body)),
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }


def frames(reply: Reply, body: Mapping[str, Any], serial: int) -> Iterator[bytes]:
    """The server-sent events of a streamed answer, `[DONE]` last."""
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    head = _envelope("chat.completion.chunk", body, serial)
    head |= {"service_tier": "default", "system_fingerprint": _FINGERPRINT}
    tail = {"usage": None} if with_usage else {}
    for delta, finish in _deltas(reply, serial):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        yield _frame({**head, "choices": [choice], **tail})
    if with_usage:
        yield _frame({**head, "choices": [], "usage": _usage(estimated_usage(reply, body))})
    yield b"data: [DONE]\n\n"


def error(failure: Failure, serial: int) -> dict[str, Any]:
    """The body of an error answer."""
    return {
        "error": {
            "message": failure.message,
            "type": failure.type or _ERROR_TYPES.get(failure.status, "invalid_request_error"),
            "param": failure.param,
            "code": failure.code or _ERROR_CODES.get(failure.status),
        }
    }


def models(names: list[str]) -> dict[str, Any]:
    """The answer of `GET /v1/models`."""
    entries = [{"id": n, "object": "model", "created": _CREATED, "owned_by": "scripted"} for n in names]
    return {"object": "list", "data": entries}


def _deltas(reply: Reply, serial: int) -> Iterator[tuple[dict[str, Any], str | None]]:
    first = None if reply.tool_calls and not reply.full_text else ""
    yield {"role": "assistant", "content": first, "refusal": None}, None
    for piece in reply.pieces:
        yield {"content": piece}, None
    for index, call in enumerate(reply.tool_calls):
        whole = _tool_call(call, serial, index)
        opening = {**whole, "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [{"index": index, **opening}]}, None
        for piece in call.argument_pieces():
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None
    yield {}, reply.finish_reason


def _envelope(kind: str, body: Mapping[str, Any], serial: int) -> dict[str, Any]:
    return {"id": f"chatcmpl-{serial:06d}", "object": kind, "created": _CREATED, "model": body["model"]}


def _tool_call(call: ToolCall, serial: int, index: int) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments_text()}
    return {"id": call.id or f"call_{serial:06d}_{index}", "type": "function", "function": function}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _frame(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"
