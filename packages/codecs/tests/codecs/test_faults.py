# SPDX-License-Identifier: Apache-2.0
"""Faults §4 that real traffic and public bug reports have shown, one kind a test; the ids are the faults' own."""

from __future__ import annotations

from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs import LLMRequest, SSEAssembler, SSEDecoder


def view_of(codec: str, response: Any) -> Any:
    return codecs.resolve(codec).decode_response(response)


def streamed(codec: str, *chunks: Any) -> Any:
    assembler = codecs.assembler(codec)
    for chunk in chunks:
        assembler.push(chunk)
    return assembler


def annotated(codec: str, *chunks: Any) -> Any:
    return streamed(codec, *chunks).annotate(codecs.resolve(codec))


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(name: str | None, arguments: Any, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {**more, "function": function}


def calls_of(*pieces: dict[str, Any], codec: str = "openai_chat") -> list[tuple[Any, Any, Any]]:
    chunks = [piece(tool_calls=[one]) for one in pieces]
    view = annotated(codec, *chunks, piece("tool_calls"))
    return [(c["id"], c["name"], c["arguments"]) for c in view.tool_calls or []]


@pytest.mark.parametrize("codec", ["openai_chat", "mistral_chat"])
def test_s01_calls_that_share_an_index(codec: str) -> None:
    whole = calls_of(call("glob", '{"a":1}', index=0, id="x"), call("read", '{"b":2}', index=0, id="y"), codec=codec)
    assert whole == [("x", "glob", {"a": 1}), ("y", "read", {"b": 2})]
    cut = calls_of(
        call("glob", "", index=0, id="x"),
        call(None, '{"a":', index=0),
        call(None, "1}", index=0),
        call("read", "", index=0, id="y"),
        call(None, '{"b":2}', index=0),
        call("more", "{}", index=1, id="z"),
        codec=codec,
    )
    assert cut == [("x", "glob", {"a": 1}), ("y", "read", {"b": 2}), ("z", "more", {})]


def test_s01_a_new_id_for_every_piece_is_still_one_call() -> None:
    assert calls_of(call("f", '{"a":', index=0, id="x1"), call(None, "1}", index=0, id="x2"))[0][1:] == ("f", {"a": 1})


@pytest.mark.parametrize("blank", ["", None])
def test_s02_what_says_nothing_blanks_nothing(blank: str | None) -> None:
    pieces = (
        call("f", "", index=0, id="x", type="function"),
        {"index": 0, "id": blank, "type": blank, "function": {"name": blank, "arguments": "{}"}},
    )
    assert calls_of(*pieces) == [("x", "f", {})]
    first = {"id": "", "model": "", "created": 0, **piece(role="assistant")}
    body = streamed("openai_chat", first, {"id": "c", "model": "m", "created": 7, **piece("stop", role=blank)}).finish()
    assert (body["id"], body["model"], body["created"]) == ("c", "m", 7)
    assert body["choices"][0]["message"]["role"] == "assistant"


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ZEROS = {"prompt_tokens": 0, "completion_tokens": None, "total_tokens": 0}


@pytest.mark.parametrize(
    "chunks",
    [
        [{**piece("stop"), "x_groq": {"usage": USAGE}}],
        [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}],
        [{**piece("stop"), "usage": USAGE}, {"choices": [], "usage": ZEROS}],
        [{**piece(), "usage": ZEROS}, {**piece("stop"), "usage": USAGE}, {"choices": [], "usage": {}}],
    ],
)
def test_s04_usage_in_unusual_places_and_beside_zeros(chunks: list[Any]) -> None:
    assert annotated("openai_chat", piece(content="Hi"), *chunks).usage == USAGE


