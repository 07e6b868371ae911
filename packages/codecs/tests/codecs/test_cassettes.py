# SPDX-License-Identifier: Apache-2.0
"""Recorded real traffic: requests survive unedited, responses lose nothing, streams become their unary twins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs import LLMRequest, SSEAssembler, sse
from nemo_relay_codecs.values import parsed

from .recorded import CASSETTES, Interaction, interactions, is_sse

ANSWERED = [one for one in interactions() if one.status == 200 and not one.streaming]
STREAMED = [one for one in interactions() if is_sse(one)]
LONG_FRAME = 4_000  # bytes


def _name(one: Interaction) -> str:
    return one.name


def leaves(value: Any) -> Iterator[Any]:
    """Every string and number of a tree; JSON text counts as the tree it holds, too."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        inner = parsed(value)
        yield from leaves(inner) if isinstance(inner, dict | list) else (value,)
    elif value is not None and not isinstance(value, bool):
        yield value


def test_the_cassettes_are_there() -> None:
    if not CASSETTES.exists():
        pytest.skip("the folder `shared` with the cassettes is not beside this checkout")
    assert len(ANSWERED) > 30
    assert len(STREAMED) > 15


@pytest.mark.parametrize("one", interactions(), ids=_name)
def test_an_unedited_request_is_the_very_same(one: Interaction) -> None:
    codec = codecs.resolve(one.codec)
    request = LLMRequest({"x": "1"}, one.request)
    assert codec.encode(codec.decode(request), request) is request


@pytest.mark.parametrize("one", interactions(), ids=_name)
def test_a_request_merged_from_scratch_is_byte_identical(one: Interaction) -> None:
    """The long way: nothing is shared, every member is compared and merged."""
    codec = codecs.resolve(one.codec)
    original, twin = json.loads(one.request_text), LLMRequest({}, json.loads(one.request_text))
    encoded = codec.encode(codec.decode(twin), LLMRequest({}, original))
    assert json.dumps(encoded.content) == json.dumps(original)


@pytest.mark.parametrize("one", interactions(), ids=_name)
def test_an_edit_touches_nothing_else(one: Interaction) -> None:
    codec = codecs.resolve(one.codec)
    original = json.loads(one.request_text)
    request = LLMRequest({}, original)
    view = codec.decode(request)
    view.messages = view.messages  # assigned, not changed
    view.extra = {**view.extra, "x_added": 1}
    encoded = codec.encode(view, request).content
    assert json.dumps({k: v for k, v in encoded.items() if k != "x_added"}) == json.dumps(original)
    assert original == json.loads(one.request_text)


@pytest.mark.parametrize("one", interactions(), ids=_name)
def test_messages_assigned_unchanged_change_nothing(one: Interaction) -> None:
    """As they come, as equal copies, and taken apart and put together again: the body stays as it is."""
    codec = codecs.resolve(one.codec)
    request = LLMRequest({}, json.loads(one.request_text))
    view = codec.decode(request)
    for same in (view.messages, json.loads(json.dumps(view.messages)), [*view.messages[:1], *view.messages[1:]]):
        view.messages = same
        assert json.dumps(codec.encode(view, request).content) == json.dumps(json.loads(one.request_text))


@pytest.mark.parametrize("one", interactions(), ids=_name)
def test_a_request_is_recognised_by_its_shape(one: Interaction) -> None:
    hint = "anthropic" if one.codec == "anthropic_messages" else None
    assert codecs.detect_request(one.request, hint) == one.codec


@pytest.mark.parametrize("one", ANSWERED, ids=_name)
def test_nothing_of_a_response_is_lost(one: Interaction) -> None:
    response = json.loads(one.body)
    view = codecs.resolve(one.codec).decode_response(response)
    seen = {str(leaf) for leaf in leaves([view.to_event(inline_media=True), view.choices, view.provider_usage])}
    # `status` and the roles are said in the view's own words.
    said = {"assistant", "model", "message", view.to_event().get("finish_reason"), "STOP", "stop"}
    said |= {"output_text", "reasoning", "function_call", "function", "tool_use", "text", "thinking"}
    said |= {"tool_calls", "MAX_TOKENS", "length", "end_turn"}
    lost = [leaf for leaf in leaves(response) if str(leaf) not in seen and leaf not in said]
    assert lost == []


@pytest.mark.parametrize("one", ANSWERED, ids=_name)
def test_a_response_is_recognised_and_its_counts_add_up(one: Interaction) -> None:
    response = json.loads(one.body)
    assert codecs.detect_response(response) == one.codec
    view = codecs.resolve(one.codec).decode_response(response)
    assert view.tokens is not None
    assert view.tokens.problems == ()


def _payloads(one: Interaction) -> list[Any]:
    return list(sse.events([one.body]))


@pytest.mark.parametrize("one", STREAMED, ids=_name)
def test_a_stream_becomes_a_response_with_every_word_in_it(one: Interaction) -> None:
    stream = SSEAssembler(codecs.assembler(one.codec))
    stream.feed(one.body)
    response = stream.finish()
    assert stream.torn == []
    view = stream.assembler.annotate(codecs.resolve(one.codec))
    assert view.choices[0]["parts"] or one.codec == "openai_chat"
    text = "\x00".join([*map(str, leaves(response)), *_strings(response, ())])
    for payload in _payloads(one):
        for word in _words(payload):
            assert word in text, word


