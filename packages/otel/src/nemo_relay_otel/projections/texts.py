# SPDX-License-Identifier: Apache-2.0
"""What a payload says to a person: the text in it, wherever a provider puts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

_KEYS = ("content", "summary", "message", "text", "prompt")
_SKIPPED = frozenset(("thinking", "reasoning", "toolResult", "tool_result"))
_DEEPEST = 20


def display(value: Any, depth: int = 0) -> str | None:
    """The text of a payload, None if it has none."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        return _of_string(value, depth)
    if isinstance(value, list):
        return _joined("\n", [*_blocks(value), _requested(_names(value))])
    if not isinstance(value, Mapping):
        return None
    for key in _KEYS:
        if key in value and (found := display(value[key], depth + 1)):
            return found
    return _of_output(value.get("output"), depth) or _of_choices(value.get("choices"), depth) or _of_calls(value)


def _of_string(value: str, depth: int) -> str | None:
    trimmed = value.strip()
    if trimmed[:1] in ("{", "["):
        try:
            inner = display(msgspec.json.decode(trimmed), depth + 1)
        except (ValueError, RecursionError):
            inner = None
        if inner:
            return inner
    return trimmed or None


def _blocks(items: list[Any]) -> Iterator[str | None]:
    for item in items:
        if isinstance(item, str):
            yield item.strip()
        elif isinstance(item, Mapping) and item.get("stripped") is not True and item.get("type") not in _SKIPPED:
            text = item.get("text")
            yield text.strip() if isinstance(text, str) else None


def _names(calls: Any) -> list[str]:
    names = []
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping) and call.get("type", "function") in _CALLS:
            function = call.get("function")
            name = function.get("name") if isinstance(function, Mapping) else call.get("name")
            if isinstance(name, str) and name:
                names.append(name)
    return names


_CALLS = frozenset(("function", "function_call", "tool_call", "tool_use", "toolCall"))


def _requested(names: list[str]) -> str | None:
    return f"Requested tools: {', '.join(names)}" if names else None


def _joined(separator: str, parts: list[str | None]) -> str | None:
    return separator.join(part for part in parts if part) or None


def _of_output(items: Any, depth: int) -> str | None:
    if not isinstance(items, list):
        return None
    texts: list[str | None] = []
    for item in items:
        if isinstance(item, Mapping) and item.get("type") == "message" and isinstance(item.get("content"), list):
            texts.append(_joined("\n\n", [display(part, depth + 1) for part in item["content"]]))
    return _joined("\n", [*texts, _requested(_names(items))])


def _of_choices(choices: Any, depth: int) -> str | None:
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, Mapping) else None
        if isinstance(message, Mapping):
            found = _joined("\n", [display(message.get("content"), depth + 1), _of_calls(message)])
            if found:
                return found
    return None


def _of_calls(value: Mapping[str, Any]) -> str | None:
    return _requested(_names(value.get("tool_calls")))


def of_messages(messages: list[Any]) -> str | None:
    """A conversation, each message as ``role: text``."""
    kept = []
    for message in messages:
        if not isinstance(message, Mapping):
            continue
        role = message.get("role", "user")
        if role == "tool":
            kept.append("tool: Tool result omitted")
        elif text := display(message.get("content")) or _of_calls(message):
            kept.append(f"{role}: {text}")
    return "\n\n".join(kept) or None


def of_request(data: Any) -> str | None:
    """The text of an LLM call's start payload."""
    content = data.get("content", data) if isinstance(data, Mapping) else data
    if isinstance(content, Mapping) and isinstance(content.get("messages"), list):
        return of_messages(content["messages"])
    return display(content)
