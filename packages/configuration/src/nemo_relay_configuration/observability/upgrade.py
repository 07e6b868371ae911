# SPDX-License-Identifier: Apache-2.0
"""Older forms of the configuration, rewritten into version 4.

1 had one file and endpoints in ``atof`` itself, 2 brought typed sinks, 3 typed OpenTelemetry endpoints in place of one
endpoint and of an ``openinference`` section, 4 logs and metrics. Forms are told by their fields, not by the number: a
document without a number, or a merged one, may mix them.
"""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from typing import Any

from nemo_relay_configuration.documents import JsonObject
from nemo_relay_configuration.observability.tables import VERSION as VERSION
from nemo_relay_configuration.observability.tables import AtofFileSinkConfig

FILE_FIELDS = tuple(one.name for one in dataclasses.fields(AtofFileSinkConfig))
_OLD_ENDPOINT = "http://localhost:4318/v1/traces"  # what sections without an endpoint meant
_SECTION_FIELDS = ("enabled", "traces", "endpoints", "file_sinks", "console_sinks", "logs", "metrics", "spool")
_DROPPED = ("capture_content", "semantic_selector")  # of early endpoints; projections have taken their place


def upgraded(config: JsonObject) -> tuple[JsonObject, list[str]]:
    """``config`` in version 4, and what was rewritten (``"atof.mode -> atof.sinks[0].mode"``). Shapes that are wrong
    altogether are left for validation."""
    config = deepcopy(config)
    notes: list[str] = []
    stated = config.get("version")
    if isinstance(config.get("atof"), dict):
        config["atof"] = _atof(config["atof"], old=stated == 1, notes=notes)
    _open_telemetry(config, notes)
    if stated != VERSION:  # earlier, a section that stood there was meant
        for name in ("atof", "atif", "opentelemetry"):
            if isinstance(config.get(name), dict):
                config[name].setdefault("enabled", True)
    if stated is None or stated in (1, 2, 3):
        config["version"] = VERSION
    return config, notes


def _atof(section: JsonObject, old: bool, notes: list[str]) -> JsonObject:
    fields = {name: section.pop(name) for name in FILE_FIELDS if name in section}
    streams = section.pop("endpoints", None)
    sinks: list[Any] = []
    if fields or (old and "sinks" not in section and not streams and section.get("enabled", True)):
        notes += [f"atof.{name} -> atof.sinks[0].{name}" for name in fields]
        sinks.append({"type": "file", **fields})
    if isinstance(streams, list):
        notes.append("atof.endpoints -> atof.sinks")
        sinks += [{"type": "stream", **one} if isinstance(one, dict) else one for one in streams]
    if sinks:
        given = section.get("sinks")
        section["sinks"] = [*sinks, *given] if isinstance(given, list) else sinks
    return section


def _open_telemetry(config: JsonObject, notes: list[str]) -> None:
    section = config.get("opentelemetry")
    section = section if isinstance(section, dict) else None
    if section is not None and "endpoints" in section and "traces" not in section:
        section["traces"] = section.pop("endpoints")
    moved = [] if section is None else _flat("opentelemetry", section, "full", notes)
    older = config.pop("openinference", None) if isinstance(config.get("openinference"), dict) else None
    if older is not None:
        enabled = older.pop("enabled", True)
        made = _flat("openinference", older or {"endpoint": _OLD_ENDPOINT}, "openinference", notes)
        moved += made if enabled else []
        if section is None and enabled:
            section = config["opentelemetry"] = {"enabled": True}
        elif section is not None and enabled and moved and section.get("enabled") is False:
            section["enabled"], section["traces"] = True, []  # of the two sections only this one was on
            moved = made
    if moved and section is not None:
        section["traces"] = [*moved, *section.get("traces", [])]


def _flat(name: str, section: JsonObject, projection: str, notes: list[str]) -> list[JsonObject]:
    """The endpoint that the fields of ``section`` itself describe; they are taken out of it."""
    fields = {key: section.pop(key) for key in tuple(section) if key not in _SECTION_FIELDS and key in ENDPOINT_FIELDS}
    for key in _DROPPED:
        if fields.pop(key, None) is not None:
            notes.append(f"{name}.{key} -> removed, choose a projection with opentelemetry.traces[].type")
    if not fields:
        return []
    notes += [f"{name}.{key} -> opentelemetry.traces[0].{key}" for key in fields]
    return [{"type": projection, "endpoint": _OLD_ENDPOINT, **fields}]


ENDPOINT_FIELDS = frozenset(
    "endpoint transport headers header_env header_file resource_attributes service_name service_namespace "
    "service_version instrumentation_scope timeout_millis mark_projection mark_exclude_names attribute_mappings "
    "promote_metadata_prefixes promote_resource_metadata_prefixes".split()
    + list(_DROPPED)
)
