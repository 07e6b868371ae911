# SPDX-License-Identifier: Apache-2.0
"""The configuration of prices: what is wrong with one, and making it the price table of the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay_codecs.errors import PricingConfigError
from nemo_relay_codecs.prices import table
from nemo_relay_codecs.prices.document import catalogs

KIND = "pricing"
JsonObject = dict[str, Any]


def diagnose(config: Any) -> list[JsonObject]:
    """The diagnostics of a configuration, empty for a good one. Files it names are read; nothing is activated."""
    try:
        catalogs(config)
    except PricingConfigError as error:
        return [
            {
                "level": "error",
                "code": "pricing.invalid_config",
                "component": KIND,
                "message": f"invalid model pricing config: {error}",
            }
        ]
    return []


def activate(config: Any) -> Callable[[], None]:
    """Make the catalogues of ``config`` the price table of the process; the result empties it again.

    Raises:
        PricingConfigError: the document, or a file it names, is refused (a ValueError).
    """
    made = table.activate(catalogs(config))
    return lambda: table.deactivate(made)  # a later document may have put another in its place
