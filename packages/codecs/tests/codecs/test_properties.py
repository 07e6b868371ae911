# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in: typed errors only, no lost member, time that grows with the input and not with its square."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nemo_relay_codecs as codecs
from nemo_relay_codecs import LLMRequest, SSEAssembler, SSEDecoder, chunk_mark, surfaces
from nemo_relay_codecs.alignment import align
from nemo_relay_codecs.values import copied, owned, parsed, same, text_of

ALL = sorted(surfaces.BUILTIN)
KEYS = st.sampled_from(
    "messages input contents role content parts type text name model tools tool_choice function id call_id arguments "
    "tool_calls usage choices message delta index output candidates functionCall system stop temperature "
    "chatRequest apiFormat finish_reason prompt_tokens item output_index content_block response candidates "
    "finishReason toolUse citations reasoning_details logprobs".split()
) | st.text(max_size=4)
WORDS = st.sampled_from(
    "user assistant system tool text function input_text tool_use auto message_start content_block_delta "
    "response.completed response.output_item.added message GENERIC COHERE model stop chat.completion.chunk".split()
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | WORDS
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=6)
relaxed = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("name", ALL)
@relaxed
@given(content=JSON)
def test_a_request_is_read_and_written_back_or_refused(name: str, content: Any) -> None:
    codec = codecs.resolve(name)
    before = copy.deepcopy(content)
    try:
        view = codec.decode(LLMRequest({}, content))
    except codecs.CodecError:
        return
    finally:
        assert repr(content) == repr(before)
    view.system_prompt(), view.last_user_message(), view.has_tool_calls(), view.to_event()
    twin = copy.deepcopy(content)
    assert same(codec.encode(view, LLMRequest({}, twin)).content, twin) or "nan" in repr(twin)


@pytest.mark.parametrize("name", ALL)
@relaxed
@given(response=JSON)
def test_a_response_is_read_or_refused(name: str, response: Any) -> None:
    try:
        view = codecs.resolve(name).decode_response(response)
    except codecs.CodecError:
        return
    view.response_text(), view.has_tool_calls(), view.to_event(), view.choices, view.tokens, view.usage


@pytest.mark.parametrize("name", ALL)
@relaxed
@given(chunks=st.lists(OBJECTS, max_size=6))
def test_a_stream_is_assembled_whatever_its_chunks(name: str, chunks: list[Any]) -> None:
    assembler = codecs.assembler(name)
    for index, chunk in enumerate(chunks):
        assembler.push(chunk)
        chunk_mark(chunk, index)
        assert isinstance(assembler.partial, dict)
    json.dumps(assembler.finish())


@relaxed
@given(body=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_frames_do_not_depend_on_the_cuts(body: bytes, cuts: list[int]) -> None:
    body = b"data: {}\n\n" + body
    whole, cut = SSEDecoder(), SSEDecoder()
    expected = [*whole.feed(body), *whole.finish()]
    edges = [0, *sorted(cuts), len(body)]
    frames = [f for a, b in itertools.pairwise(edges) for f in cut.feed(body[a:b])]
    assert [*frames, *cut.finish()] == expected


@relaxed
@given(body=st.binary(max_size=300))
def test_bytes_never_break_a_stream(body: bytes) -> None:
    stream = SSEAssembler(codecs.assembler("anthropic_messages"))
    stream.feed(b"data: " + body)
    assert isinstance(stream.finish(), dict)


@relaxed
@given(a=JSON, b=JSON)
def test_equality_is_json_s(a: Any, b: Any) -> None:
    assert same(a, a)
    if "nan" not in repr((a, b)):
        assert same(a, copied(a))
        assert same(a, b) is same(b, a)


@relaxed
@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_argument_text_is_json_or_stays_text(text: str) -> None:
    value = parsed(text)
    if not isinstance(value, str):
        assert same(parsed(text_of(value)), value)


@relaxed
@given(value=JSON)
def test_argument_text_of_a_value_reads_back(value: Any) -> None:
    try:
        clean = owned(value)
    except ValueError:
        return
    if "inf" not in repr(value) and not isinstance(clean, str):
        assert same(parsed(text_of(clean)), clean)


@relaxed
@given(st.lists(st.sampled_from("abcde")), st.lists(st.sampled_from("abcde")))
def test_alignment_pairs_each_item_once(edited: list[str], baseline: list[str]) -> None:
    def items(texts: list[str]) -> list[dict[str, str]]:
        return [{"role": "user", "content": text} for text in texts]

    pairs = align(items(edited), items(baseline))
    used = [j for j in pairs if j is not None]
    assert len(used) == len(set(used))
    if edited == baseline:
        assert pairs == list(range(len(edited)))


def test_long_edits_and_long_streams_take_linear_work() -> None:
    """Ten times the input may not take anything like a hundred times the steps; counted, not timed."""
    assert _steps(400) < 15 * _steps(40)


def _steps(size: int) -> int:
    import sys

    codec = codecs.resolve("openai_chat")
    messages = [{"role": "user", "content": f"m{i}"} for i in range(size)]
    request = LLMRequest({}, {"messages": messages})
    view = codec.decode(request)
    edited = [{"role": "user", "content": f"edited {i}"} for i in range(size)]
    assembler = codecs.assembler("openai_chat")
    decoder = SSEDecoder()
    count = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    sys.settrace(trace)
    try:
        view.messages = edited
        codec.encode(view, request)
        for i in range(size):
            assembler.push({"choices": [{"index": 0, "delta": {"content": f"w{i}"}}]})
            decoder.feed(b"x")
        assembler.finish()
    finally:
        sys.settrace(None)
    return count
