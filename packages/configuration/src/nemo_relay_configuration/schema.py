# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of a whole document. A plugin describes its ``config`` with a method ``schema()``."""

from __future__ import annotations

from typing import Any

from nemo_relay_configuration.checking import BEHAVIORS, POLICY
from nemo_relay_configuration.documents import JsonObject
from nemo_relay_configuration.kinds import Kinds

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def document(kinds: Kinds) -> JsonObject:
    """See ``nemo_relay.plugin.schema``."""
    definitions: JsonObject = {}
    described = [_described(kind, kinds.schema(kind), definitions) for kind in kinds.names()]
    known = {"anyOf": [{"enum": kinds.names()}, {"type": "string"}]}
    component: JsonObject = {
        "type": "object",
        "required": ["kind"],
        "properties": {
            "kind": {**known, "description": "which plugin: built in, installed, or registered by the program"},
            "enabled": {"type": "boolean", "default": True},
            "config": {"type": "object", "description": "what the plugin gets"},
        },
        "additionalProperties": False,
    }
    if any(described):
        component["allOf"] = [one for one in described if one is not None]
    behavior = {"enum": list(BEHAVIORS)}
    policy = {name: {**behavior, "default": default} for name, default in POLICY.items()}
    return {
        "$schema": DIALECT,
        "title": "NeMo Relay plugins.toml",
        "type": "object",
        "properties": {
            "version": {"const": 1, "default": 1},
            "components": {"type": "array", "items": component},
            "policy": {"type": "object", "properties": policy, "additionalProperties": False},
            "plugins": {"type": "object", "properties": {"pinned": {"type": "boolean", "default": False}}},
        },
        "additionalProperties": False,
        "$defs": definitions,
    }


def _described(kind: str, found: JsonObject | None, definitions: JsonObject) -> JsonObject | None:
    """``kind`` -> what its ``config`` must be; its definitions go to the others, under names of their own."""
    if found is None:
        return None
    own = found.pop("$defs", {})
    definitions.update({f"{kind}.{name}": _moved(one, kind) for name, one in own.items()})
    config = {"properties": {"config": _moved(found, kind)}}
    return {"if": {"properties": {"kind": {"const": kind}}}, "then": config}


def _moved(schema: Any, kind: str) -> Any:
    if isinstance(schema, list):
        return [_moved(one, kind) for one in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(one, kind) for name, one in schema.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        moved["$ref"] = f"#/$defs/{kind}.{reference.removeprefix('#/$defs/')}"
    return moved
