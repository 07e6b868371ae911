# SPDX-License-Identifier: Apache-2.0
"""The ``pricing`` component, for the plugin host: checking its configuration and activating it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay._pricing import table
from nemo_relay._pricing.document import PricingConfigError, catalogs

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
        ValueError: ``invalid config: invalid model pricing config: ...``
    """
    from nemo_relay.errors import InvalidConfig

    try:
        table.activate(catalogs(config))
    except PricingConfigError as error:
        raise InvalidConfig(f"invalid model pricing config: {error}") from None
    return table.deactivate
