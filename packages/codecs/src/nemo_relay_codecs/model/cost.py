# SPDX-License-Identifier: Apache-2.0
"""The cost of a response: what the provider reports of itself, otherwise an estimate from the price table."""

from __future__ import annotations

from nemo_relay_codecs.prices import table
from nemo_relay_codecs.response_readers import Document, JsonObject

_AMOUNTS = ("total", "input", "output", "cache_read", "cache_write")
_LABELS = ("pricing_provider", "pricing_model", "pricing_as_of", "pricing_source")


def reported(usage: JsonObject, document: Document, *, scalar: bool = False) -> JsonObject | None:
    """The provider-reported cost in ``usage``.

    ``scalar`` admits a bare number under ``cost``, as OpenAI-compatible routers send it.
    """
    in_usd = document.number(usage, "cost_usd")
    stated = usage.get("cost")
    if scalar and isinstance(stated, int | float) and not isinstance(stated, bool):
        in_usd, stated = float(stated) if in_usd is None else in_usd, None
    if stated is None and in_usd is None:
        return None
    if stated is not None and not isinstance(stated, dict):
        raise document.wrong("cost", "an object", stated)
    return _assemble(in_usd, stated or {}, document)


def _assemble(in_usd: float | None, stated: JsonObject, document: Document) -> JsonObject | None:
    amounts = {k: document.number(stated, k) for k in _AMOUNTS}
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


def add_estimate(fields: JsonObject, default_provider: str, *, output_tokens: int | None = None) -> None:
    """Put an estimate into ``fields["usage"]`` if a price table is active and the response states no cost.

    ``output_tokens`` replaces the completion count where the provider bills more than it lists there.
    """
    usage = fields.get("usage")
    model = fields.get("model")
    if usage is None or not model or "cost" in usage or not table.is_active():
        return
    prefix, slash, _ = model.rpartition("/")
    counted = usage if output_tokens is None else {**usage, "completion_tokens": output_tokens}
    cost = table.estimate(prefix if slash and prefix.strip("/ ") else default_provider, model, counted)
    if cost is not None:
        fields["usage"] = {**usage, "cost": cost}
