# SPDX-License-Identifier: Apache-2.0
"""The shape of a document: what makes it one at all. What it says is judged by ``validation``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nemo_relay_codecs.json_shapes import shown, unexpected, unknown_variant, whole_number
from nemo_relay_configuration.documents import JsonObject

BEHAVIORS = ("ignore", "warn", "error")
POLICY: JsonObject = {"unknown_component": "warn", "unknown_field": "warn", "unsupported_value": "error"}
TOP = ("version", "components", "policy")
COMPONENT = ("kind", "enabled", "config")
FIELDS = {"": TOP, "components": COMPONENT, "policy": tuple(POLICY)}  # what may stand where


def problem(document: Any) -> str | None:
    """What keeps ``document`` from being one; None when nothing does."""
    if not isinstance(document, dict):
        return unexpected(document, "struct PluginConfig")
    return (
        _version_problem(document.get("version", 1))
        or _components_problem(document.get("components", []))
        or _policy_problem(document.get("policy", {}))
    )


def _version_problem(version: Any) -> str | None:
    return whole_number(version, "u32")


def _components_problem(components: Any) -> str | None:
    if not isinstance(components, list):
        return unexpected(components, "a sequence")
    return next((found for found in map(_component_problem, components) if found), None)


def _component_problem(component: Any) -> str | None:
    if not isinstance(component, dict):
        return unexpected(component, "struct PluginComponentSpec")
    if "kind" not in component:
        return "missing field `kind`"
    if not isinstance(component["kind"], str):
        return unexpected(component["kind"], "a string")
    if not isinstance(component.get("enabled", True), bool):
        return unexpected(component["enabled"], "a boolean")
    if not isinstance(component.get("config", {}), dict):
        # Whatever somebody wrote there may be a credential: only its type is shown.
        return f"invalid type: {shown(component['config']).partition(' ')[0]}, expected a map"
    return None


def _policy_problem(policy: Any) -> str | None:
    if not isinstance(policy, dict):
        return unexpected(policy, "struct ConfigPolicy")
    for name in POLICY:
        value = policy.get(name, "warn")
        if not isinstance(value, str):
            return unexpected(value, "string or map")
        if value not in BEHAVIORS:
            return unknown_variant(value, BEHAVIORS)
    return None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant; None when none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), 1, 0.7)), None)


def unknown_fields(document: JsonObject, top: tuple[str, ...] = TOP) -> Iterator[str]:
    """The paths of the keys that mean nothing: typing errors, most often."""
    yield from (name for name in document if name not in top)
    for index, component in enumerate(document.get("components", [])):
        yield from (f"components[{index}].{name}" for name in component if name not in COMPONENT)
    yield from (f"policy.{name}" for name in document.get("policy", {}) if name not in POLICY)
