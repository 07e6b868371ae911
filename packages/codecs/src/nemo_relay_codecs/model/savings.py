# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of an optimisation summary: what a call would have cost without the optimisations it had."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.prices import table
from nemo_relay_codecs.prices.price import total_of
from nemo_relay_codecs.values import U64_MAX

JsonObject = dict[str, Any]
_COUNTS = ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens")
_ALL = (*_COUNTS, "total_tokens")


def summarise(
    contributions: list[JsonObject],
    limits: set[str],
    usage: JsonObject | None,
    response_model: str | None,
    requested_model: str | None,
) -> tuple[JsonObject, JsonObject | None]:
    """The summary, and the usage as the annotation shall show it (None where there is none).

    ``limits`` is extended with what the calculation lacks.
    """
    applied = [c for c in contributions if c["applied"]]
    routing = [c for c in applied if c["kind"] == "model_routing"]
    if len(routing) > 1:
        limits.add("multiple_routing_contributions")
        applied = [c for c in applied if c["kind"] != "model_routing"]
    transition = routing[0].get("model_transition", {}) if len(routing) == 1 else {}
    saved, overflown, totals_known = _saved([c for c in applied if "token_impact" in c], limits)
    effective_model = _effective_model(transition, response_model, requested_model)
    baseline_model = transition.get("baseline") if len(routing) == 1 else effective_model
    sums = _Sums(limits, usage, effective_model, baseline_model, response_model)
    sums.compare(saved, overflown, totals_known)
    summary: JsonObject = {
        "schema_version": "1",
        "calculation_version": "1",
        "baseline_model": baseline_model,
        "effective_model": effective_model,
        **sums.members(),
        "tokens_saved": saved,
        "contributions": contributions,
    }
    summary["status"] = "partial" if limits else "complete"
    summary["limitations"] = sorted(limits) or None
    return {k: v for k, v in summary.items() if v is not None}, sums.shown_usage()


def _effective_model(transition: JsonObject, response_model: str | None, requested: str | None) -> JsonObject | None:
    if "effective" in transition:
        effective: JsonObject = transition["effective"]
        return effective
    model = response_model or requested
    return None if model is None else {"model": model}


def _saved(contributions: list[JsonObject], limits: set[str]) -> tuple[JsonObject, set[str], bool]:
    """Field-wise sums of what was saved, the members that overflowed, and whether every total is known."""
    out: JsonObject = {}
    overflown: set[str] = set()
    complete = True
    for contribution in contributions:
        saved = contribution["token_impact"].get("saved")
        if saved is None:
            continue
        total = _total(saved, limits, overflown)
        complete &= total is not None and "inconsistent_token_savings_total" not in limits
        for name, count in {**saved, **({} if total is None else {"total_tokens": total})}.items():
            out[name] = out.get(name, 0) + count
            if out[name] > U64_MAX:
                overflown.add(name)
    if overflown:
        limits.add("token_count_overflow")
    return {k: out[k] for k in _ALL if k in out and k not in overflown}, overflown, complete and not overflown


def _total(saved: JsonObject, limits: set[str], overflown: set[str]) -> int | None:
    parts = [saved[k] for k in ("prompt_tokens", "completion_tokens") if k in saved]
    stated: int | None = saved.get("total_tokens")
    known: int | None = sum(parts)
    if sum(parts) > U64_MAX:
        overflown.add("total_tokens")
        known = None
    if stated is not None:
        if len(parts) == 2 and known is not None and stated != known:
            limits.add("inconsistent_token_savings_total")
        return stated
    if known is None or not parts:
        limits.add("missing_token_savings_total")
        return None
    return known


