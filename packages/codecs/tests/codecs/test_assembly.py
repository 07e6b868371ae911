# SPDX-License-Identifier: Apache-2.0
"""Stream assembly: what the recorded traffic does not show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs import SSEAssembler, SSEDecoder, sse, surfaces


def assembled(codec: str, *chunks: Any) -> Any:
    assembler = codecs.assembler(codec)
    for chunk in chunks:
        assembler.push(chunk)
    return assembler


def delta(**members: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": members}]}


def finish(reason: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def test_chat_keeps_what_the_published_package_drops() -> None:
    got = assembled(
        "openai_chat",
        delta(role="assistant", reasoning_content="thin"),
        delta(reasoning_content="king"),
        delta(refusal="I can"),
        delta(refusal="not"),
        delta(annotations=[{"type": "url_citation", "url_citation": {"url": "u"}}]),
        delta(audio={"id": "a1", "data": "AAAA", "transcript": "he"}),
        delta(audio={"data": "BBBB", "transcript": "y", "expires_at": 9}),
        {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [{"token": "a"}], "refusal": None}}]},
        {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [{"token": "b"}], "refusal": None}}]},
        {**finish("stop"), "system_fingerprint": "fp", "service_tier": "default"},
    )
    response = got.finish()
    (choice,) = response["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
        "reasoning_content": "thinking",
        "refusal": "I cannot",
        "audio": {"id": "a1", "data": "AAAABBBB", "transcript": "hey", "expires_at": 9},
    }
    assert choice["logprobs"]["content"] == [{"token": "a"}, {"token": "b"}]
    assert (response["system_fingerprint"], response["service_tier"]) == ("fp", "default")
    assert not got.interrupted


def test_an_error_in_mid_stream_is_told() -> None:
    chunks = {
        "openai_chat": [delta(content="par"), {"error": {"message": "overloaded"}}],
        "anthropic_messages": [
            {"type": "message_start", "message": {"id": "m"}},
            {"type": "error", "error": {"message": "overloaded"}},
        ],
        "openai_responses": [{"type": "error", "message": "overloaded"}],
        "gemini_generate_content": [{"error": {"message": "overloaded"}}],
        "bedrock_converse": [{"throttlingException": {"message": "overloaded"}}],
        "cohere_chat": [{"type": "message-end", "delta": {"error": "overloaded"}}],
        "oci_genai": [{"error": {"message": "overloaded"}}],
    }
    for codec, events in chunks.items():
        got = assembled(codec, *events)
        assert got.interrupted, codec
        assert "overloaded" in str(got.error), codec
        view = got.annotate(codecs.resolve(codec))
        assert "overloaded" in str(view.to_event()["stream"]["error"]), codec
        assert view.interrupted and view.stream_error == got.error


def test_a_failed_response_is_an_error_with_its_partial_output() -> None:
    failed = {"id": "r", "status": "failed", "error": {"code": "server_error"}, "output": []}
    got = assembled(
        "openai_responses",
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"},
        {"type": "response.failed", "response": failed},
    )
    assert got.error == {"code": "server_error"}
    assert codecs.resolve("openai_responses").decode_response(got.finish()).message == "Hel"


def test_an_interrupted_responses_stream_has_its_text_and_calls() -> None:
    got = assembled(
        "openai_responses",
        {"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Hm"},
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "content": []}},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "It is "},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "so"},
        {
            "type": "response.output_text.annotation.added",
            "output_index": 1,
            "content_index": 0,
            "annotation": {"type": "url_citation", "url": "u"},
        },
        {
            "type": "response.output_item.added",
            "output_index": 2,
            "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a":'},
    )
    view = got.annotate(codecs.resolve("openai_responses"))
    assert view.interrupted
    assert view.message == "It is so"
    assert view.tool_calls == [{"id": "c", "name": "f", "arguments": '{"a":'}]
    assert [part["type"] for part in view.parts] == ["reasoning", "text", "citation", "tool_call"]


def test_gemini_texts_and_thoughts_grow_together_and_signatures_stay_apart() -> None:
    def chunk(*parts: Any, **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}]}

    got = assembled(
        "gemini_generate_content",
        chunk({"text": "let ", "thought": True}),
        chunk({"text": "me", "thought": True}),
        chunk({"text": "Hel"}),
        chunk({"text": "lo"}, {"text": "", "thoughtSignature": "sig"}),
        chunk({"functionCall": {"name": "f", "args": {}}}),
        chunk({"functionCall": {"name": "f", "args": {"x": 1}}}, finishReason="STOP"),
        {"usageMetadata": {"promptTokenCount": 3}, "modelVersion": "g", "responseId": "r"},
    )
    parts = got.finish()["candidates"][0]["content"]["parts"]
    assert parts[0] == {"text": "let me", "thought": True}
    assert parts[1] == {"text": "Hello"}
    assert parts[2] == {"text": "", "thoughtSignature": "sig"}
    view = got.annotate(codecs.resolve("gemini_generate_content"))
    assert [call["arguments"] for call in view.tool_calls] == [{}, {"x": 1}]
    assert view.finish_reason == "tool_use"
    assert not got.interrupted


def test_gemini_s_whole_stream_as_one_array() -> None:
    chunk = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
    got = assembled("gemini_generate_content", [chunk, {"modelVersion": "g"}])
    assert got.annotate(codecs.resolve("gemini_generate_content")).model == "g"


def test_a_blocked_prompt_is_a_complete_answer() -> None:
    got = assembled("gemini_generate_content", {"promptFeedback": {"blockReason": "SAFETY"}})
    assert not got.interrupted
    assert got.annotate(codecs.resolve("gemini_generate_content")).finish_reason == "content_filter"


def test_oci_generic_merges_texts_and_calls() -> None:
    got = assembled(
        "oci_genai",
        {"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Hel"}]}},
        {"index": 0, "message": {"content": [{"type": "TEXT", "text": "lo"}]}},
        {"index": 0, "message": {"toolCalls": [{"id": "c", "name": "f", "arguments": '{"a"'}]}},
        {"index": 0, "message": {"toolCalls": [{"arguments": ":1}"}]}, "finishReason": "tool_calls"},
        {"usage": {"promptTokens": 3}},
    )
    view = got.annotate(codecs.resolve("oci_genai"))
    assert (view.message, view.finish_reason) == ("Hello", "tool_use")
    assert view.tool_calls == [{"id": "c", "name": "f", "arguments": {"a": 1}}]
    assert view.usage == {"prompt_tokens": 3}


def test_oci_cohere_s_last_event_repeats_the_whole_answer() -> None:
    events = [{"apiFormat": "COHERE", "text": "Hel"}, {"text": "lo"}, {"text": "Hello", "finishReason": "COMPLETE"}]
    got = assembled("oci_genai", *events)
    assert got.finish()["chatResponse"]["text"] == "Hello"


def test_bedrock() -> None:
    got = assembled(
        "bedrock_converse",
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "Hi"}}},
        {"contentBlockStart": {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"a":'}}}},
        {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "1}"}}}},
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}}},
    )
    view = got.annotate(codecs.resolve("bedrock_converse"))
    assert view.tool_calls == [{"id": "t", "name": "f", "arguments": {"a": 1}}]
    assert (view.message, view.finish_reason) == ("Hi", "tool_use")
    assert view.parts[0] == {"type": "reasoning", "text": "hm", "signature": "s"}
    assert view.usage["total_tokens"] == 7
    assert not got.interrupted


def test_cohere() -> None:
    got = assembled(
        "cohere_chat",
        {"type": "message-start", "id": "r", "delta": {"message": {"role": "assistant"}}},
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will"}}},
        {
            "type": "tool-call-start",
            "index": 0,
            "delta": {
                "message": {"tool_calls": {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}}
            },
        },
        {
            "type": "tool-call-delta",
            "index": 0,
            "delta": {"message": {"tool_calls": {"function": {"arguments": "{}"}}}},
        },
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}},
        {"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"start": 0, "text": "Hi"}}}},
        {
            "type": "message-end",
            "delta": {
                "finish_reason": "COMPLETE",
                "usage": {"tokens": {"input_tokens": 3.0, "output_tokens": 1}, "billed_units": {"search_units": 1}},
            },
        },
    )
    view = got.annotate(codecs.resolve("cohere_chat"))
    assert view.message == "Hi"
    assert view.usage == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    assert [p["type"] for p in view.parts] == ["reasoning", "text", "tool_call", "citation"]
    assert view.tokens.server_tool_requests == {"search_units": 1}


def test_mistral_content_in_chunks() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}
    got = assembled("mistral_chat", delta(content=[thinking]), delta(content=[thinking]), delta(content="Hi"))
    view = got.annotate(codecs.resolve("mistral_chat"))
    assert view.message == "Hi"
    assert view.parts[0] == {"type": "reasoning", "text": "hh"}


@pytest.mark.parametrize("codec", sorted(surfaces.BUILTIN))
def test_no_chunk_can_raise(codec: str) -> None:
    odd: list[Any] = [
        None,
        5,
        "not json",
        b"\xff",
        [],
        [1],
        {},
        object(),
        {"choices": 1},
        {"choices": [1, {"delta": 1}]},
    ]
    odd += [
        {"type": kind, "index": {}, "delta": 7} for kind in ("content_block_delta", "content-delta", "message_delta")
    ]
    odd += [{"candidates": [{"content": {"parts": 1}}]}, {"contentBlockDelta": {}}, {"chatResponse": {"choices": [1]}}]
    odd += [{"type": "response.output_text.delta", "output_index": [], "delta": "x"}, {"index": "x", "message": []}]
    got = assembled(codec, *odd)
    assert got.chunks == len(odd)
    assert got.skipped >= 5
    assert isinstance(got.finish(), dict)
    assert got.interrupted


def test_chunks_may_be_the_objects_of_an_sdk() -> None:
    class Chunk(SimpleNamespace):
        def model_dump(self) -> dict[str, Any]:
            return dict(self.__dict__)

    got = assembled("openai_chat", Chunk(**delta(content="Hi")), Chunk(**finish("stop")))
    assert got.finish()["choices"][0]["message"]["content"] == "Hi"


def test_a_partial_response_can_be_asked_for_at_any_time() -> None:
    assembler = codecs.assembler("openai_chat")
    seen = []
    for word in ("a", "b", "c"):
        assembler.push(delta(content=word))
        seen.append(assembler.partial["choices"][0]["message"]["content"])
    assert seen == ["a", "ab", "abc"]


def test_frames_whatever_the_cuts() -> None:
    text = ': hello\r\n\r\nid: 1\r\nevent: e\r\ndata: {"t":\r\ndata:  "ü€😀"}\r\n\r\ndata: [DONE]\n\ndata: {}'
    whole = SSEDecoder()
    expected = [*whole.feed(text.encode()), *whole.finish()]
    assert [frame.data for frame in expected] == ['{"t":\n "ü€😀"}', "[DONE]", "{}"]
    assert expected[0].event == "e"
    body = text.encode()
    for size in (1, 2, 3, 5, 7, 11):
        decoder = SSEDecoder()
        frames = [f for i in range(0, len(body), size) for f in decoder.feed(body[i : i + size])]
        assert [*frames, *decoder.finish()] == expected


def test_bad_data_is_a_typed_error_for_whoever_reads_frames() -> None:
    with pytest.raises(codecs.CodecError, match="failed to parse SSE data payload"):
        list(sse.events([b"data: {oops\n\n"]))
    stream = SSEAssembler(codecs.assembler("openai_chat"))
    assert stream.feed(b"data: {oops\n\ndata: {}\n\n") == [{}]
    assert stream.torn == ["{oops"]


def test_a_custom_codec_brings_its_own_assembler() -> None:
    class Mine:
        def assembler(self) -> Any:
            return codecs.assembler("openai_chat")

    assert codecs.assembler(Mine()).finish() == {"choices": []}
    with pytest.raises(LookupError, match="assembler"):
        codecs.assembler(object())
