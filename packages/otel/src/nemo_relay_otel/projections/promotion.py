# SPDX-License-Identifier: Apache-2.0
"""Metadata that becomes attributes, of spans or of the resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemo_relay_otel.records import Attribute
from nemo_relay_otel.values import attribute

_RESERVED = tuple(
    f"{name}."
    for name in (
        "error exception gen_ai input llm nemo_relay openinference output server service session tool tool_call user"
    ).split()
)
Report = Callable[[str, str], None]


def promoted(
    metadata: Mapping[str, Any], prefixes: tuple[str, ...], report: Report, what: str = "metadata"
) -> dict[str, Attribute]:
    """The values whose keys begin with one of ``prefixes``; what cannot be an attribute is reported."""
    found: dict[str, Attribute] = {}
    if not prefixes:
        return found
    for key, value in metadata.items():
        if not key.startswith(prefixes):
            continue
        if key == "metadata" or key.startswith(_RESERVED):
            made, reason = None, "attribute key is reserved by Relay or an OpenTelemetry projection"
        else:
            made, reason = attribute(value)
        if made is None:
            report(
                f"otel.{what}_promotion_value_unsupported.{key}",
                f'OpenTelemetry {what} attribute "{key}" was not promoted: {reason}',
            )
        else:
            found[key] = made
    return found
