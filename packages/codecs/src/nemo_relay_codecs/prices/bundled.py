# SPDX-License-Identifier: Apache-2.0
"""The bundled catalogue: prices from `genai-prices`, which its maintainers keep current.

It needs the extra ``pricing``. The data ship with that library; nothing is downloaded.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from nemo_relay_codecs.errors import PricingConfigError
from nemo_relay_codecs.prices.table import JsonObject, Key

# How this package names providers, where the library has another id for them.
_PROVIDERS = {
    "bedrock": "aws",
    "amazon": "aws",
    "azure_openai": "azure",
    "gemini": "google",
    "vertex": "google",
    "vertex_ai": "google",
    "xai": "x-ai",
    "mistralai": "mistral",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
}
# Anthropic and Bedrock state input tokens without the cached ones.
_SEPARATE = frozenset(("anthropic", "aws"))
_RATES = {
    "input_per_million": "input_mtok",
    "output_per_million": "output_mtok",
    "cache_read_per_million": "cache_read_mtok",
    "cache_write_per_million": "cache_write_mtok",
    "cache_write_1h_per_million": "cache_write_1h_mtok",
    "input_audio_per_million": "input_audio_mtok",
    "output_audio_per_million": "output_audio_mtok",
}
_LARGEST_CACHE = 4096  # model names come from outside; unknown ones must not grow memory without end


class BundledCatalog:
    """Prices of the models that `genai-prices` knows, by its own matching of names.

    Raises:
        PricingConfigError: the library is not installed.
    """

    def __init__(self) -> None:
        try:
            import genai_prices
            from genai_prices import data_snapshot
        except ImportError as error:
            hint = 'the bundled catalogue needs genai-prices: pip install --find-links dist "nemo-relay[pricing]>=0.12"'
            raise PricingConfigError(f"{hint} ({error})") from None
        self._snapshot: Any = data_snapshot.get_snapshot()
        self._source = f"genai-prices {getattr(genai_prices, '__version__', '') or _installed_version()}"
        self._known: dict[Key, JsonObject | None] = {}
        self._lock = threading.Lock()

    def find(self, keys: Sequence[Key]) -> JsonObject | None:
        """The entry for the first key that has one."""
        for key in keys:
            with self._lock:
                if key not in self._known:
                    if len(self._known) >= _LARGEST_CACHE:
                        self._known.clear()
                    self._known[key] = self._look_up(*key)
                entry = self._known[key]
            if entry is not None:
                return entry
        return None

    def _look_up(self, provider: str | None, model: str) -> JsonObject | None:
        named = None if provider is None else _PROVIDERS.get(provider, provider.partition("/")[0])
        try:
            found, info = self._snapshot.find_provider_model(model, None, named, None)
            prices = info.get_prices(datetime.now(UTC))
        except LookupError:
            return None
        return self._entry(found.id, info.id, prices)

    def _entry(self, provider: str, model: str, prices: Any) -> JsonObject | None:
        stated = {name: getattr(prices, key, None) for name, key in _RATES.items()}
        if stated["input_per_million"] is None and stated["output_per_million"] is None:
            return None
        accounting = "separate" if provider in _SEPARATE else "included_in_prompt_tokens"
        timestamp = getattr(self._snapshot, "timestamp", None)
        return {
            "provider": provider,
            "model_id": model,
            "aliases": [],
            "currency": "USD",
            "unit": "per_token",
            "prompt_cache": {"read_accounting": accounting},
            "pricing_as_of": timestamp.date().isoformat() if isinstance(timestamp, datetime) else "bundled",
            "pricing_source": self._source,
            **_rate_members(stated),
        }


def _rate_members(stated: dict[str, Any]) -> JsonObject:
    starts = sorted({tier.start for price in stated.values() for tier in getattr(price, "tiers", ())})
    if not starts:
        return {"rates": _rates_at(stated, 0)}
    bounds = [0, *starts]
    tiers = []
    for position, low in enumerate(bounds):
        # A tier applies to requests above its start.
        tier: JsonObject = {"rates": _rates_at(stated, low + 1 if low else 0)}
        if low:
            tier["min_prompt_tokens"] = low + 1
        if position + 1 < len(bounds):
            tier["max_prompt_tokens"] = bounds[position + 1]
        tiers.append(tier)
    return {"rate_schedule": {"tiers": tiers}}


def _rates_at(stated: dict[str, Any], prompt: int) -> JsonObject:
    out: JsonObject = {"input_per_million": 0.0, "output_per_million": 0.0}
    for name, price in stated.items():
        if price is None:
            continue
        amount = price if isinstance(price, Decimal) else price.base
        for tier in getattr(price, "tiers", ()):
            if prompt > tier.start:
                amount = tier.price
        out[name] = float(amount)
    return out


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("genai-prices")
    except PackageNotFoundError:
        return "unknown"
