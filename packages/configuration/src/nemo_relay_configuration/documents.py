# SPDX-License-Identifier: Apache-2.0
"""The plugin document: its classes, and any accepted form of it as plain JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, time
from enum import Enum
from typing import Any, Literal, TypeAlias

from nemo_relay_configuration.errors import InvalidDocument

JsonObject: TypeAlias = dict[str, Any]
UnsupportedBehavior: TypeAlias = Literal["ignore", "warn", "error"]


@dataclass(slots=True)
class ConfigPolicy:
    """What becomes of the parts of a document that nobody knows: each ``"ignore"``, ``"warn"`` or ``"error"``."""

    unknown_component: UnsupportedBehavior = "warn"
    unknown_field: UnsupportedBehavior = "warn"
    unsupported_value: UnsupportedBehavior = "error"

    def to_dict(self) -> JsonObject:
        """As JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(slots=True)
class ComponentSpec:
    """One component: the plugin kind, and what the plugin gets. The config may hold secrets: it is not in the repr."""

    kind: str
    enabled: bool = True
    config: JsonObject = field(default_factory=dict, repr=False)

    def to_dict(self) -> JsonObject:
        """As JSON; the config is kept as it is, None included."""
        return {"kind": self.kind, "enabled": self.enabled, "config": self.config}


@dataclass(slots=True)
class PluginConfig:
    """A whole document. Components may hold secrets: they are not in the repr."""

    version: int = 1
    components: list[object] = field(default_factory=list, repr=False)
    policy: ConfigPolicy = field(default_factory=ConfigPolicy)

    def to_dict(self) -> JsonObject:
        """As JSON."""
        return {"version": self.version, "components": plain(self.components), "policy": plain(self.policy)}


def normalised(config: object) -> Any:
    """``config`` as JSON of our own. Keys whose value is None are left out, except in a component's own config.

    Raises:
        InvalidDocument: something in it has no JSON form (a ValueError).
    """
    view = plain(config)
    if not isinstance(view, dict):
        return view
    components = view.get("components")
    return {
        key: [_component(item) for item in components]
        if value is components and isinstance(value, list)
        else _bare(value)
        for key, value in view.items()
        if value is not None
    }


def _component(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return {key: value if key == "config" else _bare(value) for key, value in item.items() if value is not None}


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if item is not None}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def plain(value: Any, _path: tuple[int, ...] = ()) -> Any:
    """``value`` rebuilt from JSON types: dataclasses, mappings, and what has a ``to_dict``."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, (bool, str, int, float)):
        return value
    if id(value) in _path:
        raise InvalidDocument(f"Failed to convert to JSON: {type(value).__name__!r} contains itself")
    path = (*_path, id(value))
    if isinstance(value, (list, tuple)):
        return [plain(item, path) for item in value]
    view = _mapping(value)
    if view is not None:
        return {_key(key): plain(item, path) for key, item in view.items()}
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise InvalidDocument(f"Failed to convert to JSON: unsupported type {type(value).__name__}")


def _mapping(value: Any) -> Mapping[Any, Any] | None:
    to_dict = getattr(value, "to_dict", None)
    if callable(to_dict) and not isinstance(value, type):
        value = to_dict()
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    return None


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidDocument(f"Failed to convert to JSON: the key {key!r} is not a string")
    return key
