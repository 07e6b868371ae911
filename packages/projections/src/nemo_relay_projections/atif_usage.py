# SPDX-License-Identifier: Apache-2.0
"""Tokens and cost: of one model call, and of a trajectory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from nemo_relay_projections.atif_spans import Span, mapping

_PROMPT = ("prompt_tokens", "input_tokens", "inputTokens", "input", "promptTokenCount")
_COMPLETION = (
    "completion_tokens",
    "output_tokens",
    "completionTokens",
    "outputTokens",
    "output",
    "candidatesTokenCount",
)
_READ = (
    "cached_tokens",
    "cachedTokens",
    "cache_read_tokens",
    "cache_read_input_tokens",
    "cacheReadTokens",
    "cacheReadInputTokens",
    "cacheRead",
    "cachedContentTokenCount",
)
_WRITE = (
    "cache_write_tokens",
    "cache_creation_input_tokens",
    "cacheWriteTokens",
    "cacheCreationInputTokens",
    "cacheWriteInputTokens",
    "cacheWrite",
)
_USAGE = ("usage", "token_usage", "usageMetadata")
_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_READ_BELOW = ("cached_tokens", "cache_read")  # how the details call cache reads
# Surfaces whose input counts leave out what a cache served, told by their own names for it.
_BESIDE = {
    "input_tokens": {"cache_read_input_tokens", "cache_creation_input_tokens"},
    "inputTokens": {"cacheReadInputTokens", "cacheWriteInputTokens"},
}
_BESIDE_APIS = ("anthropic_messages", "bedrock_converse")
_THOUGHTS = ("completion_tokens_details", "output_tokens_details")
_USD_PER_TICK = 1e-10  # xAI
_COST = ("cost", "cost_usd", "cost_in_usd_ticks")
_LISTS = ("prompt_token_ids", "completion_token_ids", "logprobs")
_COST_TOTALS = ("total", "total_cost")
_COST_PARTS = ("input", "output", "cache_read", "cache_write")
_TOTALS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd")


def metrics(span: Span) -> dict[str, Any]:
    """The metrics of a model call; empty where the provider reported none.

    ``cached_tokens`` counts cache reads only, the hits that the schema speaks of. Cache writes, costs in
    another currency and whatever else the provider reported stay in ``extra``.
    """
    data = mapping(span.output)
    annotated = mapping(span.end, "category_profile", "annotated_response", "usage")
    raw = next((usage for key in _USAGE if (usage := mapping(data, key))), {})
    read = _pick(_READ, annotated, raw)
    if read is None:
        read = _pick(_READ_BELOW, *(mapping(raw, key) for key in _DETAILS))
    write = _pick(_WRITE, annotated, raw)
    prompt = _pick(_PROMPT, annotated, raw)
    if prompt is not None and _excludes_cache(span, raw):
        prompt += (read or 0) + (write or 0)
    cost = _cost(annotated, raw)
    found = {
        "prompt_tokens": prompt,
        "completion_tokens": _completion(annotated, raw),
        "cached_tokens": read,
        "cost_usd": cost,
        **{key: raw[key] for key in _LISTS if _numbers(key, raw.get(key))},
        "extra": _rest(raw or annotated, write, cost is not None) or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def fill(mine: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """``mine`` with its gaps filled from a second record of the same call."""
    return {**others, **mine}


class Totals:
    """The sums of a trajectory's own steps, and of those with its sub-agents'."""

    __slots__ = ("own", "whole")

    def __init__(self, own: Mapping[str, Any] = MappingProxyType({}), whole: Mapping[str, Any] | None = None) -> None:
        self.own = dict(own)
        self.whole = None if whole is None else dict(whole)  # what sub-agents add; None while there is none

    def copy(self) -> Totals:
        """The same, to go on from."""
        return Totals(self.own, self.whole)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add the metrics of a step."""
        self.own = _sums([self.own, row])

    def embed(self, child: Totals) -> None:
        """Add what a sub-agent and its own sub-agents used."""
        self.whole = _sums([self.whole or {}, child.own, child.whole or {}])

    def final(self, step_count: int) -> dict[str, Any]:
        """``final_metrics``: tokens are those of its own steps and the cost includes sub-agents, as the schema says;
        where sub-agents used something, ``extra`` has the totals with them.
        """
        everything = _sums([self.own, self.whole]) if self.whole else {}
        found: dict[str, Any] = {f"total_{key}": value for key, value in self.own.items()}
        if "cost_usd" in everything:
            found["total_cost_usd"] = everything["cost_usd"]
        found["total_steps"] = step_count
        if everything:
            found["extra"] = {"nemo_relay": {"with_subagents": everything}}
        return found


