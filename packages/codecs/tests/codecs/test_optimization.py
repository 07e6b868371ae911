# SPDX-License-Identifier: Apache-2.0
"""Optimisation contributions and the summary at the end of a call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs.model.contributions import Contributions
from nemo_relay_codecs.prices import component, table

ROUTING = {
    "producer": "router",
    "kind": "model_routing",
    "applied": True,
    "model_transition": {"baseline": {"model": "big"}, "effective": {"model": "small"}},
}
COMPRESSION = {
    "producer": "squeezer",
    "kind": "input_compression",
    "applied": True,
    "token_impact": {"saved": {"prompt_tokens": 500_000}},
}


def _entry(model: str, rate: float, currency: str = "USD") -> dict[str, Any]:
    return {
        "provider": "acme",
        "model_id": model,
        "currency": currency,
        "prompt_cache": {"read_accounting": "included_in_prompt_tokens"},
        "pricing_as_of": "2026-01-01",
        "pricing_source": "test",
        "rates": {"input_per_million": rate, "output_per_million": rate},
    }


@pytest.fixture(autouse=True)
def _prices() -> Iterator[None]:
    entries = [_entry("small", 1.0), _entry("big", 10.0), _entry("foreign", 5.0, "EUR")]
    component.activate({"sources": [{"type": "inline", "catalog": {"version": 1, "entries": entries}}]})
    yield
    table.deactivate()


def contributions(*offers: dict[str, Any]) -> Contributions:
    out = Contributions(iter(f"id-{n}" for n in range(1000)).__next__)
    for offer in offers:
        out.offer(offer)
    return out


def answer(model: str = "small", **usage: int) -> Any:
    counts = {"prompt_tokens": 1_000_000, "completion_tokens": 0, **usage}
    return codecs.OpenAIChatCodec().decode_response({"model": model, "choices": [], "usage": counts})


def summary(done: Contributions, response: Any = None, **more: Any) -> dict[str, Any]:
    attached = done.attach(answer() if response is None else response, **more)
    assert attached is not None
    out: dict[str, Any] = attached.optimization_summary
    return out


def test_without_contributions_nothing_is_attached() -> None:
    response = answer()
    assert contributions().attach(response) is response
    assert contributions().attach(None) is None


def test_routing_and_compression_together() -> None:
    got = summary(contributions(ROUTING, COMPRESSION))
    assert got["status"] == "complete" and "limitations" not in got
    assert got["baseline_model"] == {"model": "big"} and got["effective_model"] == {"model": "small"}
    assert got["tokens_saved"] == {"prompt_tokens": 500_000, "total_tokens": 500_000}
    assert got["baseline_usage"]["prompt_tokens"] == 1_500_000
    assert got["actual_cost"]["total"] == 1.0 and got["baseline_cost"]["total"] == 15.0
    assert (got["estimated_cost_saved"], got["currency"]) == (14.0, "USD")
    assert [c["sequence"] for c in got["contributions"]] == [0, 1]
    assert [c["id"] for c in got["contributions"]] == ["id-0", "id-1"]


def test_the_annotation_s_usage_gets_the_total_and_the_cost() -> None:
    attached = contributions(COMPRESSION).attach(answer())
    assert attached is not None
    assert attached.usage["total_tokens"] == 1_000_000
    assert attached.usage["cost"]["total"] == 1.0


def test_two_routings_cannot_be_told_apart() -> None:
    got = summary(contributions(ROUTING, ROUTING))
    assert got["status"] == "partial"
    assert got["limitations"] == ["multiple_routing_contributions"]
    assert got["baseline_model"] == {"model": "small"}


def test_what_was_not_applied_saves_nothing() -> None:
    got = summary(contributions({**COMPRESSION, "applied": False}))
    assert got["tokens_saved"] == {} and got["estimated_cost_saved"] == 0.0


def test_currencies_are_not_mixed() -> None:
    foreign = {**ROUTING, "model_transition": {"baseline": {"model": "foreign"}, "effective": {"model": "small"}}}
    got = summary(contributions(foreign))
    assert got["limitations"] == ["cost_currency_mismatch"]
    assert "estimated_cost_saved" not in got


def test_what_is_missing_is_named() -> None:
    bare = codecs.OpenAIChatCodec().decode_response({"choices": []})
    assert summary(contributions(COMPRESSION), bare)["limitations"] == [
        "missing_actual_cost",
        "missing_baseline_model",
        "missing_effective_model",
        "missing_effective_usage",
    ]
    attached = contributions(COMPRESSION).attach(None, requested_model="small")
    assert attached is not None
    assert attached.optimization_summary["effective_model"] == {"model": "small"}


@pytest.mark.parametrize(
    ("saved", "limitation"),
    [
        ({"cache_read_tokens": 5}, "missing_token_savings_total"),
        ({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 9}, "inconsistent_token_savings_total"),
        ({"prompt_tokens": 2**64 - 1, "total_tokens": 1}, "token_count_overflow"),
    ],
)
def test_savings_that_do_not_add_up(saved: dict[str, int], limitation: str) -> None:
    offer = {**COMPRESSION, "token_impact": {"saved": saved}}
    got = summary(contributions(offer))
    assert limitation in got["limitations"]
    assert "baseline_cost" not in got


def test_limits_seal_the_call() -> None:
    done = contributions(*[COMPRESSION] * 70)
    assert len(done.accepted) == 64
    assert done.limitations == {"contribution_limit_exceeded"}
    big = contributions({**COMPRESSION, "note": "x" * 20_000})
    assert big.accepted == [] and big.offer(COMPRESSION) is None


def test_a_payload_needs_its_schema() -> None:
    done = contributions({**COMPRESSION, "payload": {"a": 1}}, COMPRESSION)
    assert len(done.accepted) == 1
    assert done.limitations == {"invalid_contribution_payload_schema"}


@pytest.mark.parametrize("broken", [{}, {"producer": "p"}, {"producer": 1, "kind": "k"}, 5])
def test_a_malformed_contribution_is_refused(broken: Any) -> None:
    with pytest.raises(ValueError, match="^invalid optimization_contributions: "):
        contributions().offer(broken)


def test_an_interrupted_stream_is_marked_unless_it_was_finished() -> None:
    assert summary(contributions(COMPRESSION), interrupted=True)["limitations"] == ["stream_interrupted"]
    finished = codecs.OpenAIChatCodec().decode_response(
        {
            "model": "small",
            "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        }
    )
    assert summary(contributions(COMPRESSION), finished, interrupted=True)["status"] == "complete"


def test_a_price_the_codec_found_is_not_lost() -> None:
    """The published package prices again without the provider and drops the estimate where that fails."""
    entries = [_entry("shared", 1.0), {**_entry("shared", 2.0), "provider": "openai"}]
    component.activate({"sources": [{"type": "inline", "catalog": {"version": 1, "entries": entries}}]})
    got = summary(contributions(COMPRESSION), answer("shared"))
    assert got["actual_cost"]["total"] in (1.0, 2.0)
