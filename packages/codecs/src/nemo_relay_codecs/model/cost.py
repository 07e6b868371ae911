# SPDX-License-Identifier: Apache-2.0
"""The cost of a response: what the provider reports of itself, otherwise an estimate from the price table."""

from __future__ import annotations

import math
from typing import Any

from nemo_relay_codecs.model.tokens import buckets
from nemo_relay_codecs.prices import table
from nemo_relay_codecs.prices.billing import Call, service_tier
from nemo_relay_codecs.response_readers import Document, JsonObject

_AMOUNTS = ("total", "input", "output", "cache_read", "cache_write")
# What others call these amounts.
_NAMES = {
    "total": ("total", "total_cost"),
    "input": ("input", "input_tokens_cost", "input_cost", "prompt_cost"),
    "output": ("output", "output_tokens_cost", "output_cost", "completion_cost"),
}
_USD_PER_TICK = 1e-10  # xAI
_LABELS = ("pricing_provider", "pricing_model", "pricing_as_of", "pricing_source")


def reported(usage: JsonObject, document: Document) -> JsonObject | None:
    """The provider-reported cost in ``usage``: an object, or a bare number (dollars), as routers send it."""
    in_usd = document.number(usage, "cost_usd")
    stated = usage.get("cost")
    amount = _amount(stated)
    if amount is not None:
        in_usd, stated = amount if in_usd is None else in_usd, None
    ticks = _amount(usage.get("cost_in_usd_ticks"))
    if in_usd is None and stated is None and ticks is not None:
        in_usd = ticks * _USD_PER_TICK
    if stated is None and in_usd is None:
        return None
    if stated is not None and not isinstance(stated, dict):
        raise document.wrong("cost", "an object", stated)
    return _assemble(in_usd, stated or {}, document)


def _amount(value: Any) -> float | None:
    """A number that is no bool."""
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _assemble(in_usd: float | None, stated: JsonObject, document: Document) -> JsonObject | None:
    amounts = {k: document.number(stated, _found(stated, k)) for k in _AMOUNTS}
    labels = {k: document.text(stated, k) for k in (*_LABELS, "currency")}
    currency = labels.pop("currency")
    foreign = in_usd is not None and currency is not None and currency.upper() != "USD"
    out: JsonObject = {} if foreign else {k: v for k, v in amounts.items() if v is not None}
    if in_usd is not None:
        out["total"] = in_usd
        currency = "USD"
    elif "total" not in out and out:
        out["total"] = sum(out.values())
    if not out:
        return None
    out["currency"] = "USD" if currency is None else currency
    out["source"] = "provider_reported"
    out.update((k, v) for k, v in labels.items() if v is not None)
    return out


def _found(stated: JsonObject, amount: str) -> str:
    return next((name for name in _NAMES.get(amount, ()) if stated.get(name) is not None), amount)


def add_estimate(fields: JsonObject, default_provider: str, surface: str, counted: Any) -> None:
    """Put an estimate into ``fields["usage"]`` if a price table is active and the response states no cost.

    Args:
        fields: the normalised response.
        default_provider: whose prices hold where the model's name has no prefix that says.
        surface: the id of the codec.
        counted: the provider's own usage object.
    """
    usage = fields.get("usage")
    model = fields.get("model")
    if usage is None or not model or "cost" in usage or not table.is_active():
        return
    prefix, slash, _ = model.rpartition("/")
    provider = prefix if slash and prefix.strip("/ ") else default_provider
    call = Call(surface, buckets(surface, counted), service_tier(fields.get("api_specific"), counted))
    cost = table.estimate(provider, model, usage, call)
    if cost is not None:
        fields["usage"] = {**usage, "cost": cost}
