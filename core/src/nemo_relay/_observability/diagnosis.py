# SPDX-License-Identifier: Apache-2.0
"""What there is to say about a configuration of the component. Nothing is opened or sent."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def diagnose(config: JsonObject) -> list[JsonObject]:
    """The diagnostics of ``config``."""
    return []