def test_s06_custom_tools_in_streams_and_out_of_them() -> None:
    parts = [{"index": 0, "id": "k", "type": "custom", "custom": {"name": "sql", "input": "SEL"}}]
    parts += [{"index": 0, "custom": {"input": text}} for text in ("ECT", " 1")]
    view = annotated("openai_chat", *[piece(tool_calls=[part]) for part in parts], piece("tool_calls"))
    built = {"id": "k", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    assert view.raw["choices"][0]["message"]["tool_calls"] == [built]
    assert view.tool_calls == [{"id": "k", "name": "sql", "arguments": "SELECT 1"}]
    assert [(p["type"], p["name"], p["arguments"]) for p in view.parts] == [("tool_call", "sql", "SELECT 1")]


def test_s08_calls_without_an_index_are_told_apart() -> None:
    by_id = calls_of(
        call("f", '{"a":', id="x"), call("g", "{", id="y"), call(None, "1}", id="x"), call(None, "}", id="y")
    )
    assert by_id == [("x", "f", {"a": 1}), ("y", "g", {})]
    assert calls_of(call("f", '{"a":1}'), call("f", '{"a":2}')) == [("", "f", {"a": 1}), ("", "f", {"a": 2})]
    assert calls_of(call("f", '{"a":'), call(None, "1}")) == [("", "f", {"a": 1})]


@pytest.mark.parametrize("empty", ["", None, " "])
def test_s10_a_call_without_arguments_has_an_empty_object(empty: str | None) -> None:
    function = {"name": "now", "arguments": empty}
    unary = {"id": "c", "type": "function", "function": function}
    bodies = {
        "openai_chat": {"choices": [{"message": {"tool_calls": [unary]}}]},
        "mistral_chat": {"choices": [{"message": {"tool_calls": [unary]}}]},
        "cohere_chat": {"message": {"tool_calls": [unary]}},
        "openai_responses": {"output": [{"type": "function_call", "call_id": "c", **function}]},
        "gemini_generate_content": {
            "candidates": [{"content": {"parts": [{"functionCall": {"name": "now", "args": None}}]}}]
        },
        "bedrock_converse": {
            "output": {"message": {"content": [{"toolUse": {"toolUseId": "c", "name": "now", "input": None}}]}}
        },
    }
    for codec, body in bodies.items():
        assert [c["arguments"] for c in view_of(codec, body).tool_calls] == [{}], codec


def test_s14_an_error_wherever_it_is() -> None:
    inside = {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502}}]}
    for codec in (
        "openai_chat",
        "anthropic_messages",
        "openai_responses",
        "bedrock_converse",
        "gemini_generate_content",
    ):
        stream = streamed(codec, {"error": {"code": 502}})
        assert stream.error == {"code": 502} and stream.interrupted, codec
    assert streamed("openai_chat", piece(content="x"), inside).error == {"code": 502}


def test_s16_done_is_done() -> None:
    two = {"choices": [{"index": 1, "delta": {"content": "b"}}]}
    assert streamed("openai_chat", piece(content="a"), two, piece("stop")).interrupted
    assert not streamed("openai_chat", piece(content="a"), two, piece("stop"), "[DONE]").interrupted
    assert streamed("openai_chat", piece(content="a"), "[DONE]").interrupted


def test_s20_counts_are_not_erased() -> None:
    start = {
        "id": "m",
        "type": "message",
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 1},
    }
    view = annotated(
        "anthropic_messages",
        {"type": "message_start", "message": start},
        {
            "type": "message_delta",
            "delta": {},
            "usage": {"input_tokens": 0, "cache_read_input_tokens": None, "output_tokens": 6},
        },
    )
    assert (view.usage["prompt_tokens"], view.usage["cache_read_tokens"], view.usage["completion_tokens"]) == (9, 4, 6)
    gemini = [
        {"candidates": [], "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 8}},
        {
            "candidates": [],
            "usageMetadata": {"promptTokenCount": None, "totalTokenCount": 0, "candidatesTokenCount": 3},
        },
    ]
    assert annotated("gemini_generate_content", *gemini).usage["prompt_tokens"] == 5
    metadata = [
        {"metadata": {"usage": {"inputTokens": 5}}},
        {"metadata": {"usage": {"inputTokens": 0, "outputTokens": 2}}},
    ]
    assert annotated("bedrock_converse", *metadata).usage == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "uncached_input_tokens": 5,
    }


