# SPDX-License-Identifier: Apache-2.0
"""The library behind the numbers, loaded when a component is activated."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nemo_relay.errors import MissingExtra


def psutil() -> Any:
    """The module ``psutil``.

    Raises:
        MissingExtra: it is not installed (an ImportError).
    """
    try:
        return import_module("psutil")
    except ModuleNotFoundError:
        raise MissingExtra("the resource_metrics component", "psutil", "resources") from None
