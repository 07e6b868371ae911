# SPDX-License-Identifier: Apache-2.0
"""Every member of a response in every odd type: a codec raises its own error or nothing, the rest never."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs.prices.price import price
from nemo_relay_codecs.surfaces import BUILTIN

ODD: list[Any] = [
    None,
    0,
    -1,
    1.5,
    True,
    "",
    "x",
    [],
    {},
    [None],
    [1],
    {"a": 1},
    [{}],
    {"text": 5},
    2**70,
    float("nan"),
]
BODIES: dict[str, Any] = {
    "openai_chat": {
        "id": "i",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "refusal": "r",
                    "reasoning_content": "t",
                    "reasoning_details": [{"type": "reasoning.text", "text": "t", "index": 0}],
                    "annotations": [{"type": "u", "url_citation": {"url": "u"}}],
                    "audio": {"id": "a", "data": "AAAA"},
                    "function_call": {"name": "f", "arguments": "{}"},
                    "tool_calls": [
                        {"id": "c", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}},
                        {"id": "k", "type": "custom", "custom": {"name": "n", "input": "i"}},
                    ],
                },
                "finish_reason": "stop",
                "logprobs": {},
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "cost": {"total": 1, "currency": "USD"},
            "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        "service_tier": "flex",
    },
    "openai_responses": {
        "id": "i",
        "model": "m",
        "status": "completed",
        "output": [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "x", "annotations": [{"url": "u"}]}],
            },
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "reasoning", "summary": [{"text": "t"}], "content": [{"text": "x"}]},
            {"type": "web_search_call", "id": "w", "action": {}},
            {"type": "mcp_call", "name": "n", "arguments": "{}", "output": "x"},
            {"type": "custom_tool_call", "input": "x", "name": "n"},
            {"type": "code_interpreter_call", "code": "x"},
            {"type": "image_generation_call", "result": "AAAA"},
        ],
        "usage": {
            "input_tokens": 1,
            "output_tokens": 1,
            "total_tokens": 2,
            "input_tokens_details": {"cached_tokens": 1},
            "output_tokens_details": {"reasoning_tokens": 1},
            "cost": 1,
        },
        "incomplete_details": {"reason": "x"},
    },
    "anthropic_messages": {
        "id": "i",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "text", "text": "x", "citations": [{"url": "u"}]},
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "tool_use", "id": "t", "name": "n", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "t", "content": []},
        ],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 1,
            "output_tokens": 1,
            "cache_creation": {"ephemeral_1h_input_tokens": 1},
            "cache_creation_input_tokens": 1,
            "cache_read_input_tokens": 1,
            "iterations": [{"input_tokens": 1, "model": "m"}],
            "server_tool_use": {"web": 1},
            "service_tier": "standard",
        },
    },
    "gemini_generate_content": {
        "responseId": "r",
        "modelVersion": "m",
        "candidates": [
            {
                "index": 0,
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "x"},
                        {"functionCall": {"name": "f", "args": {}, "id": "1"}},
                        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                        {"executableCode": {"code": "x"}},
                        {"text": "t", "thought": True},
                    ],
                },
                "finishReason": "STOP",
                "safetyRatings": [],
                "groundingMetadata": {},
            }
        ],
        "promptFeedback": {"blockReason": "x"},
        "usageMetadata": {
            "promptTokenCount": 1,
            "candidatesTokenCount": 1,
            "totalTokenCount": 2,
            "thoughtsTokenCount": 1,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}],
        },
    },
    "mistral_chat": {
        "id": "i",
        "model": "m",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "prefix": False,
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "t"}], "closed": True},
                        {"type": "text", "text": "Hi"},
                        {"type": "reference", "reference_ids": [1, 2]},
                    ],
                    "tool_calls": [
                        {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}, "index": 0},
                        {"id": "d", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    ],
                },
                "finish_reason": "model_length",
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "prompt_audio_seconds": 1,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
    },
    "oci_genai": {
        "modelId": "m",
        "chatResponse": {
            "apiFormat": "GENERIC",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "ASSISTANT",
                        "content": [{"type": "TEXT", "text": "x"}],
                        "toolCalls": [{"id": "c", "name": "f", "arguments": "{}"}],
                        "reasoningContent": "t",
                        "citations": [{}],
                    },
                    "finishReason": "stop",
                }
            ],
            "usage": {"promptTokens": 1, "completionTokens": 1, "totalTokens": 2},
        },
    },
    "bedrock_converse": {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"text": "x"},
                    {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}},
                    {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}},
                    {"citationsContent": {"content": [{"text": "x"}], "citations": []}},
                    {"toolResult": {"toolUseId": "t", "content": []}},
                    {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
                ],
            }
        },
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    },
    "cohere_chat": {
        "id": "i",
        "message": {
            "role": "assistant",
            "content": [{"type": "text", "text": "x"}, {"type": "thinking", "thinking": "t"}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            "tool_plan": "p",
            "citations": [{"text": "x"}],
        },
        "finish_reason": "COMPLETE",
        "usage": {
            "tokens": {"input_tokens": 1, "output_tokens": 1},
            "billed_units": {"search_units": 1},
            "cached_tokens": 1,
        },
    },
}


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every member."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*before, key)
        yield from paths(item, (*before, key))


def odd(body: Any) -> Iterator[Any]:
    """The body with one member replaced by something odd, for each member and each odd thing."""
    for path in list(paths(body)):
        for value in ODD:
            out = copy.deepcopy(body)
            holder = out
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = copy.deepcopy(value)
            yield out


def test_every_surface_is_here() -> None:
    assert set(BODIES) == set(BUILTIN)


@pytest.mark.parametrize("name", sorted(BODIES))
def test_an_odd_response_raises_a_codec_error_or_nothing(name: str) -> None:
    codec = codecs.resolve(name)
    for body in odd(BODIES[name]):
        codecs.decode_response_best_effort(body)
        try:
            view = codec.decode_response(body)
        except codecs.CodecError:
            continue
        assert view.choices is not None
        view.to_event()
        price(view)


@pytest.mark.parametrize("name", sorted(BODIES))
def test_an_odd_chunk_costs_itself_at_most(name: str) -> None:
    """Responses as chunks: what an assembler does not know it leaves out."""
    for body in odd(BODIES[name]):
        assembler = codecs.assembler(name)
        for chunk in (body, {"choices": [{"delta": c.get("message")} for c in _choices(body)]}):
            assembler.push(chunk)
        assert isinstance(assembler.finish(), dict)
        assert assembler.status() is None or isinstance(assembler.status(), dict)


def _choices(body: Any) -> list[dict[str, Any]]:
    choices = body.get("choices")
    return [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []
