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
finds ``m-1``). `BundledSource` adds a maintained catalogue of public prices (``pip install "nemo-relay[pricing]"``).
"""

from __future__ import annotations

from nemo_relay_codecs.prices.config import (
    PRICING_PLUGIN_KIND as PRICING_PLUGIN_KIND,
)
from nemo_relay_codecs.prices.config import (
    BundledSource as BundledSource,
)
from nemo_relay_codecs.prices.config import (
    ComponentSpec as ComponentSpec,
)
from nemo_relay_codecs.prices.config import (
    ConfigDiagnostic as ConfigDiagnostic,
)
from nemo_relay_codecs.prices.config import (
    ConfigReport as ConfigReport,
)
from nemo_relay_codecs.prices.config import (
    CostTotals as CostTotals,
)
from nemo_relay_codecs.prices.config import (
    FileSource as FileSource,
)
from nemo_relay_codecs.prices.config import (
    InlineSource as InlineSource,
)
from nemo_relay_codecs.prices.config import (
    ModelPricing as ModelPricing,
)
from nemo_relay_codecs.prices.config import (
    Priced as Priced,
)
from nemo_relay_codecs.prices.config import (
    PricingCatalog as PricingCatalog,
)
from nemo_relay_codecs.prices.config import (
    PricingConfig as PricingConfig,
)
from nemo_relay_codecs.prices.config import (
    PromptCachePricing as PromptCachePricing,
)
from nemo_relay_codecs.prices.config import (
    PromptTokenThresholdRateSchedule as PromptTokenThresholdRateSchedule,
)
from nemo_relay_codecs.prices.config import (
    TokenPricingRates as TokenPricingRates,
)
from nemo_relay_codecs.prices.config import (
    TokenRateTier as TokenRateTier,
)
from nemo_relay_codecs.prices.config import (
    price as price,
)
from nemo_relay_codecs.prices.config import (
    validate_config as validate_config,
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
