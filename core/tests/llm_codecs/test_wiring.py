# SPDX-License-Identifier: Apache-2.0
"""Codecs in managed LLM calls: what intercepts, sanitizers and events get of the normalised view."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from nemo_relay import (
    LLMRequest,
    LLMRequestInterceptOutcome,
    PendingMarkSpec,
    ScopeType,
    codecs,
    guardrails,
    intercepts,
    llm,
    plugin,
    scope,
    subscribers,
)
from nemo_relay import model_pricing as mp
from nemo_relay.errors import InvalidArgument
from nemo_relay.testing import capture_events

CHAT = codecs.resolve("openai_chat")


def request(*texts: str) -> LLMRequest:
    messages = [{"role": "user", "content": text} for text in texts or ("Hi",)]
    return LLMRequest({"x-team": "red"}, {"model": "gpt-5", "messages": messages, "temperature": 0.5})


RESPONSE: dict[str, Any] = {
    "id": "c-1",
    "object": "chat.completion",
    "model": "gpt-5-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


@contextmanager
def request_intercept(fn: Callable[..., Any], name: str = "edit") -> Iterator[None]:
    intercepts.register_llm_request(name, 10, False, fn)
    try:
        yield
    finally:
        intercepts.deregister_llm_request(name)


def test_without_an_intercept_the_callee_gets_the_caller_s_body_and_observers_the_view() -> None:
    asked = request()
    seen: list[LLMRequest] = []
    with capture_events() as captured:
        answer = llm.execute_sync(
            "openai",
            asked,
            lambda given: seen.append(given) or RESPONSE,  # type: ignore[func-returns-value]
            codec=CHAT,
            response_codec="openai_chat",
        )
    assert answer is RESPONSE
    assert seen[0].content is asked.content
    start, end = captured.events
    assert start.annotated_request.messages == [{"role": "user", "content": "Hi"}]
    assert end.annotated_response.usage["prompt_tokens"] == 3
    assert start.to_dict()["category_profile"]["annotated_request"]["params"] == {"temperature": 0.5}


def test_an_intercept_edits_the_view_and_the_provider_gets_exactly_the_edit() -> None:
    def brief(name: str, given: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        annotated.messages = [{"role": "system", "content": "Be brief."}, *annotated.messages]
        return LLMRequestInterceptOutcome(LLMRequest({**given.headers, "x-new": "1"}, given.content), annotated)

    asked = request()
    before = json.dumps(asked.content)
    seen: list[LLMRequest] = []
    with request_intercept(brief):
        llm.execute_sync("openai", asked, seen.append, codec=CHAT)
    (got,) = seen
    assert got.headers == {"x-team": "red", "x-new": "1"}
    assert list(got.content) == ["model", "messages", "temperature"]
    assert got.content["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]
    assert json.dumps(asked.content) == before


@pytest.mark.parametrize(
    ("outcome", "complaint"),
    [
        (lambda given, view: LLMRequestInterceptOutcome(LLMRequest({}, {"other": 1}), view), "changed request.content"),
        (lambda given, view: LLMRequestInterceptOutcome(given), "omitted annotated_request"),
    ],
)
def test_with_a_codec_edits_go_through_the_view(outcome: Callable[..., Any], complaint: str) -> None:
    with (
        request_intercept(lambda name, given, view: outcome(given, view)),
        pytest.raises(InvalidArgument, match=f"'edit' {complaint}"),
    ):
        llm.execute_sync("openai", request(), lambda given: None, codec=CHAT)


def test_a_request_that_the_codec_cannot_read_goes_on_raw() -> None:
    broken = LLMRequest({}, {"messages": 7})
    with capture_events() as captured:
        assert llm.execute_sync("openai", broken, lambda given: "ok", codec=CHAT) == "ok"
    assert captured.events[0].annotated_request is None
    with request_intercept(lambda name, given, view: LLMRequestInterceptOutcome(given, view)):
        assert llm.execute_sync("openai", broken, lambda given: "ok", codec=CHAT) == "ok"


def test_a_sanitizer_sees_the_codec_and_the_view_follows_what_it_cleaned() -> None:
    seen: list[Any] = []

    def clean(shown: LLMRequest, context: Any) -> LLMRequest:
        codec = context.resolve_codec()
        seen.append((context.codec.kind, context.codec.id))
        view = codec.decode(shown)
        view.messages = [{"role": "user", "content": "[cleaned]"}]
        return codec.encode(view, shown)

    def clean_response(response: Any, context: Any) -> Any:
        assert context.resolve_codec().decode_response(response).message == "Hello"
        return {**response, "choices": []}

    guardrails.register_llm_sanitize_request("clean", 1, clean)
    guardrails.register_llm_sanitize_response("clean", 1, clean_response)
    try:
        with capture_events() as captured:
            assert (
                llm.execute_sync("openai", request(), lambda _: RESPONSE, codec=CHAT, response_codec=CHAT) is RESPONSE
            )
    finally:
        guardrails.deregister_llm_sanitize_request("clean")
        guardrails.deregister_llm_sanitize_response("clean")
    start, end = captured.events
    assert seen == [("builtin", "openai_chat")]
    assert "Hi" not in start.to_json()
    assert start.annotated_request.messages == [{"role": "user", "content": "[cleaned]"}]
    assert "Hello" not in end.to_json()


def test_history_is_recorded_once_per_agent_and_again_after_a_compaction() -> None:
    def turn(*texts: str) -> None:
        llm.execute_sync("openai", request(*texts), lambda _: RESPONSE, codec=CHAT)

    with capture_events() as captured, scope.scope("agent", ScopeType.Agent):
        turn("one")
        turn("one", "two")
        scope.event("compaction")
        turn("one", "two", "three")
    starts = [e for e in captured.events if e.kind == "scope" and e.category == "llm" and e.scope_category == "start"]
    texts = [[message["content"] for message in event.data["content"]["messages"]] for event in starts]
    assert texts == [["one"], ["two"], ["one", "two", "three"]]
    views = [[message["content"] for message in event.annotated_request.messages] for event in starts]
    assert views == texts


def test_contributions_become_marks_and_a_summary() -> None:
    contribution = {"producer": "squeezer", "kind": "input_compression", "applied": True}
    contribution["token_impact"] = {"saved": {"prompt_tokens": 40}}  # type: ignore[assignment]

    def squeeze(name: str, given: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        return LLMRequestInterceptOutcome(given, annotated, [PendingMarkSpec("squeezed")], [contribution])

    with request_intercept(squeeze), capture_events() as captured:
        llm.execute_sync("openai", request(), lambda _: RESPONSE, codec=CHAT, response_codec=CHAT)
        llm.execute_sync("openai", request(), lambda _: RESPONSE)
    start, pending, mark, end, *_rest, last = captured.events
    assert (pending.name, mark.name, mark.category) == ("squeezed", "nemo_relay.llm.optimization", "custom")
    assert mark.category_profile == {"subtype": "nemo_relay.llm.optimization"}
    assert (mark.data["sequence"], mark.data["producer"], mark.parent_uuid) == (0, "squeezer", start.uuid)
    assert start.timestamp < pending.timestamp < mark.timestamp
    summary = end.category_profile["annotated_response"]["optimization_summary"]
    assert summary["tokens_saved"]["prompt_tokens"] == 40
    assert summary["baseline_usage"]["prompt_tokens"] == 43
    # Without a response codec there is a summary all the same.
    assert last.category_profile["annotated_response"]["optimization_summary"]["status"] == "partial"


async def test_a_stream_s_response_is_decoded_and_a_complete_one_is_ok_though_dropped() -> None:
    async def produce(_given: LLMRequest) -> Any:
        for text in ("Hel", "lo"):
            yield text

    parts: list[str] = []
    with capture_events() as captured:
        stream = await llm.stream_execute(
            "openai", request(), produce, parts.append, lambda: RESPONSE, response_codec=CHAT
        )
        assert await anext(stream) == "Hel"
        await stream.aclose()
        await subscribers.flush_async()
    end = captured.events[-1]
    assert end.annotated_response.message == "Hello"
    assert end.metadata == {"otel.status_code": "OK"}


def test_a_custom_codec_is_opaque_to_middleware() -> None:
    class Mine:
        def decode(self, given: LLMRequest) -> codecs.AnnotatedLLMRequest:
            return codecs.AnnotatedLLMRequest([{"role": "user", "content": str(given.content)}])

        def encode(self, annotated: codecs.AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
            return LLMRequest(original.headers, annotated.messages[0]["content"].upper())

    kinds: list[str] = []

    def layer(name: str, given: LLMRequest, context: Any, next: Any) -> Any:
        kinds.append(context.request_codec.codec.kind)
        return next(given)

    def edit(name: str, given: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        annotated.messages = [{"role": "user", "content": "edited"}]
        return LLMRequestInterceptOutcome(given, annotated)

    intercepts.register_llm_execution("layer", 1, layer)
    try:
        with request_intercept(edit):
            assert (
                llm.execute_sync("mine", LLMRequest({}, "text"), lambda given: given.content, codec=Mine()) == "EDITED"
            )
    finally:
        intercepts.deregister_llm_execution("layer")
    assert kinds == ["opaque"]


async def test_with_prices_known_the_cost_is_in_the_end_event_and_unknown_models_say_so() -> None:
    rates = mp.TokenPricingRates(input_per_million=2.0, output_per_million=8.0)
    entry = mp.ModelPricing("openai", "gpt-5", "2026-01-01", "https://prices.example/", rates=rates)
    config = mp.PricingConfig([mp.InlineSource(mp.PricingCatalog([entry]))])
    document = plugin.PluginConfig(components=[plugin.ComponentSpec("pricing", config=config.to_dict())])
    dated = {**RESPONSE, "model": "gpt-5-2026-01-31"}
    async with plugin.activate(document):
        with capture_events() as captured:
            await llm.execute("openai", request(), lambda _: dated, response_codec="openai_chat")
            await llm.execute("openai", request(), lambda _: {**dated, "model": "other"}, response_codec="openai_chat")
            await subscribers.flush_async()
    known, unknown = (event.category_profile["annotated_response"] for event in captured.events[1::2])
    assert known["usage"]["cost"]["total"] == pytest.approx((3 * 2.0 + 2 * 8.0) / 1e6)
    assert "cost" not in unknown["usage"]
    assert unknown["pricing_status"] == "unknown_model"
