# SPDX-License-Identifier: Apache-2.0
"""What a request asks, read from either wire format, so that one script serves both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nemo_relay_provider import Reply


@dataclass(frozen=True)
class Turn:
    """Where a conversation stands: what a person asked last, and what tools have said since."""

    asked: str
    results: tuple[str, ...]
    tools: frozenset[str]


Part = Callable[[Turn], Reply]


def script(part: Part) -> Callable[[Any], Reply]:
    """A script for ``ScriptedProvider``; it keeps no state, so concurrent agents do not disturb each other."""
    return lambda body: part(turn_of(body))


def turn_of(body: dict[str, Any]) -> Turn:
    """The turn that a request body of OpenAI Chat Completions or Anthropic Messages stands at."""
    asked = ""
    results: list[str] = []
    for message in body["messages"]:
        said = _results(message)
        if message["role"] == "user" and not said:
            asked, results = _text(message["content"]), []
        results += said
    return Turn(asked, tuple(results), frozenset(_tool_name(tool) for tool in body.get("tools") or ()))


def _results(message: dict[str, Any]) -> list[str]:
    if message["role"] == "tool":
        return [_text(message["content"])]
    blocks = message["content"] if isinstance(message["content"], list) else []
    return [_text(block.get("content")) for block in blocks if block.get("type") == "tool_result"]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(block.get("text", "") for block in content)
    return str(content or "")


def _tool_name(tool: dict[str, Any]) -> str:
    return str(tool["function"]["name"] if "function" in tool else tool["name"])