def final(steps: Iterable[Mapping[str, Any]], children: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The totals of a trajectory from its steps and the documents of its sub-agents."""
    steps = list(steps)
    nested = [_with_children(child["final_metrics"]) for child in children]
    own = _sums(mapping(step, "metrics") for step in steps)
    return Totals(own, _sums(nested) if any(nested) else None).final(len(steps))


def _with_children(totals: Mapping[str, Any]) -> Mapping[str, Any]:
    inclusive = mapping(totals, "extra", "nemo_relay", "with_subagents")
    return inclusive or {key: totals[f"total_{key}"] for key in _TOTALS if f"total_{key}" in totals}


def _sums(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    totals: dict[str, Any] = {}
    for row in rows:
        for key in _TOTALS:
            if key in row:
                totals[key] = totals.get(key, 0) + row[key]
    return {key: totals[key] for key in _TOTALS if key in totals}


def _pick(names: tuple[str, ...], *places: Mapping[str, Any]) -> int | None:
    counts = (_count(place[name]) for place in places for name in names if name in place)
    return next((count for count in counts if count is not None), None)


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None


def _excludes_cache(span: Span, raw: Mapping[str, Any]) -> bool:
    """Anthropic's and Amazon's own counts: those that no cache served, so cached ones come on top."""
    annotation = mapping(span.end, "category_profile", "annotated_response", "api_specific")
    native = any(key in raw and not names.isdisjoint(raw) for key, names in _BESIDE.items())
    return native or annotation.get("api") in _BESIDE_APIS


def _completion(annotated: Mapping[str, Any], raw: Mapping[str, Any]) -> int | None:
    """Everything that the model produced; some providers state its thoughts beside what it said."""
    stated = _pick(_COMPLETION, annotated, raw)
    thoughts = _pick(("thoughtsTokenCount",), raw)
    if thoughts is not None:
        return thoughts + (stated or 0)
    prompt, total = _pick(_PROMPT, annotated, raw), _pick(("total_tokens",), annotated, raw)
    thoughts = _pick(("reasoning_tokens",), *(mapping(raw, key) for key in _THOUGHTS), raw)
    beside = stated is not None and prompt is not None and thoughts and total == prompt + stated + thoughts
    return stated + thoughts if beside and stated is not None and thoughts is not None else stated


def _cost(annotated: Mapping[str, Any], raw: Mapping[str, Any]) -> float | None:
    estimated, reported = _in_dollars(annotated.get("cost")), _in_dollars(raw.get("cost"))
    ticks = _amount(raw.get("cost_in_usd_ticks"))
    known = (estimated, _amount(raw.get("cost_usd")), reported, None if ticks is None else ticks * _USD_PER_TICK)
    return next((amount for amount in known if amount is not None), None)


def _in_dollars(value: Any) -> float | None:
    """A cost's amount, if it surely is in US dollars: a bare number, as routers report it, or an object."""
    if (bare := _amount(value)) is not None:
        return bare
    cost = mapping(value)
    currency = cost.get("currency")
    if currency is None:
        sure = any(key in cost for key in _COST_TOTALS) or cost.get("source") in ("provider_reported", "model_pricing")
    else:
        sure = isinstance(currency, str) and currency.upper() == "USD"
    if not sure:
        return None
    total = next((amount for key in _COST_TOTALS if (amount := _amount(cost.get(key))) is not None), None)
    parts = [amount for key in _COST_PARTS if (amount := _amount(cost.get(key))) is not None]
    return total if total is not None else (sum(parts) if parts else None)


def _amount(value: Any) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if number else None


def _numbers(key: str, value: Any) -> bool:
    kinds = (int, float) if key == "logprobs" else int
    if not isinstance(value, list):
        return False
    return all(isinstance(item, kinds) and not isinstance(item, bool) for item in value)


def _rest(usage: Mapping[str, Any], write: int | None, priced: bool) -> dict[str, Any]:
    known = {*_PROMPT, *_COMPLETION, *_READ, *_WRITE, *_DETAILS}
    known.update(key for key in _LISTS if _numbers(key, usage.get(key)))
    if priced:
        known.update(_COST)
    rest = {key: value for key, value in usage.items() if key not in known and value is not None}
    for key in _DETAILS:
        more = {name: value for name, value in mapping(usage, key).items() if name not in _READ_BELOW}
        if more:
            rest[key] = more
    if write is not None:
        rest["cache_write_tokens"] = write
    return rest
