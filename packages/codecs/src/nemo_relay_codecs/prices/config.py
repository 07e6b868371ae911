# SPDX-License-Identifier: Apache-2.0
"""Prices of models: the configuration of the ``pricing`` component, and what a response cost.

With the component active, every normalised response with usage carries its cost, in the annotation and in the end
event of its call:

>>> from nemo_relay_codecs.prices import config as mp
>>> rates = mp.TokenPricingRates(input_per_million=2.0, output_per_million=8.0)
>>> entry = mp.ModelPricing("acme", "m-1", "2026-01-01", "https://acme.example/prices", rates=rates)
>>> config = mp.PricingConfig([mp.InlineSource(mp.PricingCatalog([entry]))])
>>> mp.validate_config(config)
{'diagnostics': []}

A model is looked up by its exact name, then without the suffix that tells its snapshots apart (``m-1-2026-01-31``
finds ``m-1``). `BundledSource` adds a maintained catalogue of public prices (the extra ``pricing``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeAlias, TypedDict

from nemo_relay_codecs.prices.component import KIND, diagnose
from nemo_relay_codecs.prices.price import CostTotals, Priced, price

__all__ = [
    "PRICING_PLUGIN_KIND",
    "BundledSource",
    "ComponentSpec",
    "ConfigDiagnostic",
    "ConfigReport",
    "CostTotals",
    "FileSource",
    "InlineSource",
    "ModelPricing",
    "Priced",
    "PricingCatalog",
    "PricingConfig",
    "PromptCachePricing",
    "PromptTokenThresholdRateSchedule",
    "TokenPricingRates",
    "TokenRateTier",
    "price",
    "validate_config",
]

PRICING_PLUGIN_KIND = KIND
_Unit: TypeAlias = Literal["per_token", "per_request", "per_second", "gpu_hour"]


class _DiagnosticBase(TypedDict):
    level: Literal["warning", "error"]
    code: str
    message: str


class ConfigDiagnostic(_DiagnosticBase, total=False):
    """One finding about a configuration."""

    component: str
    field: str


class ConfigReport(TypedDict):
    """The findings about a configuration; an empty list means that it is good."""

    diagnostics: list[ConfigDiagnostic]


def _plain(value: Any) -> Any:
    """JSON of a configuration value; members of objects that are None are left out, list elements are not."""
    convert = getattr(value, "to_dict", None)
    if callable(convert) and not isinstance(value, type):
        return _plain(convert())
    if is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _object(**members: Any) -> dict[str, Any]:
    out: dict[str, Any] = _plain(members)
    return out


@dataclass(slots=True)
class TokenPricingRates:
    """Prices per million tokens, in the currency of their entry."""

    input_per_million: float
    output_per_million: float
    cache_read_per_million: float | None = None
    cache_write_per_million: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(
            input_per_million=self.input_per_million,
            output_per_million=self.output_per_million,
            cache_read_per_million=self.cache_read_per_million,
            cache_write_per_million=self.cache_write_per_million,
        )


@dataclass(slots=True)
class PromptCachePricing:
    """Whether the provider counts cache reads among the prompt tokens, or beside them (``"separate"``)."""

    read_accounting: Literal["included_in_prompt_tokens", "separate"] = "included_in_prompt_tokens"

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(read_accounting=self.read_accounting)


@dataclass(slots=True)
class TokenRateTier:
    """Rates for requests whose prompt has a size, in tokens, within inclusive bounds."""

    rates: TokenPricingRates
    min_prompt_tokens: int | None = None
    max_prompt_tokens: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(
            min_prompt_tokens=self.min_prompt_tokens, max_prompt_tokens=self.max_prompt_tokens, rates=self.rates
        )


@dataclass(slots=True)
class PromptTokenThresholdRateSchedule:
    """Rates by prompt size; the first tier that fits prices the whole request."""

    tiers: list[TokenRateTier] = field(default_factory=list)
    applies_to: Literal["full_request"] = "full_request"

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(type="prompt_token_threshold", applies_to=self.applies_to, tiers=self.tiers)


@dataclass(slots=True)
class ModelPricing:
    """The prices of one model of one provider, and where they come from."""

    provider: str
    model_id: str
    pricing_as_of: str
    pricing_source: str
    aliases: list[str] = field(default_factory=list)
    currency: str = "USD"
    unit: _Unit = "per_token"
    rates: TokenPricingRates | None = None
    rate_schedule: PromptTokenThresholdRateSchedule | None = None
    prompt_cache: PromptCachePricing = field(default_factory=PromptCachePricing)

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(
            provider=self.provider,
            model_id=self.model_id,
            aliases=self.aliases,
            currency=self.currency,
            unit=self.unit,
            rates=self.rates,
            rate_schedule=self.rate_schedule,
            prompt_cache=self.prompt_cache,
            pricing_as_of=self.pricing_as_of,
            pricing_source=self.pricing_source,
        )


@dataclass(slots=True)
class PricingCatalog:
    """A list of prices."""

    entries: list[ModelPricing | dict[str, Any]] = field(default_factory=list)
    version: int = 1

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(version=self.version, entries=self.entries)


@dataclass(slots=True)
class InlineSource:
    """A catalogue inside the configuration."""

    catalog: PricingCatalog | dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(type="inline", catalog=self.catalog)


@dataclass(slots=True)
class FileSource:
    """A catalogue in a JSON file, read when the component is activated."""

    path: str

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(type="file", path=self.path)


@dataclass(slots=True)
class BundledSource:
    """The catalogue of the installed `genai-prices` library; put it last, so that your own prices come first."""

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(type="bundled")


@dataclass(slots=True)
class PricingConfig:
    """Catalogues in order of precedence."""

    sources: list[InlineSource | FileSource | BundledSource | dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(sources=self.sources)


@dataclass(slots=True)
class ComponentSpec:
    """The ``pricing`` component of a plugin document."""

    config: PricingConfig | dict[str, Any]
    enabled: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The document form."""
        return _object(kind=PRICING_PLUGIN_KIND, enabled=self.enabled, config=self.config)


def validate_config(config: PricingConfig | Mapping[str, Any]) -> ConfigReport:
    """Check a configuration without activating it; files it names are read.

    Raises:
        ValueError: ``config`` is not an object at all.
    """
    view = _plain(config)
    if not isinstance(view, Mapping):
        shown = f'string "{view}"' if isinstance(view, str) else f"{type(view).__name__} `{view}`"
        raise ValueError(f"invalid type: {shown}, expected a map")
    return {"diagnostics": diagnose(view)}  # type: ignore[typeddict-item]
