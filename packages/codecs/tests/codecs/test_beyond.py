# SPDX-License-Identifier: Apache-2.0
"""Beyond the published package: token buckets, neutral parts, media by reference, more providers, resolution."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs import AnnotatedLLMResponse, LLMRequest, by_reference
from nemo_relay_codecs.model.tokens import TokenUsage, buckets

USAGES: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    (
        "openai_chat",
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10},
            "completion_tokens_details": {
                "reasoning_tokens": 20,
                "audio_tokens": 5,
                "accepted_prediction_tokens": 3,
                "rejected_prediction_tokens": 2,
            },
        },
        {
            "input_uncached": 50,
            "input_cache_read": 40,
            "input_audio": 10,
            "output_text": 20,
            "output_reasoning": 20,
            "output_audio": 5,
            "output_prediction_accepted": 3,
            "output_prediction_rejected": 2,
        },
    ),
    (
        "openai_chat",  # reasoning outside of the completion count, as Gemini's compatible endpoint has it
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22},
        {"input_uncached": 10, "output_text": 5, "output_reasoning": 7},
    ),
    (
        "openai_chat",  # DeepSeek
        {"prompt_tokens": 10, "prompt_cache_hit_tokens": 8, "completion_tokens": 1, "total_tokens": 11},
        {"input_uncached": 2, "input_cache_read": 8, "output_text": 1},
    ),
    (
        "openai_responses",
        {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 6,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 16,
        },
        {"input_uncached": 6, "input_cache_read": 4, "output_text": 1, "output_reasoning": 5},
    ),
    (
        "anthropic_messages",
        {
            "input_tokens": 3,
            "cache_read_input_tokens": 20,
            "cache_creation_input_tokens": 9,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
            "output_tokens": 7,
        },
        {
            "input_uncached": 3,
            "input_cache_read": 20,
            "input_cache_write": 4,
            "input_cache_write_1h": 5,
            "output_text": 7,
        },
    ),
    (
        "gemini_generate_content",
        {
            "promptTokenCount": 20,
            "cachedContentTokenCount": 5,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}, {"modality": "TEXT", "tokenCount": 14}],
            "candidatesTokenCount": 4,
            "thoughtsTokenCount": 9,
            "toolUsePromptTokenCount": 2,
            "totalTokenCount": 35,
        },
        {
            "input_uncached": 9,
            "input_cache_read": 5,
            "input_audio": 6,
            "input_tool": 2,
            "output_text": 4,
            "output_reasoning": 9,
        },
    ),
    (
        "oci_genai",
        {
            "promptTokens": 5,
            "completionTokens": 4,
            "totalTokens": 9,
            "completionTokensDetails": {"reasoningTokens": 3},
        },
        {"input_uncached": 5, "output_text": 1, "output_reasoning": 3},
    ),
    (
        "bedrock_converse",
        {"inputTokens": 5, "cacheReadInputTokens": 6, "outputTokens": 2, "totalTokens": 13},
        {"input_uncached": 5, "input_cache_read": 6, "output_text": 2},
    ),
]


@pytest.mark.parametrize(("codec", "usage", "want"), USAGES)
def test_buckets_are_disjoint_and_add_up(codec: str, usage: dict[str, Any], want: dict[str, int]) -> None:
    got = buckets(codec, usage)
    assert got is not None
    assert got.to_dict() == want
    assert got.total == sum(want.values())
    assert got.problems == ()


def test_contradictions_are_told() -> None:
    too_many = buckets("openai_chat", {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}})
    assert too_many is not None and "more than the stated 5" in too_many.problems[0]
    wrong_sum = buckets("openai_responses", {"input_tokens": 1, "output_tokens": 1, "total_tokens": 9})
    assert wrong_sum is not None and "differs from the sum" in wrong_sum.problems[0]


def test_server_tool_requests_are_counted_apart_from_tokens() -> None:
    got = buckets("anthropic_messages", {"input_tokens": 1, "server_tool_use": {"web_search_requests": 2}})
    assert got == TokenUsage(input_uncached=1, server_tool_requests={"web_search_requests": 2})


def test_the_event_form_has_buckets_only_where_they_say_more() -> None:
    codec = codecs.OpenAIChatCodec()
    plain = codec.decode_response({"usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}})
    assert "tokens" not in plain.to_event()
    details = {"completion_tokens_details": {"reasoning_tokens": 1}}
    more = codec.decode_response({"usage": {"prompt_tokens": 3, "completion_tokens": 1, **details}})
    event = more.to_event()
    assert event["tokens"] == {"input_uncached": 3, "output_reasoning": 1}
    assert AnnotatedLLMResponse.from_event(event).tokens == more.tokens


def test_chat_parts() -> None:
    message = {
        "role": "assistant",
        "reasoning_content": "hm",
        "content": "Hi",
        "refusal": "no",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}],
        "audio": {"id": "a", "data": base64.b64encode(b"x" * 30).decode(), "transcript": "hi"},
        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}],
    }
    choices = [{"index": 1, "message": message, "finish_reason": "stop"}, {"index": 0, "message": {"content": "B"}}]
    view = codecs.OpenAIChatCodec().decode_response({"choices": choices})
    assert [p["type"] for p in view.parts] == ["reasoning", "text", "refusal", "citation", "media", "tool_call"]
    assert view.parts[3]["url"] == "u" and view.parts[3]["title"] == "t"
    assert view.parts[4]["size"] == 30 and view.parts[4]["transcript"] == "hi"
    assert view.choices[1]["parts"] == [{"type": "text", "text": "B"}]


def test_anthropic_parts() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "e"},
        {"type": "server_tool_use", "id": "t", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "t", "content": []},
        {"type": "text", "text": "Hi", "citations": [{"type": "x", "url": "u", "cited_text": "c"}]},
    ]
    view = codecs.AnthropicMessagesCodec().decode_response({"content": content})
    assert view.parts[0] == {"type": "reasoning", "text": "hm", "signature": "s"}
    assert view.parts[1] == {"type": "reasoning", "encrypted": "e"}
    assert view.parts[2]["server"] is True and view.parts[3]["type"] == "tool_result"
    assert view.parts[5] == {"type": "citation", "value": content[4]["citations"][0], "url": "u", "text": "c"}  # type: ignore[index]


def test_media_by_reference() -> None:
    blob = b"\x89PNG" * 50
    text = base64.b64encode(blob).decode()
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    reference = {"mime_type": "image/png", "size": 200, "digest": digest}
    shapes: list[tuple[dict[str, Any], str]] = [
        ({"type": "base64", "media_type": "image/png", "data": text}, "data"),
        ({"mimeType": "image/png", "data": text}, "data"),
        ({"url": f"data:image/png;base64,{text}", "detail": "low"}, "url"),
        ({"file_data": f"data:image/png;base64,{text}", "filename": "x"}, "file_data"),
    ]
    for shape, key in shapes:
        payload = {"messages": [{"content": [shape]}]}
        got = by_reference(payload)["messages"][0]["content"][0]
        assert got == {**shape, key: digest, **reference}
        assert shape[key] != digest
    untouched = {"data": text, "url": "https://x", "redacted": {"type": "redacted_thinking", "data": text}}
    assert by_reference(untouched) is untouched


def test_the_event_form_inlines_media_only_when_asked() -> None:
    url = "data:image/png;base64," + "QUJD" * 20
    body = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
    view = codecs.OpenAIChatCodec().decode(LLMRequest({}, body))
    assert view.to_event()["messages"][0]["content"][0]["image_url"]["size"] == 60
    assert view.to_event(inline_media=True)["messages"] == body["messages"]
    assert view.messages == body["messages"]


BEDROCK: dict[str, Any] = {
    "modelId": "m-1",
    "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
    "messages": [
        {"role": "user", "content": [{"text": "Hi"}, {"document": {"format": "pdf", "name": "d", "source": {}}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}}]},
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t", "content": [{"json": {}}], "status": "success"}}],
        },
    ],
    "inferenceConfig": {"maxTokens": 5, "temperature": 1},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}],
        "toolChoice": {"any": {}},
    },
    "additionalModelRequestFields": {"top_k": 5},
}


def test_bedrock_requests() -> None:
    codec = codecs.BedrockConverseCodec()
    request = LLMRequest({}, BEDROCK)
    view = codec.decode(request)
    assert view.system_prompt() == "Be brief."
    assert view.has_tool_calls()
    assert view.params == {"max_tokens": 5, "temperature": 1.0}
    assert view.tool_choice == "required"
    view.messages = [
        *view.messages[:2],
        {
            **view.messages[2],
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": "bad", "is_error": True}],
        },
    ]
    view.params = {"max_tokens": 9, "temperature": 1.0}
    view.tool_choice = {"type": "function", "function": {"name": "f"}}
    encoded = codec.encode(view, request).content
    assert encoded["messages"][:2] == BEDROCK["messages"][:2]
    assert encoded["messages"][2]["content"][0]["toolResult"]["status"] == "error"
    assert encoded["inferenceConfig"] == {"maxTokens": 9, "temperature": 1}
    assert encoded["toolConfig"]["toolChoice"] == {"tool": {"name": "f"}}
    assert encoded["toolConfig"]["tools"] is BEDROCK["toolConfig"]["tools"]


def test_mistral_differences() -> None:
    codec = codecs.MistralChatCodec()
    body = {
        "messages": [{"role": "assistant", "content": "x", "prefix": True}, {"role": "user", "content": "q"}],
        "tool_choice": "any",
        "random_seed": 5,
    }
    request = LLMRequest({}, body)
    view = codec.decode(request)
    assert view.messages[0] == {"role": "assistant", "content": "x"}
    assert view.tool_choice == "required"
    view.messages = [{"role": "assistant", "content": "y"}, view.messages[1]]
    assert codec.encode(view, request).content["messages"][0] == {"role": "assistant", "content": "y", "prefix": True}
    call = {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}
    answer = codec.decode_response({"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "model_length"}]})
    assert answer.tool_calls == [{"id": "c", "name": "f", "arguments": {"a": 1}}]
    assert answer.finish_reason == "length"


def test_cohere_differences() -> None:
    codec = codecs.CohereChatCodec()
    request = LLMRequest({}, {"messages": [], "p": 0.5, "stop_sequences": ["a"], "tool_choice": "REQUIRED"})
    view = codec.decode(request)
    assert view.params == {"top_p": 0.5, "stop": ["a"]}
    assert view.tool_choice == "required"
    view.params = {"top_p": 0.25, "stop": ["b"]}
    view.tool_choice = "none"
    assert codec.encode(view, request).content == {
        "messages": [],
        "p": 0.25,
        "stop_sequences": ["b"],
        "tool_choice": "NONE",
    }


def test_codecs_are_found_by_name_path_and_shape() -> None:
    assert codecs.resolve("OpenAI") is codecs.resolve("openai_chat")
    assert codecs.identity_of(codecs.resolve("anthropic")) == ("builtin", "anthropic_messages")
    assert codecs.identity_of(None) == ("none", None)
    assert codecs.identity_of(object()) == ("opaque", None)
    with pytest.raises(LookupError, match="no codec is named 'nobody'"):
        codecs.resolve("nobody")
    assert codecs.detect_path("/openai/v1/chat/completions?x=1") == "openai_chat"
    assert codecs.detect_path("/v1beta/models/g:streamGenerateContent") == "gemini_generate_content"
    assert codecs.detect_path("/v1/messages/count_tokens") is None
    assert codecs.detect_request({"messages": []}, "anthropic") == "anthropic_messages"
    assert codecs.detect_request({"chatRequest": {}, "compartmentId": "c"}) == "oci_genai"
    assert codecs.detect_request({"messages": [], "inferenceConfig": {}}) == "bedrock_converse"
    assert codecs.detect_request([]) is None
    assert codecs.detect_response({"choices": [], "output": []}) is None
    assert codecs.decode_response_best_effort({"choices": [{"message": {"content": "Hi"}}]}).message == "Hi"
    assert codecs.decode_request_best_effort(LLMRequest({}, {"contents": 5})) is None


def test_a_registered_codec_has_a_name() -> None:
    class Mine(codecs.OpenAIChatCodec):
        pass

    mine = Mine()
    assert codecs.identity_of(mine) == ("opaque", None)
    codecs.register("mine", mine)
    try:
        assert codecs.resolve("MINE") is mine
        with pytest.raises(ValueError, match="taken"):
            codecs.register("mine", mine)
    finally:
        assert codecs.deregister("mine")
    assert not codecs.deregister("mine")


def test_the_public_names_are_all_there() -> None:
    for name in codecs.__all__:
        assert getattr(codecs, name) is not None
    assert not hasattr(codecs, "BUILTIN_CODECS")


def test_importing_the_module_loads_no_provider() -> None:
    program = (
        "import sys; import nemo_relay_codecs as codecs\n"
        "loaded = [m for m in sys.modules if m.startswith('nemo_relay_codecs.')]\n"
        "assert not any('chat' in m or 'gemini' in m or 'stream' in m for m in loaded), loaded\n"
        "assert 'pydantic' not in sys.modules and 'genai_prices' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
