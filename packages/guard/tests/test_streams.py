# SPDX-License-Identifier: Apache-2.0
"""Guards on streams: what was held back and taken out is never in the consumer's hands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_relay import LLMRequest, llm, plugin
from nemo_relay.errors import GuardrailRejected
from nemo_relay_guard import BudgetExceeded
from nemo_relay_guard.models import Rule as Given
from nemo_relay_guard.rules import Rule
from nemo_relay_guard.streams import Held

from .conftest import Json, guarded

SECRETS = ["sk-abcdefgh12345678", "jane.doe@example.com", "4111 1111 1111 1111", "AKIAIOSFODNN7EXAMPLE"]
TEXT = f"Hello there. Your key is {SECRETS[0]} for {SECRETS[1]}. Pay with {SECRETS[2]}, or {SECRETS[3]}! Bye now"
CLEAN = "Hello there. Your key is [REDACTED] for [REDACTED]. Pay with [REDACTED], or [REDACTED]! Bye now"
DETECTORS = ["api_key", "email", "credit_card", "aws_access_key_id"]


def rule(hold_back: str = "sentence", **more: Any) -> Rule:
    table = {"name": "r", "on": "llm_response", "verdict": "redact", "detectors": DETECTORS, "hold_back": hold_back}
    return Rule(Given.model_validate({**table, **more}))


def chat(text: str) -> Json:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


def anthropic(text: str) -> Json:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def responses(text: str) -> Json:
    return {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": text}


def gemini(text: str) -> Json:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}]}


READ: dict[str, tuple[Callable[[str], Any], Callable[[Any], str], list[Any]]] = {
    "text": (lambda text: text, lambda chunk: chunk, []),
    "chat": (
        chat,
        lambda chunk: "".join(c["delta"].get("content") or "" for c in chunk["choices"]),
        [
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"total_tokens": 3}},
        ],
    ),
    "anthropic": (
        anthropic,
        lambda chunk: chunk.get("delta", {}).get("text", ""),
        [{"type": "content_block_stop", "index": 0}, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}],
    ),
    "responses": (
        responses,
        lambda chunk: chunk["delta"] if chunk["type"].endswith("text.delta") else "",
        [
            {"type": "response.output_text.done", "item_id": "m", "output_index": 0, "content_index": 0, "text": TEXT},
            {"type": "response.completed", "response": {"output": [{"content": [{"text": TEXT}]}]}},
        ],
    ),
    "gemini": (
        gemini,
        lambda chunk: "".join(p["text"] for c in chunk["candidates"] for p in c["content"]["parts"]),
        [],
    ),
}


def run(held: Held, chunks: list[Any]) -> list[Any]:
    return [shown for chunk in chunks for shown in held.push(chunk)] + held.finish()


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize("form", READ)
@settings(max_examples=40, deadline=None)
@given(places=st.lists(st.integers(0, 300), max_size=60), hold=st.sampled_from(["sentence", "whole"]))
def test_a_secret_that_is_cut_anywhere_never_gets_out(form: str, places: list[int], hold: str) -> None:
    make, read, endings = READ[form]
    chunks = [make(piece) for piece in cut(TEXT, places)] + endings
    held = Held((rule(hold),), enforces=True)
    shown = run(held, chunks)
    text = "".join(map(read, shown))
    assert text == CLEAN
    told = json.dumps(shown)
    assert not any(secret in told for secret in SECRETS)
    assert held.ran() == ([("guard:r", held.ran()[0][0].version, "redact")], [])
    assert held.seen().bytes == len(TEXT)


@pytest.mark.parametrize("at", range(1, len(TEXT)))
def test_every_single_cut(at: int) -> None:
    held = Held((rule(),), enforces=True)
    shown = run(held, [chat(TEXT[:at]), chat(TEXT[at:])])
    assert "".join(map(READ["chat"][1], shown)) == CLEAN


def test_one_character_at_a_time_with_some_held_back() -> None:
    held = Held((rule("chars:64"),), enforces=True)
    assert "".join(run(held, list(TEXT))) == CLEAN


def test_chunks_with_nothing_to_hide_are_the_very_same() -> None:
    chunks = [
        chat("Hello there.\n\n"),
        {"choices": [{"index": 0, "delta": {"role": "assistant"}}]},
        {"id": 1},
        object(),
    ]
    shown = run(Held((rule(),), enforces=True), chunks)
    assert all(new is old for new, old in zip(shown, chunks, strict=True))


def test_the_last_of_a_text_comes_before_its_end() -> None:
    chunks = [chat("no sentence yet"), {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
    shown = run(Held((rule(),), enforces=True), chunks)
    assert [READ["chat"][1](chunk) for chunk in shown] == ["", "no sentence yet", ""]
    assert shown[1]["choices"][0]["finish_reason"] is None and shown[2] is chunks[1]
    both = {"choices": [{"index": 0, "delta": {"content": f"mail {SECRETS[1]}"}, "finish_reason": "stop"}]}
    [last] = run(Held((rule(),), enforces=True), [both])
    assert READ["chat"][1](last) == "mail [REDACTED]" and last["choices"][0]["finish_reason"] == "stop"


def test_arguments_of_tool_calls_are_texts_too() -> None:
    def piece(text: str) -> Json:
        call = {"index": 0, "function": {"arguments": text}}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}

    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    shown = run(Held((rule(),), enforces=True), [piece('{"to": "jane.d'), piece('oe@example.com"}'), end])
    arguments = "".join(
        call["function"]["arguments"]
        for chunk in shown
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", [])
    )
    assert json.loads(arguments) == {"to": "[REDACTED]"}


async def stream(chunks: list[Any]) -> list[Any]:
    async def provider(request: LLMRequest) -> Any:
        async def produce() -> Any:
            for chunk in chunks:
                yield chunk

        return produce()

    request = LLMRequest({}, {"model": "m", "messages": []})
    opened = await llm.stream_execute("openai", request, provider, lambda chunk: None, lambda: None)
    return [chunk async for chunk in opened]


async def test_a_managed_stream_is_guarded_and_leaves_one_receipt_at_its_end() -> None:
    redact = {"name": "r", "on": "llm_response", "verdict": "redact", "detectors": DETECTORS}
    async with guarded(redact) as seen:
        shown = await stream([chat(piece) for piece in cut(TEXT, list(range(0, 300, 7)))])
    assert "".join(READ["chat"][1](chunk) for chunk in shown) == CLEAN
    [receipt] = seen.receipts()
    start = next(event for event in seen.events if event["category"] == "llm")
    assert receipt["category"] == "guardrail" and receipt["parent_uuid"] == start["uuid"] == receipt["data"]["call"]
    assert receipt["data"]["coverage"] == {"bytes": len(TEXT), "of": len(TEXT)}
    assert receipt["data"]["verdict"] == "redact" and TEXT[:5] not in json.dumps(receipt)


def test_a_synchronous_stream_is_guarded_and_counted() -> None:
    redact = {"name": "r", "on": "llm_response", "verdict": "redact", "detectors": DETECTORS}
    config = {"rules": [redact], "budgets": [{"name": "one", "limit": {"llm_calls": 1}, "per": "process"}]}
    active = asyncio.run(plugin.initialize({"components": [{"kind": "guard", "config": config}]}))

    def stream() -> list[Any]:
        request = LLMRequest({}, {"model": "m", "messages": []})
        chunks = [chat(piece) for piece in cut(TEXT, list(range(0, 300, 7)))]
        return list(
            llm.stream_execute_sync("openai", request, lambda _: iter(chunks), lambda chunk: None, lambda: None)
        )

    try:
        assert "".join(READ["chat"][1](chunk) for chunk in stream()) == CLEAN
        with pytest.raises(BudgetExceeded):
            stream()
    finally:
        asyncio.run(active.close())


async def test_a_stream_is_cut_where_a_rule_denies() -> None:
    deny = {
        "name": "no",
        "on": "llm_response",
        "where": [{"contains": "forbidden"}],
        "verdict": "deny",
        "reason": "not that",
    }
    async with guarded(deny):
        with pytest.raises(GuardrailRejected, match="not that"):
            await stream([chat("All is well. "), chat("Now the forb"), chat("idden part. "), chat("More.")])
    async with guarded(deny, mode="observe") as seen:
        assert len(await stream([chat("a forbidden word. ")])) >= 1
    assert seen.verdicts() == [("guard:no", "deny")]
