# SPDX-License-Identifier: Apache-2.0
"""What an adapter asks before it makes a payload, and what a codec keeps of requests and responses."""

from __future__ import annotations

import contextvars
from typing import Any, Literal

import pytest

from nemo_relay import (
    LLMRequest,
    ScopeType,
    guardrails,
    intercepts,
    llm,
    runtime_registrations,
    scope,
    scope_local,
    subscribers,
)
from nemo_relay.testing import capture_events


def test_is_heard() -> None:
    assert not subscribers.is_heard()
    with capture_events():
        assert subscribers.is_heard()
        assert subscribers.is_heard(scope.get_handle())
    assert not subscribers.is_heard()


def test_is_heard_inside_one_scope() -> None:
    with scope.scope("listening", ScopeType.Function) as inner:
        scope_local.register_subscriber(inner, "mine", lambda event: None)
        assert subscribers.is_heard()
        assert subscribers.is_heard(inner)
        assert not contextvars.Context().run(subscribers.is_heard)  # elsewhere
    assert not subscribers.is_heard()


@pytest.mark.parametrize("kind", ["tool", "llm"])
def test_is_shaped(kind: Literal["tool", "llm"]) -> None:
    other: Literal["tool", "llm"] = "llm" if kind == "tool" else "tool"
    assert not runtime_registrations.is_shaped(kind)
    register = getattr(guardrails, f"register_{kind}_conditional_execution")
    register("all", 1, lambda *given: None)
    assert runtime_registrations.is_shaped(kind)
    assert not runtime_registrations.is_shaped(other)
    getattr(guardrails, f"deregister_{kind}_conditional_execution")("all")
    assert not runtime_registrations.is_shaped(kind)


class Codec:
    """Keeps the last message of a request, and the length of a response."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    def decode(self, request: LLMRequest) -> Any:
        raise AssertionError("nobody asked for all of it")

    def encode(self, annotated: Any, original: LLMRequest) -> LLMRequest:
        return original

    def recorded_request(self, request: LLMRequest) -> tuple[Any, Any]:
        if self.broken:
            raise LookupError("no request")
        last = request.content["messages"][-1:]
        return {"messages": last}, {"messages": last}

    def decode_response(self, response: Any) -> Any:
        return None

    def recorded_response(self, response: Any) -> Any:
        if self.broken:
            raise LookupError("no response")
        return {"length": len(response["text"])}


REQUEST = {"messages": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]}


def test_a_codec_may_say_what_is_recorded() -> None:
    seen: list[Any] = []

    def answer(request: LLMRequest) -> Any:
        seen.append(request.content)
        return {"text": "hello"}

    codec = Codec()
    with capture_events() as captured:
        response = llm.execute_sync("p", LLMRequest({}, REQUEST), answer, codec=codec, response_codec=codec)
    assert (seen[0] is REQUEST, response) == (True, {"text": "hello"})
    start, end = captured.events
    assert start.data["content"] == {"messages": REQUEST["messages"][1:]}
    assert start.category_profile["annotated_request"] == {"messages": REQUEST["messages"][1:]}
    assert end.data == {"length": 5}


def test_a_codec_that_fails_at_it_loses_no_event_and_shows_no_response() -> None:
    codec = Codec(broken=True)
    with capture_events() as captured:
        llm.execute_sync(
            "p", LLMRequest({}, REQUEST), lambda request: {"text": "hello"}, codec=codec, response_codec=codec
        )
    start, end = captured.events
    assert start.data["content"] == REQUEST
    assert end.data is None


def test_intercepts_have_the_whole_request() -> None:
    seen: list[Any] = []

    async def watch(name: str, request: LLMRequest, context: Any, proceed: Any) -> Any:
        seen.append(request.content)
        return await proceed(request)

    intercepts.register_llm_execution("watch", 1, watch)
    codec = Codec()
    try:
        with capture_events() as captured:
            llm.execute_sync("p", LLMRequest({}, REQUEST), lambda request: {"text": "x"}, codec=codec)
    finally:
        intercepts.deregister_llm_execution("watch")
    assert seen == [REQUEST]
    assert len(captured.events[0].data["content"]["messages"]) == 1
