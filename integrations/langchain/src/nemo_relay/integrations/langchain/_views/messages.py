# SPDX-License-Identifier: Apache-2.0
"""The canonical view of a chat message: OpenAI-like roles and tool calls, position and content kept."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

MAX_REPR = 200
_PLAIN: dict[type, str] = {HumanMessage: "user", SystemMessage: "system", AIMessage: "assistant"}
_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "HumanMessageChunk": "user"}
_MEDIA = ("image", "audio", "file", "video", "media", "image_url", "input_audio", "input_image", "input_file")
_PAYLOADS = ("data", "base64", "file_data")  # in a block of media: encoded bytes, however few
_NATIVE = ("reasoning", "thinking", "redacted_thinking", "reasoning_content")


def message_view(message: BaseMessage) -> dict[str, Any]:
    """``message`` as a mapping: role, content, and tool calls, status and extras where it has any."""
    role = _PLAIN.get(type(message))
    if role is not None:
        plain = _plain_view(role, message.__dict__)
        if plain is not None:
            return plain
    return _whole_view(message)


def _plain_view(role: str, fields: dict[str, Any]) -> dict[str, Any] | None:
    """The view of a message that is text and little else, as most of a long history is; None for any other."""
    content = fields["content"]
    if type(content) is not str or fields.get("tool_calls") or fields.get("invalid_tool_calls"):
        return None
    shown: dict[str, Any] = {"role": role, "content": content}
    if fields["name"]:
        shown["name"] = fields["name"]
    kept: dict[str, Any] = {"id": fields["id"]} if fields["id"] else {}
    if fields["additional_kwargs"]:
        kept["additional_kwargs"] = fields["additional_kwargs"]
    if fields["response_metadata"]:
        kept["response_metadata"] = fields["response_metadata"]
    if kept:
        shown["extra"] = {"lc": kept}
    return shown


def _whole_view(message: BaseMessage) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": _role(message), "content": content_view(message.content)}
    if message.name:
        shown["name"] = message.name
    if isinstance(message, AIMessage):
        shown.update(_calls(message))
    if isinstance(message, ToolMessage):
        shown["tool_call_id"] = message.tool_call_id
        shown["status"] = message.status
        if message.artifact is not None:
            shown["artifact"] = {
                "type": type(message.artifact).__name__,
                "repr": short_repr(message.artifact),
            }
    extras = _extras(message)
    if extras:
        shown["extra"] = {"lc": extras}
    return shown


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    kind = message.type
    return _ROLES.get(kind) or kind.removesuffix("MessageChunk").lower()


def _calls(message: AIMessage) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if message.tool_calls:
        found["tool_calls"] = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call["name"], "arguments": _arguments(call["args"])},
            }
            for call in message.tool_calls
        ]
    if message.invalid_tool_calls:
        found["invalid_tool_calls"] = [dict(call) for call in message.invalid_tool_calls]
    return found


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _arguments(args: Any) -> str:
    try:
        return _json(args)
    except (TypeError, ValueError):
        return short_repr(args)


def _extras(message: BaseMessage) -> dict[str, Any]:
    kept = {
        "id": message.id,
        "additional_kwargs": message.additional_kwargs,
        "response_metadata": message.response_metadata,
    }
    return {name: value for name, value in kept.items() if value}


def content_view(content: Any) -> Any:
    """Message content with text as it is, media as references, and reasoning without its signatures."""
    return [_block_view(block) for block in content] if isinstance(content, list) else content


def _block_view(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    kind = block.get("type")
    if kind in _NATIVE or "signature" in block:
        return {key: {"length": len(item)} if _is_signature(key, item) else item for key, item in block.items()}
    if kind in _MEDIA or kind == "document":
        return _media_view(block)
    return block


def _is_signature(key: str, item: object) -> bool:
    return key in ("signature", "encrypted_content", "data") and isinstance(item, (str, bytes))


def _media_view(item: Any, *, encoded: bool = False) -> Any:
    """Payload bytes become a digest and a length; everything short enough to be a name or a link stays."""
    if isinstance(item, dict):
        text = item.get("type") == "text"  # a document in plain words
        return {key: _media_view(inner, encoded=key in _PAYLOADS and not text) for key, inner in item.items()}
    long = isinstance(item, str) and (encoded or item.startswith("data:") or len(item) > 2_048)
    if long or isinstance(item, bytes):
        raw = item if isinstance(item, bytes) else item.encode("utf-8", "replace")
        head = item[:64].partition(";")[0] if isinstance(item, str) and item.startswith("data:") else None
        kind = {"mime_type": head.removeprefix("data:")} if head else {}
        return {**kind, "sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    return item


def short_repr(value: object) -> str:
    """``repr`` that never raises, shortened."""
    try:
        return repr(value)[:MAX_REPR]
    except Exception:
        return f"<{type(value).__name__}>"


def unviewable(value: object) -> dict[str, Any]:
    """All that can be said of an object whose own code raises."""
    return {"$type": type(value).__qualname__, "repr": short_repr(value)}
