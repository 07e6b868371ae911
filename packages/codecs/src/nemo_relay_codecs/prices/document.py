# SPDX-License-Identifier: Apache-2.0
"""The pricing configuration document: reading, checking, and the catalogues it names."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nemo_relay_codecs import json_shapes
from nemo_relay_codecs.errors import PricingConfigError
from nemo_relay_codecs.prices.table import Catalog, IndexedCatalog, normalised_provider

JsonObject = dict[str, Any]
_U64_MAX = 2**64 - 1
_UNITS = ("per_token", "per_request", "per_second", "gpu_hour")
_RATES = ("input_per_million", "output_per_million", "cache_read_per_million", "cache_write_per_million")


def catalogs(config: Any) -> list[Catalog]:
    """The catalogues of a document, files read.

    Raises:
        PricingConfigError: the document, or a file it names, is refused.
    """
    config = _object(config, ("sources",))
    sources = config.get("sources")
    return [_source(source) for source in _list(sources)] if sources is not None else []


def _source(source: Any) -> Catalog:
    source = _mapping(source)
    kind = _variant(_required(source, "type"), ("inline", "file", "bundled"))
    if kind == "inline":
        source = _object(source, ("type", "catalog"))
        return IndexedCatalog(_catalog(_required(source, "catalog")))
    if kind == "file":
        source = _object(source, ("type", "path"))
        return IndexedCatalog(_file(_text(_required(source, "path"))))
    _object(source, ("type",))
    from nemo_relay_codecs.prices.bundled import BundledCatalog

    return BundledCatalog()


def _file(path: str) -> list[JsonObject]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PricingConfigError(f"invalid model pricing catalog JSON: {error}") from None
    except OSError as error:
        number = error.errno or 0
        reason = f"{os.strerror(number)} (os error {number})"
        raise PricingConfigError(f"could not read model pricing catalog file '{path}': {reason}") from None
    except ValueError as error:  # a NUL in the path
        raise PricingConfigError(f"could not read model pricing catalog file {path!r}: {error}") from None
    try:
        return _catalog(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise PricingConfigError(f"invalid model pricing catalog JSON: {error}") from None
    except PricingConfigError as error:
        raise PricingConfigError(_as_file_error(str(error))) from None


def _as_file_error(reason: str) -> str:
    """Parser complaints about a file say that they are about its JSON; semantic ones stand for themselves."""
    parser = ("unknown ", "missing field ", "invalid type", "invalid value")
    return f"invalid model pricing catalog JSON: {reason}" if reason.startswith(parser) else reason


def _catalog(value: Any) -> list[JsonObject]:
    value = _object(value, ("version", "entries"))
    version = _count(_required(value, "version"))
    entries = [_entry(entry) for entry in _list(_required(value, "entries"))]
    if version != 1:
        raise PricingConfigError(f"unsupported model pricing catalog version {version}")
    seen: set[tuple[str, str]] = set()
    for position, entry in enumerate(entries):
        _check_entry(position, entry)
        provider = normalised_provider(entry["provider"]) or ""
        for name in (entry["model_id"], *entry["aliases"]):
            key = (provider, name.strip().lower())
            if key in seen:
                raise PricingConfigError(f"duplicate model pricing alias '{key[0]}/{key[1]}'")
            seen.add(key)
    return entries


def _entry(value: Any) -> JsonObject:
    required = ("provider", "model_id", "prompt_cache", "pricing_as_of", "pricing_source")
    value = _object(value, (*required, "aliases", "currency", "unit", "rates", "rate_schedule"))
    cache = _object(_required(value, "prompt_cache"), ("read_accounting",))
    accounting = _variant(_required(cache, "read_accounting"), ("included_in_prompt_tokens", "separate"))
    out: JsonObject = {key: _text(_required(value, key)) for key in required if key != "prompt_cache"}
    out["prompt_cache"] = {"read_accounting": accounting}
    out["aliases"] = [_text(alias) for alias in _list(value.get("aliases", []))]
    out["currency"] = _text(value.get("currency", "USD"))
    out["unit"] = _variant(value.get("unit", "per_token"), _UNITS)
    if value.get("rates") is not None:
        out["rates"] = _rates(value["rates"])
    if value.get("rate_schedule") is not None:
        out["rate_schedule"] = _schedule(value["rate_schedule"])
    return out


def _rates(value: Any) -> JsonObject:
    value = _object(value, _RATES)
    for key in _RATES[:2]:
        _required(value, key)
    return {key: _number(value[key]) for key in _RATES if value.get(key) is not None}


def _schedule(value: Any) -> JsonObject:
    value = _mapping(value)
    _variant(_required(value, "type"), ("prompt_token_threshold",))
    value = _object(value, ("type", "applies_to", "tiers"))
    _variant(value.get("applies_to", "full_request"), ("full_request",))
    return {"tiers": [_tier(tier) for tier in _list(_required(value, "tiers"))]}


def _tier(value: Any) -> JsonObject:
    value = _object(value, ("min_prompt_tokens", "max_prompt_tokens", "rates"))
    bounds = ("min_prompt_tokens", "max_prompt_tokens")
    out = {key: _count(value[key]) for key in bounds if value.get(key) is not None}
    return {**out, "rates": _rates(_required(value, "rates"))}


def _check_entry(position: int, entry: JsonObject) -> None:
    name = f"model pricing entry {position}"
    for key in ("provider", "model_id", "currency", "pricing_as_of", "pricing_source"):
        if not entry[key].strip():
            raise PricingConfigError(f"{name} has empty {key}")
    rates, schedule = entry.get("rates"), entry.get("rate_schedule")
    if entry["unit"] == "per_token" and rates is None and schedule is None:
        raise PricingConfigError(f"{name} has empty rates or rate_schedule")
    if rates is not None:
        _check_rates(name, "rates", rates)
    if schedule is not None:
        _check_schedule(name, schedule["tiers"])


def _check_rates(name: str, path: str, rates: JsonObject) -> None:
    for key, rate in rates.items():
        if rate < 0 or not math.isfinite(rate):
            raise PricingConfigError(f"{name} has invalid {path}.{key}: {rate:g}")


def _check_schedule(name: str, tiers: list[JsonObject]) -> None:
    if not tiers:
        raise PricingConfigError(f"{name} has empty rate_schedule.tiers")
    for position, tier in enumerate(tiers):
        low, high = tier.get("min_prompt_tokens"), tier.get("max_prompt_tokens")
        if low is not None and high is not None and low > high:
            raise PricingConfigError(f"{name} has invalid rate_schedule.tiers.prompt_tokens: {low}")
        _check_rates(name, f"rate_schedule.tiers[{position}].rates", tier["rates"])


# -- readers of a document ------------------------------------------------------------------------------------------


def _wrong(value: Any, expected: str) -> PricingConfigError:
    return PricingConfigError(json_shapes.unexpected(value, expected))


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise _wrong(value, "a map")


def _object(value: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
    for key in _mapping(value):
        if key not in known:
            raise PricingConfigError(json_shapes.unknown_field(key, known))
    return _mapping(value)


def _required(value: Mapping[str, Any], key: str) -> Any:
    if key not in value:
        raise PricingConfigError(f"missing field `{key}`")
    return value[key]


def _typed(value: Any, check: Callable[[Any], bool], expected: str) -> Any:
    if check(value):
        return value
    raise _wrong(value, expected)


def _text(value: Any) -> str:
    return str(_typed(value, lambda v: isinstance(v, str), "a string"))


def _list(value: Any) -> list[Any]:
    return list(_typed(value, lambda v: isinstance(v, list | tuple), "a sequence"))


def _number(value: Any) -> float:
    return float(_typed(value, lambda v: isinstance(v, int | float) and not isinstance(v, bool), "f64"))


def _count(value: Any) -> int:
    return int(_typed(value, lambda v: type(v) is int and 0 <= v <= _U64_MAX, "u64"))


def _variant(value: Any, known: tuple[str, ...]) -> str:
    text = _text(value)
    if text in known:
        return text
    raise PricingConfigError(json_shapes.unknown_variant(text, known))
