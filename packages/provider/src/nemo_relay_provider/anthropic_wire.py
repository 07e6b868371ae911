# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages as bytes: unary, server-sent events, and errors."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .replies import Failure, Reply, ToolCall, Usage, estimated_usage

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

REQUEST_ID_HEADER = "request-id"


def check(body: Mapping[str, Any]) -> Failure | None:
    """What the real endpoint would refuse in this request, or None."""
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            return Failure(400, f"{name}: Field required")
    if not isinstance(body["messages"], list) or not body["messages"]:
        return Failure(400, "messages: at least one message is required")
    for index, message in enumerate(body["messages"]):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("user", "assistant", "system"):  # the last one between turns, as newer models take it
            return Failure(400, f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")
    return None


def unary(reply: Reply, body: Mapping[str, Any], serial: int) -> dict[str, Any]:
    """The body of a whole answer."""
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.full_text}] if reply.full_text else []
    for index, call in enumerate(reply.tool_calls):
        content.append({**_tool_use(call, serial, index), "input": _input(call)})
    usage = _usage(estimated_usage(reply, body))
    return {**_message(body, serial), "content": content, "stop_reason": _stop_reason(reply), "usage": usage}


def frames(reply: Reply, body: Mapping[str, Any], serial: int) -> Iterator[bytes]:
    """The server-sent events of a streamed answer."""
    usage = _usage(estimated_usage(reply, body))
    yield _frame("message_start", message={**_message(body, serial), "usage": {**usage, "output_tokens": 1}})
    blocks = _blocks(reply, serial)
    for index, (block, deltas) in enumerate(blocks):
        yield _frame("content_block_start", index=index, content_block=block)
        if index == 0:
            yield _frame("ping")
        for delta in deltas:
            yield _frame("content_block_delta", index=index, delta=delta)
        yield _frame("content_block_stop", index=index)
    delta = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    # The real endpoint repeats the input counts here, and clients have come to read them from here alone.
    counts = {name: count for name, count in usage.items() if name != "service_tier"}
    yield _frame("message_delta", delta=delta, usage=counts)
    yield _frame("message_stop")


def error(failure: Failure, serial: int) -> dict[str, Any]:
    """The body of an error answer."""
    kind = failure.type or _ERROR_TYPES.get(failure.status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": failure.message},
        "request_id": f"req_{serial:06d}",
    }


def _blocks(reply: Reply, serial: int) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each content block as it starts, with its deltas."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if reply.full_text:
        texts = [{"type": "text_delta", "text": piece} for piece in reply.pieces]
        blocks.append(({"type": "text", "text": ""}, texts))
    for index, call in enumerate(reply.tool_calls):
        pieces = ["", *call.argument_pieces()]
        inputs = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        blocks.append(({**_tool_use(call, serial, index), "input": {}}, inputs))
    return blocks


def _message(body: Mapping[str, Any], serial: int) -> dict[str, Any]:
    return {
        "id": f"msg_{serial:06d}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _tool_use(call: ToolCall, serial: int, index: int) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id or f"toolu_{serial:06d}_{index}", "name": call.name}


def _input(call: ToolCall) -> Any:
    # A whole answer can only carry JSON here: a broken arguments text becomes an empty object.
    try:
        return json.loads(call.arguments_text())
    except ValueError:
        return {}


def _stop_reason(reply: Reply) -> str:
    return _STOP_REASONS.get(reply.finish_reason, reply.finish_reason)


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        # Anthropic counts cached tokens apart from the others.
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
        "service_tier": "standard",
    }


def _frame(event: str, **fields: Any) -> bytes:
    payload = json.dumps({"type": event, **fields}, separators=(",", ":"))
    return f"event: {event}\ndata: {payload}\n\n".encode()
