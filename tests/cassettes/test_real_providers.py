# SPDX-License-Identifier: Apache-2.0
"""Scenario 63, on recordings of real providers: each through LangChain's client for it, with and without handler."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
import vcr
from vcr.request import Request

from nemo_relay.integrations.langchain import RelayCallbackHandler
from nemo_relay.testing import CapturedEvents, capture_events, check_lifecycles
from recordings import dead

from .comparing import plain
from .real_answers import Answer, answer_of
from .real_recordings import CHAT, MESSAGES, RESPONSES, Recording, call_of, recordings

ALL = list(recordings())
if not ALL:
    pytest.skip("the recordings of real providers are not beside this checkout", allow_module_level=True)

pytestmark = [
    # The client warns of the end of models that were young when they were recorded.
    pytest.mark.filterwarnings("ignore:The model '.*' is deprecated:DeprecationWarning"),
    pytest.mark.xdist_group("real-providers"),  # what is built once is shared
]

# Recordings that are not replayed, by endpoint, with how many there are and why.
NOT_REPLAYED = {
    "gemini.generate_content": (14, "Gemini's own wire format, which neither client speaks"),
    "anthropic.count_tokens": (1, "counts tokens, asks no model"),
    "openai.responses/compact": (1, "compacts a conversation, asks no model; ChatOpenAI has no call for it"),
}
# What the client itself cannot make of an answer; the application and the event are told the same.
CLIENT_FAILS = {"test_chat_content_filtering_with_events_with_content#0": "AttributeError"}  # "message": null
# Streams from before Anthropic repeated the input counts at the end: the client reports no input tokens.
CLIENT_LOSES_INPUT = {f"test_anthropic_prompt_caching_stream_with_events_with_content#{n}" for n in (0, 1)}


def endpoint(recording: Recording) -> str:
    return recording.api + ("/compact" if recording.path.endswith("/compact") else "")


REPLAYED = [recording for recording in ALL if endpoint(recording) not in NOT_REPLAYED]
RUNS = [
    pytest.param(
        recording, mode, marks=() if mode.startswith("a") else pytest.mark.allow_blocking, id=f"{recording.name}-{mode}"
    )
    for recording in REPLAYED
    for mode in (("stream", "astream") if recording.streamed else ("invoke", "ainvoke"))
]


class Tape:
    """vcrpy's persister for one recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def load_cassette(self, *_: Any, **__: Any) -> tuple[list[Request], list[dict[str, Any]]]:
        one = self._recording
        response = {"status": one.status, "headers": one.headers, "body": {"string": one.answer}}
        return [Request("POST", one.uri, json.dumps(one.body), {})], [response]

    def save_cassette(self, *_: Any, **__: Any) -> None:
        raise AssertionError("a recording of a real provider is read, not written")


def same_request(asked: Request, recorded: Request) -> None:
    assert comparable(json.loads(asked.body)) == comparable(json.loads(recorded.body))


def comparable(body: Any, key: str = "") -> Any:
    """A request body without the ways in which two clients may say the same."""
    if key == "input" and isinstance(body, str):
        return comparable([{"role": "user", "content": body}])
    if key == "arguments" and isinstance(body, str):
        return json.loads(body)
    if isinstance(body, list):
        return [comparable(item) for item in body]
    if not isinstance(body, dict):
        return body
    return {name: comparable(value, name) for name, value in body.items() if not _is_default(name, value)}


def _is_default(name: str, value: Any) -> bool:
    said_by_default = value is None or (name, value) in (("stream", False), ("is_error", False))
    # Parts of an answer that is given back, of no meaning in a request.
    of_an_answer = (name, value) == ("status", "completed") or (name == "logprobs" and not value)
    return said_by_default or of_an_answer or (name, value) == ("type", "message")


