# SPDX-License-Identifier: Apache-2.0
"""Messages and tool definitions in the shape of the GenAI conventions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nemo_relay_otel.projections.messages import Json, finish_reason, parsed
from nemo_relay_otel.values import compact, mapping, text

Parts = list[dict[str, Any]]
FINISH = {"complete": "stop", "tool_use": "tool_call"}
_MEDIA = ("image_url", "image", "audio", "file", "input_audio", "document", "video")


def input_messages(request: Json) -> str | None:
    """The conversation as a JSON string, None where there is none."""
    messages = [_message(message) for message in request.get("messages") or () if isinstance(message, Mapping)]
    return compact(messages) if messages else None


def _message(message: Json) -> dict[str, Any]:
    role = str(message.get("role", "user"))
    if role in ("tool", "function"):
        return {"role": "tool", "parts": [_result(message.get("tool_call_id"), message.get("content"))]}
    parts = list(content_parts(message.get("content")))
    if role == "user" and parts and all(part["type"] == "tool_call_response" for part in parts):
        role = "tool"
    if role == "assistant":
        parts.extend(tool_call_parts(message.get("tool_calls")))
    made: dict[str, Any] = {"role": role, "parts": parts}
    if name := text(message.get("name")):
        made["name"] = name
    return made


def content_parts(content: object) -> Iterator[dict[str, Any]]:
    """The parts of a message's content."""
    if isinstance(content, str):
        if content:
            yield {"type": "text", "content": content}
    elif isinstance(content, Mapping):
        yield _part(content)
    elif isinstance(content, list):
        for item in content:
            if isinstance(item, str):
                yield {"type": "text", "content": item}
            elif isinstance(item, Mapping):
                yield _part(item)


def _part(item: Json) -> dict[str, Any]:
    kind = str(item.get("type") or item.get("kind") or "unknown")
    if kind in ("text", "input_text", "output_text", "refusal"):
        return {"type": "text", "content": item.get("text") or item.get("refusal") or item.get("content") or ""}
    if kind in ("thinking", "reasoning"):
        shown = next((item[key] for key in ("text", "thinking", "content", "summary") if item.get(key)), "")
        return {"type": "reasoning", "content": shown if isinstance(shown, str) else compact(shown)}
    if kind in ("tool_use", "tool_call", "function_call"):
        arguments = parsed(item.get("arguments", item.get("input")))
        return {"type": "tool_call", "id": item.get("id"), "name": item.get("name"), "arguments": arguments}
    if kind in ("tool_result", "tool_call_response", "function_call_output"):
        return _result(item.get("tool_use_id") or item.get("id"), item.get("content", item.get("output")))
    return {**item, "type": kind}


def _result(call_id: object, content: object) -> dict[str, Any]:
    if isinstance(content, list):
        texts = [item.get("text") for item in content if isinstance(item, Mapping) and item.get("type") == "text"]
        if len(texts) == len(content):
            content = "\n".join(str(item) for item in texts)
    return {"type": "tool_call_response", "id": call_id, "response": content}


def tool_call_parts(calls: object) -> Iterator[dict[str, Any]]:
    """Tool calls of an assistant message, normalised or as OpenAI has them."""
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping):
            function = mapping(call.get("function")) or call
            arguments = parsed(function.get("arguments"))
            yield {"type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": arguments}


def output_messages(response: Json, finish_reason_in_messages: bool) -> str | None:
    """The answer as a JSON string, None where it says nothing."""
    parts = [*content_parts(response.get("message")), *tool_call_parts(response.get("tool_calls"))]
    if not parts:
        return None
    made: dict[str, Any] = {"role": "assistant", "parts": parts}
    if finish_reason_in_messages:
        reason = finish_reason(response)
        made["finish_reason"] = "unknown" if reason is None else FINISH.get(reason, reason)
    return compact([made])


def system_instructions(request: Json) -> str | None:
    """What stands apart from the messages, as a JSON list of parts."""
    parts = list(content_parts(request.get("instructions")))
    return compact(parts) if parts else None


def tool_definitions(request: Json) -> str | None:
    """The tools offered, by type and name."""
    found = [made for tool in request.get("tools") or () if isinstance(tool, Mapping) and (made := _definition(tool))]
    return compact(found) if found else None


def _definition(tool: Json) -> dict[str, str] | None:
    function = mapping(tool.get("function"))
    kind = text(tool.get("type")) or text(tool.get("kind")) or "function"
    name = text(function.get("name")) or text(tool.get("name"))
    if function or name:
        return {"name": name, "type": kind} if name else None
    return None if kind in ("function", "mcp") else {"name": kind, "type": kind}
