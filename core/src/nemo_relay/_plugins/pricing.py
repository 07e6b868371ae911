# SPDX-License-Identifier: Apache-2.0
"""The ``pricing`` component, for the plugin host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay.errors import InvalidConfig
from nemo_relay_codecs.errors import PricingConfigError
from nemo_relay_codecs.prices import component
from nemo_relay_codecs.prices.component import diagnose as diagnose


def activate(config: Any) -> Callable[[], None]:
    """Make the catalogues of ``config`` the price table of the process; the result empties it again.

    Raises:
        InvalidConfig: ``invalid config: invalid model pricing config: ...`` (a ValueError).
    """
    try:
        return component.activate(config)
    except PricingConfigError as error:
        raise InvalidConfig(f"invalid model pricing config: {error}") from None
