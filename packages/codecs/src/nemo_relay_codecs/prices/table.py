# SPDX-License-Identifier: Apache-2.0
"""The active price table: which entry a model has, and what a usage costs by it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from nemo_relay_codecs.prices.billing import Call, billed

JsonObject = dict[str, Any]
UNKNOWN = Call()
Key = tuple[str | None, str]

# What providers append to a model's name to tell its snapshots apart: a date, a version, a channel.
_SNAPSHOT = re.compile(r"(?:[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6}|\d{2}-\d{2}|\d{4})|[-:](?:latest|v\d+(?::\d+)?))$")


class Catalog(Protocol):
    """A source of prices."""

    def find(self, keys: Sequence[Key]) -> JsonObject | None:
        """The entry for the first key that has one."""
        ...


class IndexedCatalog:
    """The entries of one document, by normalised provider and model."""

    __slots__ = ("_by_model", "_by_pair")

    def __init__(self, entries: Iterable[JsonObject]) -> None:
        self._by_pair: dict[tuple[str, str], JsonObject] = {}
        self._by_model: dict[str, JsonObject] = {}
        for entry in entries:
            provider = normalised_provider(entry["provider"]) or ""
            for name in (entry["model_id"], *entry.get("aliases", ())):
                model = name.strip().lower()
                self._by_pair.setdefault((provider, model), entry)
                self._by_model.setdefault(model, entry)

    def find(self, keys: Sequence[Key]) -> JsonObject | None:
        """The entry for the first key that has one."""
        for provider, model in keys:
            entry = self._by_model.get(model) if provider is None else self._by_pair.get((provider, model))
            if entry is not None:
                return entry
        return None


class _Active(NamedTuple):
    catalogs: tuple[Catalog, ...]


_active = _Active(())


def activate(catalogs: Iterable[Catalog]) -> object:
    """Make ``catalogs`` the price table of the process, in this order of precedence; the result stands for it."""
    global _active
    _active = _Active(tuple(catalogs))
    return _active


def deactivate(made: object = None) -> None:
    """Empty the price table; given what ``activate`` made, only if that is still the one."""
    if made is None or made is _active:
        activate(())


def is_active() -> bool:
    """Whether there is a price table at all."""
    return bool(_active.catalogs)


def normalised_provider(provider: str | None) -> str | None:
    """A provider's name as keys have it, None if nothing is left of it."""
    return (provider or "").strip().strip("/").lower() or None


def keys_for(provider: str | None, model: str) -> list[Key]:
    """The lookup keys of a model, most specific first."""
    parts = [p for p in (part.strip() for part in model.strip().lower().split("/")) if p]
    if not parts:
        return []
    named = normalised_provider(provider)
    keys: list[Key] = []
    if named is not None:
        keys += [(named, model.strip().lower()), (named, parts[-1])]
    elif len(parts) > 1:
        keys.append(("/".join(parts[:-1]), parts[-1]))
    keys += [(None, "/".join(parts[i:])) for i in range(len(parts))]
    return list(dict.fromkeys(keys))


def find(provider: str | None, model: str) -> JsonObject | None:
    """The entry for a model: its exact name in catalogue order, then its name without snapshot suffix."""
    catalogs = _active.catalogs
    name = model
    while name:
        keys = keys_for(provider, name)
        for catalog in catalogs:
            entry = catalog.find(keys)
            if entry is not None:
                return entry
        shorter = _SNAPSHOT.sub("", name)
        if shorter == name:
            return None
        name = shorter
    return None


def estimate(provider: str | None, model: str, usage: Mapping[str, Any], call: Call = UNKNOWN) -> JsonObject | None:
    """The cost of ``usage`` (normalised counts) in the active table, None if the model has no price there."""
    entry = find(provider, model)
    return None if entry is None else cost_of(entry, usage, call)


def rounded(amount: float) -> float:
    """To 12 decimals, half away from zero."""
    scaled = amount * 1e12
    if not math.isfinite(scaled) or abs(scaled) >= 2**53:
        return amount
    return math.copysign(math.floor(abs(scaled) + 0.5), scaled) / 1e12


def cost_of(entry: JsonObject, usage: Mapping[str, Any], call: Call = UNKNOWN) -> JsonObject | None:
    """The cost of ``usage`` by one entry's rates, None if they do not apply.

    Args:
        entry: an entry of a catalogue.
        usage: normalised counts.
        call: how it was made, as far as that is known.
    """
    counts, factor = billed(entry, usage, call), call.factor
    rates = _rates(entry, counts.prompt)
    if rates is None or factor is None or not any(counts[1:]):
        return None
    amounts, complete = counts.amounts(rates)
    out: JsonObject = {kind: rounded(amount * factor) for kind, amount in amounts.items()}
    if complete:
        out = {"total": rounded(sum(out.values())), **out}
    return {
        **out,
        "currency": entry.get("currency", "USD"),
        "source": "model_pricing",
        "pricing_provider": entry["provider"],
        "pricing_model": entry["model_id"],
        "pricing_as_of": entry["pricing_as_of"],
        "pricing_source": entry["pricing_source"],
    }


def _rates(entry: JsonObject, prompt: int | None) -> JsonObject | None:
    if entry.get("unit", "per_token") != "per_token":
        return None
    schedule = entry.get("rate_schedule")
    if schedule is None:
        return entry.get("rates")
    if prompt is None:
        return None
    for tier in schedule["tiers"]:
        low, high = tier.get("min_prompt_tokens"), tier.get("max_prompt_tokens")
        if (low is None or low <= prompt) and (high is None or prompt <= high):
            rates: JsonObject = tier["rates"]
            return rates
    return None
