# SPDX-License-Identifier: Apache-2.0
"""The ``resource_metrics`` component, for the plugin host: checking its configuration and activating it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay.errors import InvalidArgument, InvalidConfig
from nemo_relay_resources.collector import Collector
from nemo_relay_resources.config import InvalidResourceConfig, Settings, parse
from nemo_relay_resources.polling import Poller

KIND = "resource_metrics"
JsonObject = dict[str, Any]

_active: Collector | None = None  # who answers collect()


def diagnose(config: JsonObject) -> list[JsonObject]:
    """The diagnostics of a configuration, empty for a good one."""
    try:
        parse(config)
    except InvalidResourceConfig as error:
        return [
            {
                "level": "error",
                "code": "resource_metrics.invalid_config",
                "component": KIND,
                "message": f"invalid resource metrics config: {error}",
            }
        ]
    return []


def activate(config: JsonObject) -> Callable[[], None]:
    """Answer ``collect()``, and poll if asked to; the result ends both.

    Raises:
        InvalidConfig: the configuration is wrong (a ValueError).
    """
    global _active
    try:
        settings = parse(config)
    except InvalidResourceConfig as error:
        raise InvalidConfig(f"invalid resource metrics config: {error}") from None
    import psutil

    mine = _active = Collector(settings, psutil)
    poller = _poller(settings, psutil)

    def end() -> None:
        global _active
        if poller is not None:
            poller.stop()
        if _active is mine:
            _active = None

    return end


def collect() -> JsonObject:
    """One snapshot as JSON.

    Raises:
        InvalidArgument: no component is active (a RuntimeError).
    """
    if _active is None:
        raise InvalidArgument("resource_metrics.collect() requires an active resource_metrics component")
    return _active.collect()


def _poller(settings: Settings, library: Any) -> Poller | None:
    if not settings.polling:
        return None
    poller = Poller(settings, Collector(settings, library))
    poller.start()
    return poller
