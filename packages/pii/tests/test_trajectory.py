# SPDX-License-Identifier: Apache-2.0
"""The preset ``trajectory_context``: the shape stays, every text that somebody wrote goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nemo_relay import LLMRequest, LogSeverity, ScopeType, llm, scope, tools
from nemo_relay.codecs import AnthropicMessagesCodec, GeminiGenerateContentCodec, OpenAIChatCodec, OpenAIResponsesCodec

from .conftest import Json, observed

X = "[REDACTED]"
PRESET: Json = {"builtin": {"preset": "trajectory_context"}}
S = "secret"  # in every text of the application
TOOL = {"type": "function", "function": {"name": "get", "description": S, "parameters": {"title": S}}}
CALL = {"id": S, "type": "function", "function": {"name": "get", "arguments": json.dumps({"q": S})}}
CASES: dict[str, tuple[Any, Json, Json, Json, Json]] = {
    "openai_chat": (
        OpenAIChatCodec(),
        {
            "model": "gpt-4o",
            "temperature": 0.5,
            "user": S,
            "stop": [S],
            "messages": [
                {"role": "system", "content": S},
                {
                    "role": "user",
                    "name": S,
                    "content": [{"type": "text", "text": S}, {"type": "image_url", "image_url": {"url": S}}],
                },
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": S, "content": S},
            ],
            "tools": [TOOL],
            "tool_choice": "auto",
            "metadata": {S: S},
            "weird": {S: S},
        },
        {
            "model": "gpt-4o",
            "temperature": 0.5,
            "user": X,
            "stop": [X],
            "messages": [
                {"role": "system", "content": X},
                {
                    "role": "user",
                    "name": X,
                    "content": [{"type": "text", "text": X}, {"type": "image_url", "image_url": {"url": X}}],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": X, "type": "function", "function": {"name": "get", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": X, "content": X},
            ],
            "tools": [{"type": "function", "function": {"name": "get", "description": X, "parameters": {}}}],
            "tool_choice": "auto",
            "metadata": {},
        },
        {
            "id": S,
            "object": "chat.completion",
            "model": "gpt-4o",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "message": {"role": "assistant", "content": S, "tool_calls": [CALL]},
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
            "system_fingerprint": S,
        },
        {
            "id": X,
            "object": "chat.completion",
            "model": "gpt-4o",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "message": {
                        "role": "assistant",
                        "content": X,
                        "tool_calls": [{"id": X, "type": "function", "function": {"name": "get", "arguments": "{}"}}],
                    },
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        },
    ),
    "openai_responses": (
        OpenAIResponsesCodec(),
        {
            "model": "gpt-4o",
            "instructions": S,
            "input": [{"role": "user", "content": [{"type": "input_text", "text": S}]}],
            "previous_response_id": S,
        },
        {
            "model": "gpt-4o",
            "instructions": X,
            "input": [{"role": "user", "content": [{"type": "input_text", "text": X}]}],
            "previous_response_id": X,
        },
        {
            "id": S,
            "object": "response",
            "status": "completed",
            "model": "gpt-4o",
            "output": [
                {"type": "message", "id": S, "role": "assistant", "content": [{"type": "output_text", "text": S}]}
            ],
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
        {
            "id": X,
            "object": "response",
            "status": "completed",
            "model": "gpt-4o",
            "output": [
                {"type": "message", "id": X, "role": "assistant", "content": [{"type": "output_text", "text": X}]}
            ],
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
    ),
    "anthropic_messages": (
        AnthropicMessagesCodec(),
        {
            "model": "claude-x",
            "max_tokens": 5,
            "system": S,
            "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": S, "content": S}]}],
            "tools": [{"name": "get", "description": S, "input_schema": {S: S}}],
            "metadata": {"user_id": S},
        },
        {
            "model": "claude-x",
            "max_tokens": 5,
            "system": X,
            "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": X, "content": "{}"}]}],
            "tools": [{"name": "get", "description": X, "input_schema": {}}],
            "metadata": {},
        },
        {
            "id": S,
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [{"type": "text", "text": S}, {"type": "tool_use", "id": S, "name": "get", "input": {"q": S}}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
        {
            "id": X,
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [{"type": "text", "text": X}, {"type": "tool_use", "id": X, "name": "get", "input": {}}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
    ),
    "gemini_generate_content": (
        GeminiGenerateContentCodec(),
        {
            "contents": [{"role": "user", "parts": [{"text": S}]}],
            "systemInstruction": {"parts": [{"text": S}]},
            "generationConfig": {"temperature": 0.1, "stopSequences": [S]},
        },
        {
            "contents": [{"role": "user", "parts": [{"text": X}]}],
            "systemInstruction": {"parts": [{"text": X}]},
            "generationConfig": {"temperature": 0.1, "stopSequences": [X]},
        },
        {
            "candidates": [{"content": {"role": "model", "parts": [{"text": S}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2},
            "modelVersion": "gemini-x",
            "responseId": S,
        },
        {
            "candidates": [{"content": {"role": "model", "parts": [{"text": X}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2},
            "modelVersion": "gemini-x",
            "responseId": X,
        },
    ),
}


@pytest.mark.parametrize("with_codec", [True, False])
@pytest.mark.parametrize("name", CASES)
async def test_the_shape_of_a_call(name: str, with_codec: bool) -> None:
    codec, request, shown_request, response, shown_response = CASES[name]
    used = codec if with_codec else None

    async def body() -> None:
        given = LLMRequest({"x": S}, request)
        await llm.execute("my-openai", given, lambda _: response, metadata={"run": S}, codec=used, response_codec=used)

    start, end = await observed(PRESET, body)
    assert start["data"] == {"headers": {}, "content": shown_request}
    assert end["data"] == shown_response
    assert start["category_profile"]["gen_ai.provider.name"] == "openai"
    assert end["metadata"] == {"otel.status_code": "OK"} and S not in json.dumps([start, end])
    assert ("annotated_response" in end["category_profile"]) is with_codec


async def test_a_body_of_no_known_shape_is_empty() -> None:
    async def body() -> None:
        await llm.execute("claude-thing", LLMRequest({}, {"prompt": S}), lambda _: {"answer": S})

    start, end = await observed(PRESET, body)
    assert start["data"] == {"headers": {}, "content": {}} and end["data"] == {}
    assert end["category_profile"]["gen_ai.provider.name"] == "anthropic"


async def test_tools_scopes_and_marks() -> None:
    async def body() -> None:
        await tools.execute("t", {S: S}, lambda _: tools.ToolExecutionResult({S: S}, {S: S}), tool_call_id=S)
        scope.event("m", data={S: S}, metadata={S: S, "otel.status_code": "OK"}, severity=LogSeverity.Warn)
        with scope.scope("agent", ScopeType.Agent, metadata={"m": S}):
            pass

    events = await observed(PRESET, body)
    assert S not in json.dumps(events)
    start, end, mark = events[:3]
    assert (start["data"], end["data"], mark["data"]) == ({}, {}, {})
    assert end["category_profile"] == {"tool_call_id": X, "tool_result_annotation": {}}
    assert mark["metadata"] == {"nemo_relay.log.severity": "warn"}


@pytest.mark.parametrize(
    ("allowed", "attributes"), [(None, {}), ({"ok": ["fine"]}, {"ok": "fine"}), ({"ok": ["other"]}, {})]
)
async def test_metrics_keep_their_numbers(allowed: Json | None, attributes: Json) -> None:
    point = {"name": "n", "kind": "gauge", "value_type": "f64", "value": 1.5, "unit": "1", "boundaries": None}
    data = {
        "measurements": [
            {**point, "description": "mail a@b.co", "attributes": {"user": "a@b.co", "n": 1, "ok": "fine"}}
        ]
    }
    schema = {"name": "nemo.relay.metric_measurements", "version": "1"}

    async def body() -> None:
        scope.event("metrics", data=data, data_schema=schema)

    options = {} if allowed is None else {"metric_string_attribute_allowlist": allowed}
    [mark] = await observed({"builtin": {"preset": "trajectory_context", **options}}, body)
    assert mark["data"] == {"measurements": [{**point, "description": X, "attributes": attributes}]}
    [plain] = await observed({"builtin": {"action": "redact", "detector": "email"}}, body)
    shown = plain["data"]["measurements"][0]
    assert shown["description"] == f"mail {X}" and shown["attributes"] == {"user": X, "n": 1, "ok": "fine"}
