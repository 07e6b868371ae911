# SPDX-License-Identifier: Apache-2.0
"""Faults §4, prices: what a call costs over the surface it was made on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs.prices import component, table

RATES = {
    "input_per_million": 10.0,
    "output_per_million": 20.0,
    "cache_read_per_million": 1.0,
    "cache_write_per_million": 12.5,
}


@pytest.fixture(autouse=True)
def _empty_table() -> Iterator[None]:
    yield
    table.deactivate()


def activate(provider: str, accounting: str, **rates: Any) -> None:
    entry = {
        "provider": provider,
        "model_id": "m",
        "pricing_as_of": "2026-01-01",
        "pricing_source": "test",
        "prompt_cache": {"read_accounting": accounting},
        **(rates or {"rates": RATES}),
    }
    component.activate({"sources": [{"type": "inline", "catalog": {"version": 1, "entries": [entry]}}]})


def cost(codec: str, usage: Any, **more: Any) -> Any:
    body = {"openai_chat": {"choices": []}, "anthropic_messages": {"type": "message", "content": []}}[codec]
    found = codecs.resolve(codec).decode_response({**body, "model": "m", "usage": usage, **more})
    stated = found.usage.get("cost")
    return None if stated is None else stated["total"]


CHAT = {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 900}}
NATIVE = {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 0}


@pytest.mark.parametrize(("codec", "usage"), [("openai_chat", CHAT), ("anthropic_messages", NATIVE)])
@pytest.mark.parametrize("accounting", ["separate", "included_in_prompt_tokens"])
def test_p01_cache_accounting_belongs_to_the_surface(codec: str, usage: Any, accounting: str) -> None:
    activate("anthropic", accounting)
    assert cost(codec, usage) == pytest.approx((100 * 10 + 900 * 1) / 1e6)


def test_p03_long_context_counts_all_of_the_input() -> None:
    high = {**RATES, "input_per_million": 20.0, "cache_read_per_million": 2.0}
    tiers = [{"max_prompt_tokens": 500, "rates": RATES}, {"min_prompt_tokens": 501, "rates": high}]
    activate("anthropic", "separate", rate_schedule={"type": "prompt_token_threshold", "tiers": tiers})
    assert cost("anthropic_messages", NATIVE) == pytest.approx((100 * 20 + 900 * 2) / 1e6)


def test_p04_thoughts_beside_the_completion_are_billed() -> None:
    activate("xai", "included_in_prompt_tokens")
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45}
    assert cost("openai_chat", {**usage, "completion_tokens_details": {"reasoning_tokens": 30}}) == pytest.approx(8e-4)


def test_p07_one_hour_cache_writes() -> None:
    activate("anthropic", "separate")
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 100}
    assert cost("anthropic_messages", usage) == pytest.approx(100 * 12.5e-6)
    usage["cache_creation"] = {"ephemeral_1h_input_tokens": 40}  # type: ignore[assignment]
    assert cost("anthropic_messages", usage) == pytest.approx(60 * 12.5e-6 + 40 * 20e-6)


@pytest.mark.parametrize(
    ("tier", "factor"), [("flex", 0.5), ("batch", 0.5), ("default", 1), (None, 1), ("priority", None)]
)
def test_p10_tiers_of_service(tier: str | None, factor: float | None) -> None:
    activate("openai", "included_in_prompt_tokens")
    found = cost("openai_chat", {"prompt_tokens": 1000, "completion_tokens": 0}, service_tier=tier)
    assert found == (None if factor is None else pytest.approx(0.01 * factor))
