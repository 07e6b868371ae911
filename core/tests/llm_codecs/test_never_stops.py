# SPDX-License-Identifier: Apache-2.0
"""Faults §4: a codec that fails costs a call its normalised view, never the call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from nemo_relay import LLMRequest, LLMRequestInterceptOutcome, codecs, intercepts, llm
from nemo_relay._runtime.log import faults
from nemo_relay_codecs.surfaces import BUILTIN

from ..conftest import Ear

UNREADABLE: list[Any] = [None, 5, "text", [], [1], {"messages": 5}, {"contents": {}}, {"input": 5, "messages": None}]


def _execute(request: LLMRequest, func: Callable[..., Any], **codec: Any) -> Any:
    return llm.execute_sync("p", request, func, **codec)


def _execute_async(request: LLMRequest, func: Callable[..., Any], **codec: Any) -> Any:
    async def main() -> Any:
        return await llm.execute("p", request, func, **codec)

    return asyncio.run(main())


def _stream(request: LLMRequest, func: Callable[..., Any], **codec: Any) -> Any:
    def chunks(asked: LLMRequest) -> Iterator[Any]:
        yield func(asked)

    (only,) = llm.stream_execute_sync("p", request, chunks, lambda chunk: None, lambda: None, **codec)
    return only


def _stream_async(request: LLMRequest, func: Callable[..., Any], **codec: Any) -> Any:
    async def chunks(asked: LLMRequest) -> AsyncIterator[Any]:
        yield func(asked)

    async def main() -> Any:
        stream = await llm.stream_execute("p", request, chunks, lambda chunk: None, lambda: None, **codec)
        (only,) = [chunk async for chunk in stream]
        return only

    return asyncio.run(main())


FORMS = [_execute, _execute_async, _stream, _stream_async]
ANSWER = object()


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__.strip("_"))
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Every form of a managed call."""
    form: Callable[..., Any] = request.param
    return form


@pytest.fixture(params=["plain", "shaped", "heard", "both"])
def watched(request: pytest.FixtureRequest) -> Iterator[str]:
    """Nobody, an intercept that changes nothing, a subscriber, or both."""
    if request.param in ("shaped", "both"):
        intercepts.register_llm_request(
            "same", 1, False, lambda name, asked, view: LLMRequestInterceptOutcome(asked, view)
        )
    if request.param in ("heard", "both"):
        request.getfixturevalue("ear")
    return request.param


@pytest.mark.parametrize("codec", sorted(BUILTIN))
def test_a_request_that_cannot_be_decoded_goes_on(codec: str, run: Callable[..., Any], watched: str) -> None:
    for content in UNREADABLE:
        seen: list[Any] = []
        request = LLMRequest({}, content)
        assert run(request, lambda asked, seen=seen: seen.append(asked.content) or ANSWER, codec=codec) is ANSWER
        assert len(seen) == 1 and seen[0] is content


def test_it_is_observed_raw_and_told_once(ear: Ear) -> None:
    for _ in range(3):
        llm.execute_sync("p", LLMRequest({}, {"messages": 5}), lambda asked: None, codec="openai_chat")
    starts = [event for event in ear.events() if event.get("scope_category") == "start"]
    assert [start["data"]["content"] for start in starts] == [{"messages": 5}] * 3
    assert all("annotated_request" not in (start["category_profile"] or {}) for start in starts)
    assert faults.counts["managed_llm_request_codec_failed"] == 3


def test_a_name_that_no_codec_has_stops_no_call(run: Callable[..., Any], watched: str) -> None:
    request = LLMRequest({}, {"messages": []})
    assert run(request, lambda asked: ANSWER, codec="nobody", response_codec="nobody") is ANSWER
    assert faults.counts["managed_llm_codec_unknown"] == 2
    with pytest.raises(LookupError, match="nobody"):
        codecs.resolve("nobody")


class Fragile(codecs.OpenAIChatCodec):
    """A codec that decodes and cannot encode."""

    def encode(self, annotated: Any, original: LLMRequest) -> LLMRequest:
        """Never."""
        raise ZeroDivisionError("encode")


def test_a_codec_that_cannot_encode_what_nobody_edited(run: Callable[..., Any], watched: str) -> None:
    content = {"messages": [{"role": "user", "content": "Hi"}]}
    seen: list[Any] = []
    assert run(LLMRequest({}, content), lambda asked: seen.append(asked.content) or ANSWER, codec=Fragile()) is ANSWER
    assert seen[0] is content


def test_an_edit_that_cannot_be_encoded_is_not_dropped(run: Callable[..., Any]) -> None:
    """It may be a redaction: the call must not go out without it."""

    def redact(name: str, request: LLMRequest, view: Any) -> LLMRequestInterceptOutcome:
        view.messages = [{"role": "user", "content": "[redacted]"}]
        return LLMRequestInterceptOutcome(request, view)

    intercepts.register_llm_request("redact", 1, False, redact)
    with pytest.raises(ZeroDivisionError):
        run(LLMRequest({}, {"messages": [{"role": "user", "content": "Hi"}]}), lambda asked: ANSWER, codec=Fragile())
