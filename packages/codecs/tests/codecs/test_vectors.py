# SPDX-License-Identifier: Apache-2.0
"""The published package's own answers: every vector passes, or is listed here with the reason why not."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs import chunk_mark, sse

from .recorded import SHARED, lines

# id -> why our answer differs on purpose
DELIBERATE = {
    "openai_chat.decode.065": "servers accept `tools: null`, and so do we",
    "openai_chat.decode_response.030": "servers that speak Chat answer in typed pieces; it is read",
    "anthropic_messages.decode_response.028": "routers report their cost as a bare number on every surface",
    "anthropic_messages.stream.011": "what was counted is not erased by a later null",
    "gemini_generate_content.decode.051": "parallel calls of one function without ids are what the API itself produces",
    "openai_chat.stream.009": "calls without an index are told apart by their id instead of running into one",
    "anthropic_messages.stream.004": "a tool without arguments has input {} as in a unary call, not an empty string",
    "anthropic_messages.stream.006": "thinking and its signature are kept: without them a turn cannot be replayed",
    "anthropic_messages.stream.013": "members of the message that the contract does not name are kept",
}


def _checker() -> ModuleType:
    path = SHARED / "codec_vectors_check.py"
    if not path.exists():
        pytest.skip("the folder `shared` with the vectors is not beside this checkout")
    spec = importlib.util.spec_from_file_location("codec_vectors_check", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_published(error: BaseException) -> BaseException:
    """The built-in error that ours is one of: the vectors know no other."""
    builtin = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    return builtin(str(error))


def _ids(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def test_the_vectors_are_there() -> None:
    _checker()
    assert len(lines("codec-vectors.jsonl")) > 400


@pytest.mark.parametrize("vector", lines("codec-vectors.jsonl"), ids=_ids)
def test_codec_vector(vector: dict[str, Any]) -> None:
    check = _checker()
    want = vector["expected"]
    error = want.get("error") if isinstance(want.get("error"), dict) and "match" in want["error"] else None
    if error is None:
        got = check.run_codec(codecs, codecs, vector)
        assert check.equal(want, got, strict=True) is (vector["id"] not in DELIBERATE), got
        return
    if vector["id"] in DELIBERATE:
        check.run_codec(codecs, codecs, vector)
        return
    with pytest.raises(Exception) as caught:
        check.run_codec(codecs, codecs, vector)
    assert check.error_matches(error, as_published(caught.value), "message"), caught.value


def _payloads(vector: dict[str, Any]) -> list[Any]:
    if "sse" in vector:
        return list(sse.events([vector["sse"].encode()]))
    return [e if not isinstance(e, str) or e == "[DONE]" else sse.payload(sse.Frame(None, e)) for e in vector["events"]]


def _assembled(vector: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    assembler = codecs.assembler(vector["codec"])
    for payload in _payloads(vector):
        assembler.push(payload)
    return assembler.finish(), assembler


@pytest.mark.parametrize("vector", lines("codec-stream-vectors.jsonl"), ids=_ids)
def test_stream_vector(vector: dict[str, Any]) -> None:
    check = _checker()
    got, _ = _assembled(vector)
    same = check.equal(vector["expected"]["aggregate"], got, strict=True)
    assert same is (vector["id"] not in DELIBERATE), got


@pytest.mark.parametrize("vector", lines("codec-stream-vectors.jsonl"), ids=_ids)
def test_the_annotation_of_an_assembled_stream(vector: dict[str, Any]) -> None:
    if vector["id"] in DELIBERATE:
        pytest.skip(DELIBERATE[vector["id"]])
    check = _checker()
    got, _ = _assembled(vector)
    event = codecs.resolve(vector["codec"]).decode_response(got).to_event()
    event.pop("tokens", None)  # additional: counts that `usage` has no member for
    assert check.equal(vector["expected"]["annotated_response"], event, strict=True), event


@pytest.mark.parametrize("vector", lines("codec-stream-vectors.jsonl"), ids=_ids)
def test_chunk_marks(vector: dict[str, Any]) -> None:
    chunks = [payload for payload in _payloads(vector) if payload != "[DONE]"]
    marks = [chunk_mark(chunk, index) for index, chunk in enumerate(chunks)]
    assert marks == vector["expected"]["chunk_marks"]


@pytest.mark.parametrize("vector", lines("codec-stream-vectors.jsonl"), ids=_ids)
def test_a_stream_that_the_gateway_calls_broken_is_interrupted(vector: dict[str, Any]) -> None:
    _, assembler = _assembled(vector)
    if vector["expected"]["status"] != "OK":
        assert assembler.interrupted
