# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of the component's configuration, older forms included (they are marked ``deprecated``)."""

from __future__ import annotations

from typing import Any

from nemo_relay_configuration.checking import BEHAVIORS, POLICY
from nemo_relay_configuration.observability import extensions, tables
from nemo_relay_configuration.observability.upgrade import ENDPOINT_FIELDS, FILE_FIELDS

JsonObject = dict[str, Any]


def schema() -> JsonObject:
    """The schema of ``components.config``."""
    import msgspec

    wanted: list[type] = [one for one in vars(tables).values() if _is_table(one)]
    _, definitions = msgspec.json.schema_components(wanted, ref_template="#/$defs/{name}")
    for one in wanted:
        definition = definitions[one.__name__]
        definition["additionalProperties"] = False
        tag = getattr(one, "tag", None)
        if tag is not None:
            definition["properties"] = {"type": {"const": tag}, **definition["properties"]}
            definition.setdefault("required", []).insert(0, "type")
    _sections(definitions)
    return {"$ref": "#/$defs/ObservabilityConfig", "$defs": definitions}


def _is_table(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, tables.Table) and one is not tables.Table


def _sections(definitions: JsonObject) -> None:
    brokers = extensions.names(extensions.SINKS, extensions.BROKERS)
    sink = _one_of("AtofFileSinkConfig", "AtofStreamSinkConfig", others=set(brokers) - set(extensions.STREAMS))
    stores = extensions.names(extensions.STORAGE, ())
    storage = _one_of("HttpStorageConfig", "S3StorageConfig", others=set(stores) - set(extensions.STORES))
    atof, atif, whole, otel = (
        definitions[name]["properties"]
        for name in ("AtofConfig", "AtifConfig", "ObservabilityConfig", "OpenTelemetrySectionConfig")
    )
    atof["sinks"] = {"type": "array", "items": sink}
    atof |= {name: _older(definitions["AtofFileSinkConfig"]["properties"][name]) for name in FILE_FIELDS}
    atof["endpoints"] = _older({"type": "array", "items": {"type": "object"}})
    atif["storage"] = {"type": "array", "items": storage}
    whole["policy"] = {"type": "object", "properties": {name: {"enum": list(BEHAVIORS)} for name in POLICY}}
    whole["version"] = {"enum": [1, 2, 3, 4], "default": tables.VERSION}
    whole["redaction"] = {"type": ["boolean", "object"], "default": True}
    whole["openinference"] = _older({"type": "object"})
    otel["traces"] = otel["endpoints"]
    otel |= {name: _older({}) for name in ENDPOINT_FIELDS}
    installed = extensions.load(extensions.SECTIONS, "opentelemetry")
    if installed is not None:
        theirs = installed.schema()
        definitions.update({f"opentelemetry.{name}": one for name, one in theirs.pop("$defs", {}).items()})
        definitions["OpenTelemetrySectionConfig"] = _renamed(theirs)


def _one_of(*names: str, others: set[str]) -> JsonObject:
    known = [{"$ref": f"#/$defs/{name}"} for name in names]
    named = {"type": "object", "required": ["type"], "properties": {"type": {"enum": sorted(others)}}}
    return {"anyOf": [*known, named] if others else known}


def _older(schema: JsonObject) -> JsonObject:
    return {**schema, "deprecated": True}


def _renamed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_renamed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: f"#/$defs/opentelemetry.{one.removeprefix('#/$defs/')}"
        if name == "$ref" and isinstance(one, str)
        else _renamed(one)
        for name, one in schema.items()
    }