def test_s22_a_block_goes_on_from_where_it_began() -> None:
    def block(index: int, start: dict[str, Any], delta: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            {"type": "content_block_delta", "index": index, "delta": delta},
        ]

    view = annotated(
        "anthropic_messages",
        *block(0, {"type": "thinking", "thinking": "Hm"}, {"type": "thinking_delta", "thinking": "m"}),
        *block(1, {"type": "text", "text": "Hel"}, {"type": "text_delta", "text": "lo"}),
    )
    assert view.message == "Hello"
    assert [p["text"] for p in view.parts] == ["Hmm", "Hello"]


def gemini(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}]}


def args(path: str, going: bool = False, **value: Any) -> dict[str, Any]:
    piece = {"jsonPath": path, **value, **({"willContinue": True} if going else {})}
    return {"functionCall": {"partialArgs": [piece], "willContinue": True}}


def test_s30_streamed_arguments_of_every_kind() -> None:
    view = annotated(
        "gemini_generate_content",
        gemini({"text": "So"}),
        gemini({"functionCall": {"name": "f", "willContinue": True}, "thoughtSignature": "sig"}),
        gemini(args("$.a", going=True, stringValue="Bo")),
        gemini(args("$.a", stringValue="ston")),
        gemini(args("$.list[0].n", numberValue=1)),
        gemini(args("$.list[1].n", numberValue=2.5)),
        gemini(args("$['odd name'].ok", boolValue=True)),
        gemini(args("$.none", nullValue="NULL_VALUE")),
        gemini({"functionCall": {}}),
        gemini({"functionCall": {"name": "g", "args": {"b": 1}}}),
        gemini({"functionCall": {"name": "h", "willContinue": True}}),
        gemini({"functionCall": {"name": "i", "willContinue": True}}, finishReason="STOP"),
    )
    wanted = {"a": "Boston", "list": [{"n": 1}, {"n": 2.5}], "odd name": {"ok": True}, "none": None}
    assert [(c["name"], c["arguments"]) for c in view.tool_calls] == [
        ("f", wanted),
        ("g", {"b": 1}),
        ("h", {}),
        ("i", {}),
    ]
    assert view.raw["candidates"][0]["content"]["parts"][1]["thoughtSignature"] == "sig"
    assert view.finish_reason == "tool_use"


def test_s30_a_position_far_out_takes_no_memory() -> None:
    start = gemini({"functionCall": {"name": "f", "willContinue": True}})
    view = annotated("gemini_generate_content", start, gemini(args("$.a[999999999]", numberValue=1)))
    assert view.tool_calls[0]["arguments"] == {"a": []}


def test_s31_a_finish_reason_by_its_number() -> None:
    stream = streamed("gemini_generate_content", gemini({"text": "a"}, finishReason=1))
    assert not stream.interrupted
    assert stream.annotate(codecs.resolve("gemini_generate_content")).finish_reason == "complete"


def test_s40_the_end_of_an_entry_says_it_all() -> None:
    events = [
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hi"},
        {"type": "response.function_call_arguments.done", "output_index": 1, "arguments": '{"a":1}'},
        {"type": "response.custom_tool_call_input.done", "output_index": 2, "input": "SELECT 1"},
        {"type": "response.refusal.done", "output_index": 3, "content_index": 0, "refusal": "no"},
    ]
    added = [
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "name": "f"}},
    ]
    body = streamed("openai_responses", *added, *events).finish()
    assert body["output"][0]["content"][0]["text"] == "Hi"
    assert body["output"][1]["arguments"] == '{"a":1}'
    assert body["output"][2]["input"] == "SELECT 1"
    assert body["output"][3]["content"][0]["refusal"] == "no"


DATA = 'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}'


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("blank", ["\n", "\r\n", ""])
def test_e01_line_ends_of_any_mixture_cut_anywhere(end: str, blank: str) -> None:
    if end == "\r" and blank == "\n":
        pytest.skip("that is one line end, CR LF")
    text = "".join(DATA % letter + end + (blank or "") for letter in "ABC")
    stream = SSEAssembler(codecs.assembler("openai_chat"))
    for character in text:
        stream.feed(character)
    body = stream.finish()
    assert (body["choices"][0]["message"]["content"], stream.torn) == ("ABC", [])


