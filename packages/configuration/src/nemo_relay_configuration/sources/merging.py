# SPDX-License-Identifier: Apache-2.0
"""Laying one layer over another.

Components meet by their kind, and tables are merged. A list that stands directly in a component's config, and a list of
destinations of ``observability``, is joined with the one below, the higher layer's entries first; everything else is
replaced.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from nemo_relay_configuration.documents import JsonObject

# Lists further down that name where events go: a layer adds to them.
_JOINED = {
    "observability": {
        ("atof", "sinks"),
        ("atif", "storage"),
        ("opentelemetry", "traces"),
        ("opentelemetry", "endpoints"),
        ("opentelemetry", "file_sinks"),
        ("opentelemetry", "console_sinks"),
        ("opentelemetry", "logs", "endpoints"),
        ("opentelemetry", "metrics", "endpoints"),
    }
}


def merge_components(lower: list[JsonObject], higher: list[JsonObject]) -> None:
    """Lay ``higher`` over ``lower``: the first of a kind meets the one that is there, further ones are added."""
    free = {component["kind"]: component for component in lower}
    for component in higher:
        below = free.pop(component["kind"], None)
        if below is None:
            lower.append(deepcopy(component))
            continue
        merge(below, {key: value for key, value in component.items() if key != "config"})
        joined = _JOINED.get(component["kind"], set())
        below["config"] = _config(below.get("config", {}), component.get("config", {}), joined, ())


def merge(lower: JsonObject, higher: JsonObject) -> None:
    """Lay the table ``higher`` over ``lower``."""
    for key, value in higher.items():
        if isinstance(value, dict) and isinstance(lower.get(key), dict):
            merge(lower[key], value)
        else:
            lower[key] = deepcopy(value)


def _config(lower: Any, higher: Any, joined: set[tuple[str, ...]], path: tuple[str, ...]) -> Any:
    if isinstance(lower, dict) and isinstance(higher, dict):
        merged = deepcopy(lower)
        for key, value in higher.items():
            merged[key] = _config(lower[key], value, joined, (*path, key)) if key in lower else deepcopy(value)
        return merged
    if isinstance(lower, list) and isinstance(higher, list) and (len(path) == 1 or path in joined):
        return deepcopy([*higher, *lower])
    return deepcopy(higher)
