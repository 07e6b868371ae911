# SPDX-License-Identifier: Apache-2.0
"""Message content in the two forms that ATIF knows: text, or a list of text and image parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_ENDINGS = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
}
_TEXT = ("text", "input_text", "output_text")
_IMAGE = ("image", "image_url", "input_image")
# Blocks that have a place of their own in a trajectory: tool calls, observations, reasoning.
_ELSEWHERE = (
    "tool_use", "tool_result", "tool_call", "function_call", "custom_tool_call",
    "thinking", "redacted_thinking", "reasoning", "functionCall", "functionResponse",
)  # fmt: skip
# Gemini names a part by its key.
_UNTYPED = ("text", "functionCall", "functionResponse", "inlineData", "fileData")


def text(value: Any) -> str:
    """Any value as text: a string as it is, null as nothing, the rest as compact JSON with sorted keys."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return f"[{type(value).__name__}]"


def message(value: Any) -> str | list[dict[str, Any]]:
    """Message content as a provider writes it, in ATIF's form.

    Fields that ATIF forbids (``cache_control``, ``annotations``) are left out, blocks that it cannot hold
    become a short note: the whole request and response are kept beside the message.
    """
    if isinstance(value, list) and all(_is_block(block) for block in value):
        return [part for block in value if (part := _part(block)) is not None]
    return text(value)


def joined(value: Any) -> str | list[dict[str, Any]]:
    """Like `message`, with a list of nothing but text joined line by line."""
    found = message(value)
    if isinstance(found, list) and all(part["type"] == "text" for part in found):
        return "\n".join(part["text"] for part in found)
    return found


def exact_parts(value: Any) -> list[dict[str, Any]] | None:
    """``value`` if it already is a list of ATIF content parts and nothing else, otherwise None."""
    if not isinstance(value, list):
        return None
    parts = [_part(block) for block in value if _is_block(block)]
    return value if parts == value else None


def _is_block(block: Any) -> bool:
    return isinstance(block, str) or (isinstance(block, Mapping) and _kind(block) is not None)


def _kind(block: Mapping[str, Any]) -> str | None:
    kind = block.get("type")
    if isinstance(kind, str):
        return kind
    if block.get("thought") is True:
        return "thinking"
    return next((key for key in _UNTYPED if key in block), None)


def _part(block: Any) -> dict[str, Any] | None:
    if isinstance(block, str):
        return {"type": "text", "text": block}
    kind = _kind(block)
    if kind in _TEXT and isinstance(block.get("text"), str):
        return {"type": "text", "text": block["text"]}
    if kind in _ELSEWHERE:
        return None
    return _image(block) if kind in _IMAGE else {"type": "text", "text": f"[{kind}]"}


def _image(block: Mapping[str, Any]) -> dict[str, Any]:
    path, media_type = _whereabouts(block)
    if isinstance(path, str) and not path.startswith("data:"):
        media_type = media_type if media_type in _IMAGES else _guess(path)
        if media_type:
            return {"type": "image", "source": {"media_type": media_type, "path": path}}
        return {"type": "text", "text": f"[image: {path}]"}
    # Bytes inside the message have no path that a reader could open.
    return {"type": "text", "text": f"[{media_type or 'image'}, inline]"}


def _whereabouts(block: Mapping[str, Any]) -> tuple[Any, Any]:
    holder: Any = block.get("source") or block.get("image_url") or block
    if isinstance(holder, str):
        return holder, None
    if not isinstance(holder, Mapping):
        return None, None
    media_type = holder.get("media_type") or holder.get("mime_type")
    return holder.get("path") or holder.get("url"), media_type if isinstance(media_type, str) else None


def _guess(path: str) -> str | None:
    plain = path.split("?")[0].split("#")[0].lower()
    return _ENDINGS.get(plain.rpartition(".")[2])