async def run(recording: Recording, mode: str, *handlers: Any) -> tuple[list[Any], str | None]:
    """The message, or the chunks, that the application gets, or what it is told instead."""
    tape = vcr.VCR(record_mode="none", match_on=("method", "path", "body"))
    tape.register_matcher("body", same_request)
    tape.register_persister(Tape(recording))
    model, messages = call_of(recording, dead.endpoint())
    chunks: list[Any] = []
    with tape.use_cassette("real") as cassette, dead.network() as attempts:
        try:
            await _ask(model, messages, mode, {"callbacks": list(handlers)}, chunks)
            told = None
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
    assert attempts == []
    assert cassette.all_played, told
    return chunks, told


async def _ask(model: Any, messages: Any, mode: str, config: Any, chunks: list[Any]) -> None:
    match mode:
        case "invoke":
            chunks.append(model.invoke(messages, config))
        case "ainvoke":
            chunks.append(await model.ainvoke(messages, config))
        case "stream":
            chunks.extend(model.stream(messages, config))
        case _:
            async for chunk in model.astream(messages, config):
                chunks.append(chunk)


_bare: dict[str, tuple[list[Any], str | None]] = {}


@pytest.fixture
def without(recording: Recording) -> tuple[list[Any], str | None]:
    """What the application gets without the handler, whether it asks synchronously or not."""
    if recording.name not in _bare:
        _bare[recording.name] = asyncio.run(run(recording, "stream" if recording.streamed else "invoke"))
    return _bare[recording.name]


@pytest.mark.parametrize(("recording", "mode"), RUNS)
async def test_s63_a_real_answer(recording: Recording, mode: str, without: tuple[list[Any], str | None]) -> None:
    bare, bare_error = without
    with capture_events() as captured:
        observed, error = await run(recording, mode, RelayCallbackHandler())
    assert plain(observed) == plain(bare)
    assert error == bare_error
    check_lifecycles(captured.events)
    answer = answer_of(recording)
    if answer.failed or recording.name in CLIENT_FAILS:
        assert error is not None
        _check_failure(captured, error, CLIENT_FAILS.get(recording.name))
    else:
        assert error is None
        _check_answer(captured, recording, answer)
    if not answer.failed and recording.name in CLIENT_LOSES_INPUT:
        assert {chunk.usage_metadata["input_tokens"] for chunk in bare if chunk.usage_metadata} == {0}


def _check_failure(captured: CapturedEvents, error: str, known: str | None) -> None:
    (call,) = captured.tree().walk()
    name = error.partition(":")[0]
    assert (call.category, call.outcome, call.metadata["exception.type"]) == ("llm", "error", name)
    assert known in (None, name)
    assert call.output["error"]["type"] == name
    assert call.output["error"]["message"] in error


def _check_answer(captured: CapturedEvents, recording: Recording, answer: Answer) -> None:
    (call,) = captured.tree().walk()
    streamed = recording.streamed
    assert (call.category, call.outcome, call.model) == ("llm", "ok", answer.model)
    assert [mark.name for mark in call.marks] == (["llm.first_token"] if streamed else [])
    assert bool(call.metadata.get("relay.streaming")) is streamed
    said = call.output
    assert text_of(said["content"]) == answer.text
    calls = [
        (one["id"], one["function"]["name"], json.loads(one["function"]["arguments"])) for one in said["tool_calls"]
    ]
    assert calls == answer.calls
    expected = dict(answer.usage)
    if recording.name in CLIENT_LOSES_INPUT:
        expected = {"prompt_tokens": 0, "completion_tokens": expected["completion_tokens"]}
    assert {name: said["usage"].get(name) for name in expected} == expected
    assert said["finish_reason"] == answer.finish


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if part.get("type") in ("text", "output_text"))


def test_s63_which_recordings_are_replayed() -> None:
    left_out = Counter(endpoint(recording) for recording in ALL if recording not in REPLAYED)
    assert left_out == {name: count for name, (count, _) in NOT_REPLAYED.items()}
    assert Counter(recording.api for recording in REPLAYED) == {CHAT: 23, MESSAGES: 25, RESPONSES: 16}
    assert {recording.name for recording in REPLAYED} >= CLIENT_LOSES_INPUT | set(CLIENT_FAILS)
    assert len({recording.name for recording in ALL}) == len(ALL) == 80
