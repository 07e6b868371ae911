# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses as bytes: unary, server-sent events, and errors."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .openai_wire import REQUEST_ID_HEADER as REQUEST_ID_HEADER
from .openai_wire import error as error
from .replies import Failure, Reply, ToolCall, Usage, estimated_usage

_CREATED = 1_767_225_600


def check(body: Mapping[str, Any]) -> Failure | None:
    """What the real endpoint would refuse in this request, or None."""
    if not isinstance(body.get("model"), str):
        return Failure(400, "Missing required parameter: 'model'.", code="missing_required_parameter", param="model")
    if not isinstance(body.get("input"), str | list):
        return Failure(400, "Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    return None


def unary(reply: Reply, body: Mapping[str, Any], serial: int) -> dict[str, Any]:
    """The body of a whole answer."""
    return _response(reply, body, serial, [item for item, _ in _items(reply, serial)], done=True)


def frames(reply: Reply, body: Mapping[str, Any], serial: int) -> Iterator[bytes]:
    """The server-sent events of a streamed answer."""
    count = iter(range(1_000_000))
    begun = _response(reply, body, serial, [], done=False)
    yield _frame("response.created", next(count), response=begun)
    yield _frame("response.in_progress", next(count), response=begun)
    for index, (item, pieces) in enumerate(_items(reply, serial)):
        where = {"output_index": index, "item_id": item["id"]}
        yield _frame("response.output_item.added", next(count), output_index=index, item=_started(item))
        if item["type"] == "message":
            yield from _text(item, pieces, where, count)
        else:
            for piece in pieces:
                yield _frame("response.function_call_arguments.delta", next(count), **where, delta=piece)
            arguments = item["arguments"]
            yield _frame("response.function_call_arguments.done", next(count), **where, arguments=arguments)
        yield _frame("response.output_item.done", next(count), output_index=index, item=item)
    yield _frame("response.completed", next(count), response=unary(reply, body, serial))


def _text(item: dict[str, Any], pieces: list[str], where: dict[str, Any], count: Iterator[int]) -> Iterator[bytes]:
    where = {**where, "content_index": 0}
    part = item["content"][0]
    yield _frame("response.content_part.added", next(count), **where, part={**part, "text": ""})
    for piece in pieces:
        yield _frame("response.output_text.delta", next(count), **where, delta=piece)
    yield _frame("response.output_text.done", next(count), **where, text=part["text"])
    yield _frame("response.content_part.done", next(count), **where, part=part)


def _items(reply: Reply, serial: int) -> list[tuple[dict[str, Any], list[str]]]:
    """Each output item as it is at its end, with the pieces it comes in."""
    items: list[tuple[dict[str, Any], list[str]]] = []
    if reply.full_text:
        part = {"type": "output_text", "text": reply.full_text, "annotations": []}
        base = {"type": "message", "id": f"msg_{serial:06d}", "status": "completed", "role": "assistant"}
        items.append(({**base, "content": [part]}, list(reply.pieces)))
    for index, call in enumerate(reply.tool_calls):
        items.append((_function_call(call, serial, index), list(call.argument_pieces())))
    return items


def _function_call(call: ToolCall, serial: int, index: int) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{serial:06d}_{index}",
        "call_id": call.id or f"call_{serial:06d}_{index}",
        "status": "completed",
        **({"namespace": call.namespace} if call.namespace else {}),
        "name": call.name,
        "arguments": call.arguments_text(),
    }


def _started(item: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
    return {**item, "status": "in_progress", **empty}


def _response(
    reply: Reply, body: Mapping[str, Any], serial: int, output: list[dict[str, Any]], *, done: bool
) -> dict[str, Any]:
    return {
        "id": f"resp_{serial:06d}",
        "object": "response",
        "created_at": _CREATED,
        "status": "completed" if done else "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _usage(estimated_usage(reply, body)) if done else None,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input + usage.output,
    }


def _frame(event: str, number: int, **fields: Any) -> bytes:
    payload = json.dumps({"type": event, "sequence_number": number, **fields}, separators=(",", ":"))
    return f"event: {event}\ndata: {payload}\n\n".encode()
