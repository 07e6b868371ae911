# SPDX-License-Identifier: Apache-2.0
"""What a response cost, with a word on how that is known, and sums over many responses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from nemo_relay_codecs.prices import table
from nemo_relay_codecs.prices.billing import Call, service_tier

if TYPE_CHECKING:
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse

JsonObject = dict[str, Any]
_LOG = logging.getLogger("nemo_relay.pricing")
_warned: set[str] = set()
_MOST_WARNED = 1000
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens")


class Priced(NamedTuple):
    """A cost and how it is known.

    ``status`` is ``provider_reported``, ``model_pricing``, ``unknown_model`` (the table has no price for it),
    ``no_rate`` (it has an entry, which does not apply to this usage), ``mixed_models``, ``no_usage``, ``no_model``
    or ``no_table``.
    """

    cost: JsonObject | None
    status: str


def price(annotated: AnnotatedLLMResponse, provider: str | None = None) -> Priced:
    """The cost of a response: what it states, else an estimate for ``provider``.

    Args:
        annotated: the normalised response.
        provider: who served it, for models that several providers price; a managed call gives its name.

    Returns:
        The cost with its source, or the reason why there is none.
    """
    usage, model = annotated.fields.get("usage"), annotated.fields.get("model")
    if not usage:
        return Priced(None, "no_usage")
    if "cost" in usage:
        return Priced(usage["cost"], usage["cost"]["source"])
    if not model:
        return Priced(None, "no_model")
    if not table.is_active():
        return Priced(None, "no_table")
    if _mixed(annotated):
        return Priced(None, "mixed_models")
    entry = table.find(provider, model)
    if entry is None:
        _warn_unknown(provider, model)
        return Priced(None, "unknown_model")
    cost = table.cost_of(entry, usage, call_of(annotated))
    return Priced(cost, "no_rate" if cost is None else "model_pricing")


def call_of(annotated: AnnotatedLLMResponse) -> Call:
    """How the call of a response was made."""
    surface = annotated.codec_id
    api = annotated.fields.get("api_specific")
    return Call(surface, annotated.tokens, service_tier(api, annotated.provider_usage))


def with_cost(annotated: AnnotatedLLMResponse, provider: str | None = None) -> AnnotatedLLMResponse:
    """The annotation with its cost in ``usage``; the same object where nothing is to be added.

    A usage that the active table cannot price gets ``pricing_status`` in the event form, so that a missing cost is
    not mistaken for a free call.
    """
    cost, status = price(annotated, provider)
    if cost is not None and "cost" not in annotated.fields["usage"]:
        return annotated.replace(usage={**annotated.fields["usage"], "cost": cost})
    if status in ("unknown_model", "no_rate", "mixed_models"):
        return annotated.replace(pricing_status=status)
    return annotated


def _mixed(annotated: AnnotatedLLMResponse) -> bool:
    from nemo_relay_codecs.anthropic.response import runs_on_foreign_model

    return runs_on_foreign_model(annotated.raw)


def _warn_unknown(provider: str | None, model: str) -> None:
    key = f"{provider}/{model}"
    if key not in _warned and len(_warned) < _MOST_WARNED:
        _warned.add(key)
        _LOG.warning(
            "no price for model %r of provider %r in the active price table; its calls carry no cost. "
            "Add an entry or an alias to the catalogue.",
            model,
            provider,
        )


class CostTotals:
    """Sums over responses, costs by currency.

    >>> from nemo_relay_codecs.model.response import AnnotatedLLMResponse
    >>> totals = CostTotals()
    >>> cost = {"total": 0.5, "source": "provider_reported"}
    >>> totals.add(AnnotatedLLMResponse(usage={"prompt_tokens": 7, "cost": cost}))
    >>> totals.to_dict()["cost"], totals.to_dict()["prompt_tokens"]
    ({'USD': 0.5}, 7)
    """

    def __init__(self) -> None:
        self.calls = 0
        self.unpriced = 0
        self.unknown_models: set[str] = set()
        self._tokens: dict[str, int] = {}
        self._cost: dict[str, float] = {}

    def add(self, annotated: AnnotatedLLMResponse | None, provider: str | None = None) -> None:
        """Count one response; None is a call without an annotation.

        Args:
            annotated: the normalised response; None for a call without one, which is counted as unpriced.
            provider: who served it, for models that several providers price.
        """
        self.calls += 1
        if annotated is None:
            self.unpriced += 1
            return
        usage = annotated.fields.get("usage") or {}
        for name in _COUNTS:
            if name in usage:
                self._tokens[name] = self._tokens.get(name, 0) + usage[name]
        cost, status = price(annotated, provider)
        amount = None if cost is None else total_of(cost)
        if status == "unknown_model":
            self.unknown_models.add(annotated.fields["model"])
        if cost is None or amount is None:
            self.unpriced += 1
        else:
            currency = cost["currency"]
            self._cost[currency] = table.rounded(self._cost.get(currency, 0.0) + amount)

    def to_dict(self) -> JsonObject:
        """``calls``, token sums, ``cost`` by currency, ``unpriced`` calls and ``unknown_models``."""
        return {
            "calls": self.calls,
            **self._tokens,
            "cost": dict(self._cost),
            "unpriced": self.unpriced,
            "unknown_models": sorted(self.unknown_models),
        }


def total_of(cost: JsonObject) -> float | None:
    """The total of a cost; for a provider's own, its components added where it states no total."""
    if cost.get("total") is not None:
        return float(cost["total"])
    if cost.get("source") != "provider_reported":
        return None
    parts = [cost[k] for k in ("input", "output", "cache_read", "cache_write") if cost.get(k) is not None]
    return float(sum(parts)) if parts else None