class _Sums:
    """Usage and cost on both sides."""

    def __init__(
        self,
        limits: set[str],
        usage: JsonObject | None,
        effective: JsonObject | None,
        baseline: JsonObject | None,
        response_model: str | None,
    ) -> None:
        self.limits, self.usage, self.baseline_model = limits, usage, baseline
        self.response_model = response_model
        self.baseline_usage: JsonObject | None = None
        self.baseline_cost: JsonObject | None = None
        if effective is None:
            limits.add("missing_effective_model")
        if baseline is None:
            limits.add("missing_baseline_model")
        self.effective_usage = self._effective(usage)
        self.actual = self._actual(effective)

    def compare(self, saved: JsonObject, overflown: set[str], totals_known: bool) -> None:
        """Add the savings to the usage for what the call would have been without them."""
        self.baseline_usage = self._baseline(saved, overflown)
        unobserved = any(name not in (self.effective_usage or {}) for name in saved)
        if totals_known and not unobserved and "token_count_overflow" not in self.limits:
            self.baseline_cost = self._baseline_cost(self.baseline_model)
        self.saving, self.currency = self._difference()

    def _effective(self, usage: JsonObject | None) -> JsonObject | None:
        if usage is None:
            self.limits.add("missing_effective_usage")
            return None
        out = {k: v for k, v in usage.items() if k != "cost"}
        parts: list[Any] = [out.get(k) for k in ("prompt_tokens", "completion_tokens")]
        for name, count in zip(("prompt_tokens", "completion_tokens"), parts, strict=True):
            if count is None:
                self.limits.add(f"missing_effective_{name}")
        if "total_tokens" not in out:
            if None in parts:
                self.limits.add("missing_effective_total_tokens")
            elif sum(parts) > U64_MAX:
                self.limits.add("token_count_overflow")
            else:
                out["total_tokens"] = sum(parts)
        return out

    def _baseline(self, saved: JsonObject, overflown: set[str]) -> JsonObject | None:
        if self.effective_usage is None:
            return None
        out = {k: v for k, v in self.effective_usage.items() if k not in overflown}
        for name, count in saved.items():
            if name not in out:
                if name not in overflown:
                    self.limits.add(f"missing_effective_{name}")
            elif out[name] + count > U64_MAX:
                self.limits.add("token_count_overflow")
                del out[name]
            else:
                out[name] += count
        return out

    def _actual(self, model: JsonObject | None) -> JsonObject | None:
        stated = (self.usage or {}).get("cost")
        if stated is not None and stated["source"] == "provider_reported":
            reported: JsonObject = stated
            return reported
        cost = _estimate(model, self.effective_usage)
        own = model is not None and model["model"] == self.response_model
        if cost is None and own and stated is not None and self._counts_known(self.effective_usage):
            # The published package drops a decode-time estimate here, because it prices again without the
            # provider that the codec knew. The estimate is the better answer.
            cost = stated
        if cost is None:
            self.limits.add("missing_actual_cost")
        return cost

    def _counts_known(self, usage: JsonObject | None) -> bool:
        return usage is not None and "prompt_tokens" in usage and "completion_tokens" in usage

    def _baseline_cost(self, model: JsonObject | None) -> JsonObject | None:
        if model is None or not self._counts_known(self.baseline_usage):
            return None
        cost = _estimate(model, self.baseline_usage)
        if cost is None:
            self.limits.add("missing_baseline_pricing")
        return cost

    def _difference(self) -> tuple[float | None, str | None]:
        baseline, actual = (None if c is None else total_of(c) for c in (self.baseline_cost, self.actual))
        if self.baseline_cost is not None and baseline is None:
            self.limits.add("missing_baseline_cost_total")
        if self.actual is not None and actual is None:
            self.limits.add("missing_actual_cost_total")
        if self.baseline_cost is None or self.actual is None:
            return None, None
        currency: str = self.baseline_cost["currency"]
        if currency.upper() != self.actual["currency"].upper():
            self.limits.add("cost_currency_mismatch")
            return None, None
        return (None, None) if baseline is None or actual is None else (baseline - actual, currency)

    def members(self) -> JsonObject:
        """The members of the summary."""
        return {
            "effective_usage": self.shown_usage(),
            "baseline_usage": self.baseline_usage,
            "baseline_cost": self.baseline_cost,
            "actual_cost": self.actual,
            "estimated_cost_saved": self.saving,
            "currency": self.currency,
        }

    def shown_usage(self) -> JsonObject | None:
        """The usage of the annotation: totals filled in, the cost the one that the summary calculates with."""
        if self.effective_usage is None:
            return None
        return {**self.effective_usage, **({} if self.actual is None else {"cost": self.actual})}


def _estimate(model: JsonObject | None, usage: JsonObject | None) -> JsonObject | None:
    if model is None or usage is None or "prompt_tokens" not in usage or "completion_tokens" not in usage:
        return None
    return table.estimate(model.get("provider"), model["model"], usage)
