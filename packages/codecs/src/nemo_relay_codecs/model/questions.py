# SPDX-License-Identifier: Apache-2.0
"""Questions that middleware asks of a normalised request or response."""

from __future__ import annotations

from typing import Any

_TOOL_PARTS = ("tool_use", "mcp_tool_use", "server_tool_use")
_TOOL_ITEMS = ("function_call", "custom_tool_call", "tool_use")


def first_text(content: Any) -> str | None:
    """The first text in message content, None if there is none."""
    if isinstance(content, str):
        return content
    for part in content or ():
        if part["type"] == "text":
            return str(part["text"])
        if part["type"] == "provider_native" and isinstance(part["value"], dict):
            for key in ("text", "refusal"):
                if isinstance(part["value"].get(key), str):
                    return str(part["value"][key])
    return None


def native_user_text(message: dict[str, Any]) -> str | None:
    """The text of a user message that the Responses codec had to keep opaque."""
    value = message["value"]
    if message["provider"] != "openai_responses" or not isinstance(value, dict) or value.get("role") != "user":
        return None
    content = value.get("content")
    if isinstance(content, str):
        return content
    for item in content if isinstance(content, list) else ():
        if isinstance(item, dict):
            for key in ("text", "refusal"):
                if isinstance(item.get(key), str):
                    return str(item[key])
    return None


def message_calls_tool(message: dict[str, Any]) -> bool:
    """Whether a message contains a tool call of the model."""
    role = message["role"]
    if role == "tool_call":
        return True
    if role == "provider_native":
        return _type_of(message["value"]) in _TOOL_ITEMS
    if role != "assistant":
        return False
    if message.get("tool_calls"):
        return True
    content = message.get("content")
    return isinstance(content, list) and any(
        part["type"] == "tool_use" or (part["type"] == "provider_native" and _type_of(part["value"]) in _TOOL_PARTS)
        for part in content
    )


def _type_of(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else None