def test_e01_data_in_several_lines_is_one_frame() -> None:
    frames = SSEDecoder().feed('data: {"a":\ndata: 1}\n\n')
    assert [frame.data for frame in frames] == ['{"a":\n1}']


@pytest.mark.parametrize("data", ['{"message":"boom"}', "boom", '"boom"', '{"error":{"code":1}}'])
def test_e03_a_frame_called_error_is_one(data: str) -> None:
    stream = SSEAssembler(codecs.assembler("openai_chat"))
    stream.feed(DATA % "A" + f"\n\nevent: error\ndata: {data}\n\n")
    stream.finish()
    assert stream.assembler.error is not None and stream.assembler.interrupted


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        ("openai_chat", {"choices": []}),
        ("openai_responses", {"output": []}),
        ("anthropic_messages", {"content": []}),
        ("mistral_chat", {"choices": []}),
    ],
)
@pytest.mark.parametrize(
    "cost", [{"cost": 0.25}, {"cost": {"total_cost": 0.25, "request_cost": 0.1}}, {"cost_in_usd_ticks": 2500000000}]
)
def test_b01_a_reported_cost_in_any_form(codec: str, body: Any, cost: Any) -> None:
    reported = view_of(codec, {**body, "usage": cost}).usage["cost"]
    assert (reported["total"], reported["source"]) == (pytest.approx(0.25), "provider_reported")


@pytest.mark.parametrize("content", [{"title": "T"}, [{"type": "text", "text": "T"}], [{"type": "image", "x": 1}]])
def test_b03_content_that_is_no_text(content: Any) -> None:
    view = view_of("openai_chat", {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})
    assert (view.finish_reason, bool(view.message), len(view.parts)) == ("complete", True, 1)


def test_b04_b14_bedrock_s_citations_and_its_own_tools() -> None:
    cited = {"citationsContent": {"content": [{"text": "Born "}, {"text": "1993."}], "citations": []}}
    used = {"toolUse": {"toolUseId": "t", "name": "interpreter", "input": {}, "type": "server_tool_use"}}
    own = {"toolUse": {"toolUseId": "u", "name": "mine", "input": {}}}
    view = view_of("bedrock_converse", {"output": {"message": {"content": [used, cited, own]}}})
    assert view.message == "Born 1993."
    assert [c["name"] for c in view.tool_calls] == ["mine"]
    assert [p.get("server") for p in view.parts if p["type"] == "tool_call"] == [True, None]


def test_b06_empty_shells_are_no_parts() -> None:
    shells = {"refusal": "", "audio": {"id": "", "data": ""}, "function_call": {"name": "", "arguments": ""}}
    message = {
        "content": "Hi",
        "annotations": None,
        "tool_calls": [{"id": "", "function": {"name": "", "arguments": ""}}],
    }
    view = view_of("openai_chat", {"choices": [{"message": {**message, **shells}, "finish_reason": ""}]})
    assert [p["type"] for p in view.parts] == ["text"]
    assert view.tool_calls is None or view.tool_calls == []
    assert view.finish_reason is None


def test_b08_b10_buckets_add_up_to_what_was_stated() -> None:
    audio = {
        "prompt_tokens": 9,
        "completion_tokens": 20,
        "total_tokens": 104,
        "prompt_tokens_details": {"audio_tokens": 75},
    }
    tokens = view_of("mistral_chat", {"choices": [], "usage": audio}).tokens
    assert (tokens.total, tokens.input_audio, tokens.input_uncached, tokens.output_reasoning) == (104, 75, 9, 0)
    over = {
        "prompt_tokens": 4,
        "completion_tokens": 5,
        "total_tokens": 9,
        "completion_tokens_details": {"reasoning_tokens": 8},
    }
    tokens = view_of("openai_chat", {"choices": [], "usage": over}).tokens
    assert (tokens.total, tokens.output_reasoning, len(tokens.problems)) == (9, 5, 1)


@pytest.mark.parametrize("key", ["cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"])
def test_b12_cached_tokens_under_other_names(key: str) -> None:
    view = view_of("openai_chat", {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 1, key: 8}})
    assert (view.usage["cache_read_tokens"], view.usage["uncached_input_tokens"]) == (8, 2)
    assert (view.tokens.input_cache_read, view.tokens.input_uncached) == (8, 2)


