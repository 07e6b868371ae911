# SPDX-License-Identifier: Apache-2.0
"""Prices: configuration objects, lookup, arithmetic, the bundled catalogue, totals."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs.prices import component, table
from nemo_relay_codecs.prices import config as mp
from nemo_relay_codecs.prices.price import price, with_cost

RATES = mp.TokenPricingRates(2.0, 8.0, cache_read_per_million=0.5)


def entry(model: str, provider: str = "acme", **more: Any) -> mp.ModelPricing:
    return mp.ModelPricing(provider, model, "2026-01-01", "test", **{"rates": RATES, **more})


def activate(*entries: mp.ModelPricing) -> None:
    config = mp.PricingConfig([mp.InlineSource(mp.PricingCatalog(list(entries)))])
    component.activate(config.to_dict())


def chat(model: str, **usage: Any) -> Any:
    return codecs.OpenAIChatCodec().decode_response({"model": model, "choices": [], "usage": usage})


@pytest.fixture(autouse=True)
def _empty_table() -> Iterator[None]:
    yield
    table.deactivate()


def test_documents_leave_out_what_is_not_set() -> None:
    assert RATES.to_dict() == {"input_per_million": 2.0, "output_per_million": 8.0, "cache_read_per_million": 0.5}
    spec = mp.ComponentSpec(mp.PricingConfig([mp.FileSource("prices.json"), mp.BundledSource()]))
    assert spec.to_dict() == {
        "kind": "pricing",
        "enabled": True,
        "config": {"sources": [{"type": "file", "path": "prices.json"}, {"type": "bundled"}]},
    }


def test_a_tier_keeps_the_order_of_its_members() -> None:
    assert list(mp.TokenRateTier(RATES, 0, 10).to_dict()) == ["min_prompt_tokens", "max_prompt_tokens", "rates"]


def test_a_price_appears_in_the_annotation_and_in_its_event_form() -> None:
    activate(entry("m-1"))
    view = chat("m-1", prompt_tokens=1000, completion_tokens=100)
    assert view.usage["cost"]["total"] == pytest.approx(0.0028)
    assert view.to_event()["usage"]["cost"]["source"] == "model_pricing"


def test_without_a_table_nothing_is_priced() -> None:
    view = chat("m-1", prompt_tokens=1000)
    assert "cost" not in view.usage
    assert price(view).status == "no_table"


@pytest.mark.parametrize(
    "name",
    ["m-1-2026-01-31", "m-1-20260131", "m-1@20260131", "m-1-0613", "m-1-latest", "m-1:latest", "m-1-v1:0", "M-1"],
)
def test_a_snapshot_of_a_model_has_its_price(name: str) -> None:
    activate(entry("m-1"))
    assert price(chat(name, prompt_tokens=10, completion_tokens=1)).status == "model_pricing"


@pytest.mark.parametrize("name", ["m-12", "m-1-mini", "m", "m-1-2026", "other-2026-01-31-preview"])
def test_another_model_has_not(name: str) -> None:
    activate(entry("m-1"))
    if name == "m-1-2026":  # four digits are how some providers date a snapshot
        assert price(chat(name, prompt_tokens=10)).status == "model_pricing"
    else:
        assert price(chat(name, prompt_tokens=10)).status == "unknown_model"


def test_an_exact_entry_wins_over_the_one_without_suffix() -> None:
    dear = mp.TokenPricingRates(100.0, 100.0)
    activate(entry("m-1"), entry("m-1-2026-01-31", rates=dear))
    assert chat("m-1-2026-01-31", prompt_tokens=1_000_000).usage["cost"]["total"] == 100.0


def test_an_unknown_model_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    activate(entry("m-1"))
    caplog.set_level(logging.WARNING, "nemo_relay.pricing")
    view = chat("never-heard-of-it", prompt_tokens=5)
    assert with_cost(view).to_event()["pricing_status"] == "unknown_model"
    with_cost(view)
    assert [r.levelname for r in caplog.records].count("WARNING") == 1
    assert "never-heard-of-it" in caplog.text


def test_what_the_provider_reports_wins() -> None:
    activate(entry("m-1"))
    view = chat("m-1", prompt_tokens=1000, cost=0.75)
    assert view.usage["cost"] == {"total": 0.75, "currency": "USD", "source": "provider_reported"}


def test_the_call_name_prices_what_the_codec_could_not() -> None:
    activate(entry("m-1", provider="oracle"))
    view = codecs.OCIGenAIChatCodec().decode_response(
        {"modelId": "m-1", "chatResponse": {"apiFormat": "COHERE", "text": "x", "usage": {"promptTokens": 1000000}}}
    )
    assert "cost" not in view.usage
    assert with_cost(view, "oracle").usage["cost"]["total"] == 2.0


def test_a_response_of_two_models_is_not_priced() -> None:
    activate(entry("m-1", provider="anthropic"))
    usage = {"input_tokens": 5, "output_tokens": 5, "iterations": [{"model": "m-2", "input_tokens": 5}]}
    view = codecs.AnthropicMessagesCodec().decode_response({"model": "m-1", "content": [], "usage": usage})
    assert price(view).status == "mixed_models"
    assert "cost" not in with_cost(view, "anthropic").usage


def test_a_file_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(mp.PricingCatalog([entry("m-1")]).to_dict()))
    good = mp.PricingConfig([mp.FileSource(str(path))])
    assert mp.validate_config(good) == {"diagnostics": []}
    component.activate(good.to_dict())
    assert price(chat("m-1", prompt_tokens=1)).status == "model_pricing"
    path.write_text("{")
    (finding,) = mp.validate_config(good)["diagnostics"]
    assert finding["message"].startswith("invalid model pricing config: invalid model pricing catalog JSON: ")


def test_a_bad_configuration_is_refused_and_changes_nothing() -> None:
    activate(entry("m-1"))
    with pytest.raises(ValueError, match="^unknown field `nope`"):
        component.activate({"nope": 1})
    assert table.is_active()


def test_closing_empties_the_table() -> None:
    close = component.activate(mp.PricingConfig([mp.InlineSource(mp.PricingCatalog([entry("m-1")]))]).to_dict())
    close()
    assert not table.is_active()


def test_totals_by_currency_and_what_has_no_price() -> None:
    activate(entry("m-1"), entry("m-2", currency="EUR"))
    totals = mp.CostTotals()
    for model in ("m-1", "m-1-2026-01-31", "m-2", "strange"):
        totals.add(chat(model, prompt_tokens=500_000, completion_tokens=0, total_tokens=500_000))
    totals.add(None)
    assert totals.to_dict() == {
        "calls": 5,
        "prompt_tokens": 2_000_000,
        "completion_tokens": 0,
        "total_tokens": 2_000_000,
        "cost": {"USD": 2.0, "EUR": 1.0},
        "unpriced": 2,
        "unknown_models": ["strange"],
    }


@pytest.mark.parametrize(("tokens", "rate", "want"), [(1, 0.1, 1e-07), (3, 0.15, 4.5e-07), (7, 1e9, 7000.0)])
def test_amounts_have_twelve_decimals(tokens: int, rate: float, want: float) -> None:
    assert table.rounded(tokens * rate / 1e6) == want


def test_the_bundled_catalogue_knows_public_models() -> None:
    pytest.importorskip("genai_prices")
    component.activate(mp.PricingConfig([mp.BundledSource()]).to_dict())
    view = chat("gpt-4o-2024-08-06", prompt_tokens=1_000_000, completion_tokens=0)
    assert view.usage["cost"]["input"] == 2.5
    assert view.usage["cost"]["pricing_source"].startswith("genai-prices ")
    assert price(chat("no-such-model-anywhere", prompt_tokens=1)).status == "unknown_model"


def test_the_bundled_catalogue_counts_cache_reads_as_the_provider_does() -> None:
    pytest.importorskip("genai_prices")
    component.activate(mp.PricingConfig([mp.BundledSource()]).to_dict())
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 100_000}
    body = {"model": "claude-3-5-haiku-20241022", "content": [], "usage": usage}
    cost = codecs.AnthropicMessagesCodec().decode_response(body).usage["cost"]
    assert cost["cache_read"] == cost["total"] == pytest.approx(0.008)


def test_the_bundled_catalogue_follows_price_tiers() -> None:
    pytest.importorskip("genai_prices")
    component.activate(mp.PricingConfig([mp.BundledSource()]).to_dict())
    codec = codecs.GeminiGenerateContentCodec()

    def rate(prompt: int) -> float:
        usage = {"promptTokenCount": prompt, "candidatesTokenCount": 0}
        view = codec.decode_response({"modelVersion": "gemini-2.5-pro", "usageMetadata": usage})
        return float(view.usage["cost"]["input"]) / prompt

    assert rate(300_000) == pytest.approx(2 * rate(100_000))


def test_own_prices_come_before_the_bundled_ones() -> None:
    pytest.importorskip("genai_prices")
    own = mp.InlineSource(mp.PricingCatalog([entry("gpt-4o", provider="openai")]))
    component.activate(mp.PricingConfig([own, mp.BundledSource()]).to_dict())
    assert chat("gpt-4o", prompt_tokens=10).usage["cost"]["pricing_source"] == "test"


def test_a_missing_library_is_named_with_the_remedy() -> None:
    program = (
        "import sys; sys.modules['genai_prices'] = None\n"
        "from nemo_relay_codecs.prices import config as mp\n"
        "print(mp.validate_config(mp.PricingConfig([mp.BundledSource()]))['diagnostics'][0]['message'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install --find-links dist "nemo-relay[pricing]>=0.12"' in done.stdout
