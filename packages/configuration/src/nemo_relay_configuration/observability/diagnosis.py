# SPDX-License-Identifier: Apache-2.0
"""What there is to say about a configuration of the component. Nothing is opened or sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, get_args, get_origin

from nemo_relay_codecs.json_shapes import shown, unknown_variant
from nemo_relay_configuration.checking import POLICY, nearest
from nemo_relay_configuration.errors import MissingExtra
from nemo_relay_configuration.observability import extensions, tables
from nemo_relay_configuration.observability.templates import template_problem
from nemo_relay_configuration.observability.upgrade import VERSION, upgraded
from nemo_relay_records.files.blobs import SMALLEST

JsonObject = dict[str, Any]
Found = Iterator[JsonObject]

_LEVELS = {"warn": "warning", "error": "error"}


def diagnose(config: JsonObject) -> list[JsonObject]:
    """The diagnostics of ``config``."""
    wrong = _version_problem(config)
    if wrong:
        return [wrong]
    if "traces" in (otel := _table(config, "opentelemetry")) and "endpoints" in otel:
        return [_invalid("duplicate field `traces`")]
    current, notes = upgraded(config)
    shape = "; ".join(_shape_problems(tables.ObservabilityConfig, current, ""))
    if shape:
        return [_invalid(shape)]
    return [*_history(config, notes), *_unknown(current), *_atof(current), *_atif(current), *_open_telemetry(current)]


def _version_problem(config: JsonObject) -> JsonObject | None:
    version = config.get("version", VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        return _invalid(f"invalid type: {shown(version)}, expected u32")
    if not 1 <= version <= VERSION:
        text = f"observability config version {version} is unsupported; use version {VERSION}"
        return _finding("unsupported_config_version", text, tables.KIND, "version")
    return None


def _history(config: JsonObject, notes: list[str]) -> Found:
    stated = config.get("version")
    if notes or stated in (1, 2, 3):
        was = "without a version" if stated is None else f"version {stated}"
        text = f"observability config {was} is read as version {VERSION}" + (f": {'; '.join(notes)}" if notes else "")
        yield _finding("upgraded_config", text, tables.KIND, "version", "warning")
    for name in ("atof", "atif", "opentelemetry"):
        if stated == VERSION and config.get(name) and "enabled" not in config[name]:
            text = f"{name} is configured and off: in version {VERSION} a section needs enabled = true"
            yield _finding("section_disabled", text, name, "enabled", "warning")


def _shape_problems(kind: type, value: Any, path: str) -> Iterator[str]:
    """What keeps ``value`` from being such a table; a path in the document ends each text."""
    where = f" (at {path})" if path else ""
    if not isinstance(value, dict):
        yield f"invalid type: {_kind_of(value)}, expected struct {kind.__name__}{where}"
        return
    for one in fields(kind):
        place = f"{path}.{one.name}" if path else one.name
        if one.name in value:
            yield from _value_problems(one.type, value[one.name], place)
        elif one.default is MISSING and one.default_factory is MISSING:
            yield f"missing field `{one.name}`{where}"


_EXPECTED = {bool: "a boolean", int: "u64", str: "a string", dict: "a map"}


def _value_problems(annotation: Any, value: Any, path: str) -> Iterator[str]:
    options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    if any(isinstance(value, get_origin(other) or other) for other in options[1:]):
        return
    kind = get_origin(options[0]) or options[0]
    if isinstance(kind, type) and issubclass(kind, tables.Table):
        yield from _shape_problems(kind, value, path)
    elif kind is list and not isinstance(value, list):
        yield f"invalid type: {_kind_of(value)}, expected a sequence (at {path})"
    elif kind not in _EXPECTED:  # JSON of any kind, or words that are checked where they mean something
        return
    elif not isinstance(value, kind) or (kind is int and (isinstance(value, bool) or value < 0)):
        yield f"invalid type: {_kind_of(value)}, expected {_EXPECTED[kind]} (at {path})"
    elif options[0] == dict[str, str]:
        wrong = next((key for key, item in value.items() if not isinstance(item, str)), None)
        if wrong is not None:
            yield f"invalid type: {_kind_of(value[wrong])}, expected a string (at {path}.{wrong})"


def _kind_of(value: Any) -> str:
    """The type without the value: whatever stands in the wrong place may be a credential."""
    return shown(value).partition(" ")[0]


def _unknown(config: JsonObject) -> Found:
    level = _LEVELS.get(config.get("policy", {}).get("unknown_field", POLICY["unknown_field"]))
    if level is None:
        return
    places: list[tuple[str, str, JsonObject, Iterable[str]]] = [
        (tables.KIND, "", config, [*_names(tables.ObservabilityConfig), "redaction"]),
        ("policy", "policy.", _table(config, "policy"), POLICY),
        ("atof", "", _table(config, "atof"), _names(tables.AtofConfig)),
        ("atif", "", _table(config, "atif"), _names(tables.AtifConfig)),
    ]
    for index, sink in _tables(_table(config, "atof").get("sinks")):
        if sink.get("type") == "file":
            places.append(("atof", f"sinks[{index}].", sink, ["type", *_names(tables.AtofFileSinkConfig)]))
    for component, prefix, table, known in places:
        for name in sorted(set(table) - set(known)):
            near = nearest(name, known)
            hint = f"; did you mean '{near}'?" if near else ""
            text = f"field '{prefix}{name}' is not recognized for '{component}'{hint}"
            yield _finding("unknown_field", text, component, f"{prefix}{name}", level)


def _atof(config: JsonObject) -> Found:
    section = _table(config, "atof")
    sinks = section.get("sinks") or []
    if section.get("enabled") and not sinks:
        yield _value("atof", "sinks", "ATOF requires at least one configured sink when enabled")
    names: set[str] = set()
    for index, sink in enumerate(sinks):
        place = f"sinks[{index}]"
        wrong = _sink_shape(sink, f"atof.{place}")
        if wrong:
            yield _invalid(wrong)
            continue
        yield from _name(sink, place, names)
        bad = list(_bad_values(sink, place))
        yield from bad
        if sink["type"] != "file" and not bad:
            yield from _elsewhere("atof", place, sink, extensions.sink)


def _sink_shape(sink: Any, path: str) -> str | None:
    if not isinstance(sink, dict):
        return f"invalid type: {_kind_of(sink)}, expected a map (at {path})"
    if "type" not in sink:
        return f"missing field `type` (at {path})"
    known = {"file": tables.AtofFileSinkConfig, "stream": tables.AtofStreamSinkConfig}
    if sink["type"] in known:
        return next(_shape_problems(known[sink["type"]], sink, path), None)
    if sink["type"] not in extensions.names(extensions.SINKS, extensions.BROKERS):
        return f"{unknown_variant(str(sink['type']), ['file', 'stream', *extensions.BROKERS])} (at {path})"
    return None


_CHOICES = {
    "mode": ("append", "overwrite"),
    "durability": ("write", "fsync", "buffered"),
    "transport": ("http_post", "websocket", "ndjson"),
    "field_name_policy": ("preserve", "replace_dots"),
}


def _bad_values(sink: JsonObject, place: str) -> Found:
    for name, choices in _CHOICES.items():
        if sink.get(name, choices[0]) not in choices and sink["type"] in ("file", "stream"):
            one_of = " or ".join(map(repr, choices)) if len(choices) == 2 else _listed(choices)
            yield _value("atof", f"{place}.{name}", f"ATOF {place}.{name} must be {one_of}")
    for name in ("timeout_millis", "max_bytes", "rotate_seconds"):
        if sink.get(name) == 0:
            yield _value("atof", f"{place}.{name}", f"ATOF {place}.{name} must be greater than 0")
    smallest = sink.get("blob_bytes")
    if sink["type"] == "file" and smallest is not None and smallest < SMALLEST:
        yield _value("atof", f"{place}.blob_bytes", f"ATOF {place}.blob_bytes must be at least {SMALLEST}")


def _listed(choices: tuple[str, ...]) -> str:
    return ", ".join(map(repr, choices[:-1])) + f", or {choices[-1]!r}"


def _name(sink: JsonObject, place: str, names: set[str]) -> Found:
    name = sink.get("name")
    if not isinstance(name, str):
        return
    field = f"{place}.name"
    if name != name.strip():
        yield _value("atof", field, f"ATOF {field} must not have leading or trailing whitespace")
    elif not name:
        yield _value("atof", field, f"ATOF {field} must not be empty")
    elif name in names:
        yield _value("atof", field, f"ATOF {field} must be unique")
    names.add(name)


def _atif(config: JsonObject) -> Found:
    section = _table(config, "atif")
    wrong = template_problem(section.get("filename_template", tables.AtifConfig.filename_template))
    if wrong:
        yield _value("atif", "filename_template", f"ATIF filename_template {wrong}")
    for index, entry in enumerate(section.get("storage") or []):
        place = f"storage[{index}]"
        known = extensions.names(extensions.STORAGE, extensions.STORES)
        if not isinstance(entry, dict) or "type" not in entry:
            yield _invalid(f"missing field `type` (at atif.{place})")
        elif entry["type"] not in known:
            yield _invalid(f"{unknown_variant(str(entry['type']), known)} (at atif.{place})")
        else:
            yield from _elsewhere("atif", place, entry, extensions.storage)


def _open_telemetry(config: JsonObject) -> Found:
    section = config.get("opentelemetry")
    if not section:
        return
    try:
        found = extensions.section("opentelemetry")
    except MissingExtra as missing:
        if section.get("enabled"):
            text = f"{missing}; atof and atif work without it"
            yield _finding("missing_extra", text, "opentelemetry", "", "warning")
        return
    behavior = config.get("policy", {}).get("unknown_field", POLICY["unknown_field"])
    yield from found.diagnose(section, unknown_field=behavior)


def _elsewhere(component: str, place: str, entry: JsonObject, find: Any) -> Found:
    """What the distribution behind an entry says about it."""
    try:
        found = find(entry)
    except MissingExtra as missing:
        yield _finding("missing_extra", f"{missing}; file sinks work without it", component, place, "warning")
        return
    for one in found.diagnose(entry):
        yield {**one, "component": component, "field": ".".join(filter(None, (place, one.get("field"))))}


def _names(table: type) -> list[str]:
    return [one.name for one in fields(table)]


def _table(config: JsonObject, name: str) -> JsonObject:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _tables(value: Any) -> Iterator[tuple[int, JsonObject]]:
    return ((index, one) for index, one in enumerate(value or []) if isinstance(one, dict))


def _invalid(detail: str) -> JsonObject:
    text = f"invalid config: invalid observability plugin config: {detail}"
    return {"level": "error", "code": "observability.invalid_plugin_config", "component": tables.KIND, "message": text}


def _value(component: str, field: str, text: str) -> JsonObject:
    return _finding("unsupported_value", text, component, field)


def _finding(code: str, text: str, component: str, field: str, level: str = "error") -> JsonObject:
    made = {"level": level, "code": f"observability.{code}", "component": component, "message": text}
    return {**made, "field": field} if field else made