def _words(payload: dict[str, Any]) -> Iterator[str]:
    """What a chunk says: the strings of its deltas and blocks. JSON in pieces is checked by its parsed form.

    Encrypted reasoning is left out: OpenAI encrypts it anew in every event of a stream.
    """
    for key in ("delta", "content_block", "item", "candidates", "choices", "annotation"):
        value = payload.get(key)
        if isinstance(value, dict | list):
            yield from (w for w in _strings(value) if len(w) > 1)
        elif isinstance(value, str) and "arguments" not in str(payload.get("type")):
            yield value


_NOT_WORDS = ("type", "partial_json", "arguments", "role", "status", "obfuscation", "encrypted_content")


def _strings(value: Any, skipped: tuple[str, ...] = _NOT_WORDS) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in skipped:
                yield from _strings(item, skipped)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, skipped)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("one", STREAMED, ids=_name)
def test_tool_arguments_in_pieces_become_one_value(one: Interaction) -> None:
    response = codecs.assembler(one.codec)
    for payload in _payloads(one):
        response.push(payload)
    view = response.annotate(codecs.resolve(one.codec))
    for part in view.parts:
        if part["type"] == "tool_call" and part.get("kind") != "custom_tool_call":
            assert not isinstance(part["arguments"], str) or part["arguments"] == ""


@pytest.mark.parametrize("one", [s for s in STREAMED if s.codec == "openai_responses"], ids=_name)
def test_items_and_deltas_say_the_same_as_the_final_snapshot(one: Interaction) -> None:
    """A Responses stream carries its unary twin in its last event: the best check there is."""
    payloads = _payloads(one)
    twin = next(p["response"] for p in payloads if p.get("type") == "response.completed")
    from_items = codecs.assembler(one.codec)
    from_deltas = codecs.assembler(one.codec)
    for payload in payloads:
        if payload["type"] != "response.completed":
            from_items.push(payload)
            if not payload["type"].endswith(".done"):
                from_deltas.push(payload)
    assert _readable(from_items.partial["output"]) == _readable(twin["output"])
    codec = codecs.resolve(one.codec)
    assert codec.decode_response(from_deltas.partial).message == codec.decode_response(twin).message
    assert from_items.interrupted and from_deltas.interrupted


def _readable(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in item.items() if k != "encrypted_content"} for item in items]


def test_a_stream_has_the_shape_of_its_unary_twin() -> None:
    """The same prompt was recorded without and with streaming."""
    twins = [one for one in interactions() if "text_parts_ahead_of_built_in_tool_call" in one.name]
    if not twins:
        pytest.skip("the cassettes are not beside this checkout")
    unary, *streams = twins
    expected = json.loads(unary.body)
    shapes = {block["type"]: set(block) for block in expected["content"]}
    for one in streams:
        stream = SSEAssembler(codecs.assembler(one.codec))
        stream.feed(one.body)
        got = stream.finish()
        assert set(expected) - set(got) <= {"context_management"}
        for block in got["content"]:
            if block["type"] in shapes:
                assert shapes[block["type"]] - {"citations"} <= set(block)


def _cuttable() -> Iterator[Any]:
    """Every stream at every byte. Two are long, so that takes half a minute: by default their long frames are cut at
    every 61st byte instead, and `make test-marked` cuts them at each.
    """
    for one in STREAMED:
        long = len(one.body) > 100_000
        yield pytest.param(one, 61 if long else 1, id=one.name)
        if long:
            yield pytest.param(
                one, 1, id=f"{one.name} at each byte", marks=[pytest.mark.fuzz, pytest.mark.timeout(300)]
            )


@pytest.mark.parametrize(("one", "step"), list(_cuttable()))
def test_a_stream_cut_at_any_byte_gives_a_partial_response(one: Interaction, step: int) -> None:
    """Byte by byte: what came whole is in the partial response, a cut frame is dropped or whole after all."""
    codec = codecs.resolve(one.codec)
    stream = SSEAssembler(codecs.assembler(one.codec))
    whole = _payloads(one)
    given, boundary = 0, 0
    for offset in range(1, len(one.body) + 1):
        done = stream.feed(one.body[offset - 1 : offset])
        if done:
            assert done == whole[given : given + len(done)]
            given, boundary = given + len(done), offset
            codec.decode_response(stream.assembler.partial)
        if offset - boundary < LONG_FRAME or offset % step == 0:
            left = _cut(one.body[boundary:offset])
            assert left == whole[given : given + len(left)]
    assert stream.torn == []
    full = SSEAssembler(codecs.assembler(one.codec))
    full.feed(one.body)
    assert stream.finish() == full.finish()


class _Kept:
    """In place of an assembler: keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.push = self.given.append
        self.error: Any = None

    def finish(self) -> list[Any]:
        return [value for value in self.given if value != sse.DONE]


def _cut(remainder: bytes) -> Any:
    """The payloads that the end of input makes of a cut frame: none, or the one that was whole."""
    stream = SSEAssembler(_Kept())  # type: ignore[arg-type]
    stream.feed(remainder)
    return stream.finish()


@pytest.mark.parametrize("one", STREAMED, ids=_name)
def test_a_stream_cut_in_half_is_marked(one: Interaction) -> None:
    stream = SSEAssembler(codecs.assembler(one.codec))
    stream.feed(one.body[: len(one.body) // 3])
    stream.finish()
    view = stream.assembler.annotate(codecs.resolve(one.codec))
    assert view.interrupted
    assert view.to_event()["stream"]["interrupted"] is True
