# SPDX-License-Identifier: Apache-2.0
"""Prices of models: the configuration of the ``pricing`` component, and what a response cost.

With the component active, every normalised response with usage carries its cost, in the annotation and in the end
event of its call:

>>> from nemo_relay import model_pricing as mp
>>> rates = mp.TokenPricingRates(input_per_million=2.0, output_per_million=8.0)
>>> entry = mp.ModelPricing("acme", "m-1", "2026-01-01", "https://acme.example/prices", rates=rates)
>>> config = mp.PricingConfig([mp.InlineSource(mp.PricingCatalog([entry]))])
>>> mp.validate_config(config)
{'diagnostics': []}

A model is looked up by its exact name, then without the suffix that tells its snapshots apart (``m-1-2026-01-31``
finds ``m-1``). `BundledSource` adds a maintained catalogue of public prices (the extra ``pricing``).
"""

from __future__ import annotations

from nemo_relay_codecs.prices.config import (
    PRICING_PLUGIN_KIND,
    BundledSource,
    ComponentSpec,
    ConfigDiagnostic,
    ConfigReport,
    CostTotals,
    FileSource,
    InlineSource,
    ModelPricing,
    Priced,
    PricingCatalog,
    PricingConfig,
    PromptCachePricing,
    PromptTokenThresholdRateSchedule,
    TokenPricingRates,
    TokenRateTier,
    price,
    validate_config,
)

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