def test_b15_an_error_body_of_cohere() -> None:
    view = view_of("cohere_chat", {"message": "invalid api token"})
    assert (view.message, view.extra) == (None, {"message": "invalid api token"})


def reassigned(codec: str, content: Any) -> Any:
    """The content after an intercept that assigns the view's messages to itself."""
    found, request = codecs.resolve(codec), LLMRequest({}, content)
    view = found.decode(request)
    view.messages = view.messages
    return found.encode(view, request).content


USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("codec", "content"),
    [
        ("openai_chat", {"messages": [USER], "tools": None}),
        ("openai_responses", {"prompt": {"id": "p"}}),
        ("openai_responses", {"previous_response_id": "r"}),
        ("openai_responses", {"input": "x", "tools": None}),
    ],
)
def test_q01_q03_requests_that_providers_accept(codec: str, content: Any) -> None:
    assert reassigned(codec, content) == content
    assert codecs.detect_request({"prompt": {"id": "p"}}) == "openai_responses"


def test_q04_gemini_results_beside_media() -> None:
    result = {"functionResponse": {"name": "f", "response": {"r": 1}}}
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    content = {
        "contents": [
            {"role": "user", "parts": [{"text": "x"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [image, result, {"text": "see"}]},
        ]
    }
    codec, request = codecs.resolve("gemini_generate_content"), LLMRequest({}, content)
    view = codec.decode(request)
    assert [m["role"] for m in view.messages] == ["user", "assistant", "tool", "user"]
    assert reassigned("gemini_generate_content", content) == content
    view.messages = [{"role": "user", "content": "edited"}, *view.messages[1:]]
    encoded = codec.encode(view, request).content["contents"]
    assert encoded[0]["parts"] == [{"text": "edited"}]
    assert encoded[1:] == content["contents"][1:], "what was not touched is as it was"
    view.messages = [*view.messages[:3], {"role": "user", "content": "blind"}]
    ends = codec.encode(view, request).content["contents"][2:]
    assert result in ends[0]["parts"]
    assert "blind" in str(ends) and "see" not in str(ends)


def test_q06_bedrock_blocks_with_members_of_their_own() -> None:
    blocks = [
        {"toolUse": {"toolUseId": "t", "name": "n", "input": {}, "type": "server_tool_use"}},
        {"toolResult": {"toolUseId": "t", "content": [], "type": "n_result", "status": "success"}},
        {"toolResult": {"toolUseId": "t", "content": [], "status": "pending"}},
        {"text": "y", "type": "odd"},
        {"toolUse": {"toolUseId": "t", "name": "n", "input": {}, "id": 5}},
    ]
    content = {"modelId": "m", "messages": [{"role": "assistant", "content": blocks}]}
    assert reassigned("bedrock_converse", content) == content


def test_q07_calls_as_mistral_and_its_clients_write_them() -> None:
    calls = [
        {"id": "a", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "index": 1, "function": {"name": "g", "arguments": {"x": 1}}},
    ]
    content = {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": calls}]}
    view = codecs.resolve("mistral_chat").decode(LLMRequest({}, content))
    assert view.has_tool_calls()
    assert [c["function"]["arguments"] for c in view.messages[1]["tool_calls"]] == ["{}", '{"x":1}']
    assert reassigned("mistral_chat", content) == content


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/v1/projects/p/publishers/anthropic/models/claude-x:streamRawPredict?a=1", "anthropic_messages"),
        ("/model/us.anthropic.claude-x-v1:0/invoke", "anthropic_messages"),
        ("/model/anthropic.claude-x/invoke-with-response-stream", "anthropic_messages"),
        ("/v1/projects/p/publishers/mistralai/models/m:rawPredict", "mistral_chat"),
        ("/model/meta.llama/invoke", None),
        ("/v1/messages", "anthropic_messages"),
    ],
)
def test_q09_paths_of_the_clouds(path: str, surface: str | None) -> None:
    assert codecs.detect_path(path) == surface
