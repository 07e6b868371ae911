# SPDX-License-Identifier: Apache-2.0
"""A request of the usual shape is read at the first look: whatever `decode` lets pass must be readable then."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs import LLMRequest

from .recorded import lines

ODD: tuple[Any, ...] = (None, True, 5, -1, 1.5, 2**64, "", "x", [], [None], {}, {"type": "text"})
DECODED = [case for case in lines("codec-vectors.jsonl") if case["op"] == "decode"]
NAMES = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate_content", "oci_genai")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a tree with each of its keys."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def variants(content: Any) -> Iterator[Any]:
    """``content`` with one value replaced or taken away, in place and put back after each look."""
    for holder, key in places(content):
        kept = holder[key]
        for odd in ODD:
            holder[key] = odd
            yield content
        if isinstance(holder, dict):
            before = dict(holder)
            del holder[key]
            yield content
            holder.clear()
            holder.update(before)
        holder[key] = kept


def put_off(codec: Any, content: Any) -> bool:
    """Decode and look; whether the reading had waited for the look."""
    try:
        view = codec.decode(LLMRequest({}, content))
    except codecs.CodecError:
        return False
    waited = view.pending is not None
    assert isinstance(view.messages, list)
    return waited


@pytest.mark.parametrize("name", NAMES)
def test_what_passes_unread_is_readable(name: str) -> None:
    contents = [copy.deepcopy(case["input"]) for case in DECODED if case["codec"] == name]
    if not contents:
        pytest.skip("the recorded cases are not beside this checkout")
    codec = codecs.resolve(name)
    waited = [put_off(codec, variant) for content in contents for variant in variants(content)]
    assert sum(waited) > len(waited) // 20


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_s_conversation_is_not_read_before_somebody_looks(name: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    bodies: dict[str, Any] = {
        "openai_chat": {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "content": "1", "tool_call_id": "c"},
            ],
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
        "openai_responses": {
            "input": [
                {"role": "user", "content": "Hi"},
                {"type": "reasoning", "id": "r", "summary": []},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "1"},
            ],
            "tools": [{"type": "function", "name": "f"}],
        },
        "anthropic_messages": {
            "messages": [
                {"role": "user", "content": "Hi"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm", "signature": "s"},
                        {"type": "tool_use", "id": "c", "name": "f", "input": {}},
                    ],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "1"}]},
            ],
            "tools": [{"name": "f", "input_schema": {}}],
        },
        "gemini_generate_content": {
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {"role": "model", "parts": [{"text": "So"}, {"functionCall": {"name": "f", "args": {}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
        },
        "oci_genai": {
            "chatRequest": {
                "apiFormat": "GENERIC",
                "messages": [
                    {"role": "USER", "content": [{"type": "TEXT", "text": "Hi"}]},
                    {"role": "ASSISTANT", "toolCalls": [{"id": "c", "name": "f", "arguments": "{}"}]},
                    {"role": "TOOL", "toolCallId": "c", "content": [{"type": "TEXT", "text": "1"}]},
                ],
            }
        },
    }
    assert put_off(codecs.resolve(name), bodies[name])
