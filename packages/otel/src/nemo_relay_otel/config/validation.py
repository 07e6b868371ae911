# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a section, before anything is set up."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from nemo_relay_otel.config.checks import check_header_names, header_from_environment, is_loopback
from nemo_relay_otel.config.endpoints import is_derivable, signal_url, trace_url
from nemo_relay_otel.config.section import (
    ConsoleSink,
    FileSink,
    Logs,
    Metrics,
    Section,
    SignalEndpoint,
    Spool,
    Tls,
    TraceEndpoint,
)

Diagnostic = dict[str, Any]
NOTHING = "enabled OpenTelemetry section requires at least one endpoint, one file sink, or an enabled log/metric signal"
_LEGACY = ("capture_content", "semantic_selector")


def diagnose(section: Mapping[str, Any], *, unknown_field: str = "warn") -> list[Diagnostic]:
    """What is wrong with a section: pure, and without its values.

    Args:
        section: in the form of version 4.
        unknown_field: ``ignore``, ``warn`` or ``error``.

    Returns:
        Dicts of ``level``, ``code``, ``component``, ``field`` and ``message``.
    """
    found = [] if unknown_field == "ignore" else list(_unknown(section, unknown_field))
    try:
        checked = Section.model_validate(dict(section))
    except ValidationError as error:
        return [*found, *_invalid(error)]
    return [*found, *_rules(section, checked)]


def _diagnostic(
    code: str, message: str, field: str | None, component: str = "opentelemetry", level: str = "error"
) -> Any:
    return {
        "level": level,
        "code": f"observability.{code}",
        "component": component,
        "field": field,
        "message": message,
    }


def _component(field: str) -> str:
    part = re.split(r"[.\[]", field, maxsplit=1)[0]
    return f"opentelemetry.{part}" if part in ("logs", "metrics") else "opentelemetry"


def _invalid(error: ValidationError) -> Iterator[Diagnostic]:
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        field = ""
        for step in each["loc"]:
            field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else str(step)
        message = each["msg"].removeprefix("Value error, ")
        shape = each["type"] in ("missing", "model_type", "dict_type", "list_type") or each["type"].endswith("_parsing")
        code = "invalid_plugin_config" if shape else "unsupported_value"
        text = f"invalid config: invalid observability plugin config: {field}: {message}" if shape else message
        yield _diagnostic(code, text if shape else f"{field}: {message}", field or None, _component(field))


def _unknown(section: Mapping[str, Any], level: str) -> Iterator[Diagnostic]:
    level = "error" if level == "error" else "warning"
    where: list[tuple[str, str, str, type[BaseModel], Any]] = [("", "opentelemetry", "", Section, section)]
    for name, kind, model in (
        ("traces", "endpoint", TraceEndpoint),
        ("file_sinks", "file sink", FileSink),
        ("console_sinks", "console sink", ConsoleSink),
    ):
        for index, each in enumerate(_list(section.get(name))):
            where.append((f"{name}[{index}].", "opentelemetry", kind, model, each))
    where.append(("spool.", "opentelemetry", "", Spool, section.get("spool")))
    signals: tuple[tuple[str, type[BaseModel]], ...] = (("logs", Logs), ("metrics", Metrics))
    for name, signal in signals:
        given = section.get(name)
        where.append((f"{name}.", f"opentelemetry.{name}", "", signal, given))
        for index, each in enumerate(_list(given.get("endpoints") if isinstance(given, Mapping) else None)):
            where.append((f"{name}.endpoints[{index}].", f"opentelemetry.{name}", "endpoint", SignalEndpoint, each))
    for prefix, component, kind, shape, each in where:
        yield from _unknown_in(prefix, component, kind, shape, each, level)
        tls = each.get("tls") if isinstance(each, Mapping) else None
        yield from _unknown_in(f"{prefix}tls.", component, "TLS", Tls, tls, level)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _unknown_in(
    prefix: str, component: str, kind: str, model: type[BaseModel], given: Any, level: str
) -> Iterator[Diagnostic]:
    if not isinstance(given, Mapping):
        return
    known = [*model.model_fields, *(["endpoints"] if model is Section else [])]
    for key in given:
        if key in known:
            continue
        field = f"{prefix}{key}"
        if key == "type" and model is SignalEndpoint:
            signal = component.rpartition(".")[2]
            problem = f"OpenTelemetry {signal} endpoints do not use trace projection types"
            yield _diagnostic("unsupported_value", problem, field, component)
        elif key in _LEGACY:
            problem = f"OpenTelemetry {key} moved into each typed endpoint in observability config version 3"
            yield _diagnostic("legacy_opentelemetry_field", problem, field, component)
        else:
            problem = f"field '{key}' is not recognized for '{component}'"
            if kind:
                problem = f'unknown OpenTelemetry {kind} field "{key}"'
            if close := difflib.get_close_matches(str(key), known, 1):
                problem += f'; did you mean "{close[0]}"?'
            yield _diagnostic("unknown_field", problem, field, component, level)


def _rules(section: Mapping[str, Any], checked: Section) -> Iterator[Diagnostic]:
    signals = checked.logs.enabled or checked.metrics.enabled
    if section and checked.enabled and not (checked.traces or checked.file_sinks or checked.console_sinks or signals):
        yield _diagnostic("unsupported_value", NOTHING, None)
    for index, trace in enumerate(checked.traces):
        yield from _headers(trace, f"traces[{index}]", "opentelemetry")
    for name, signal in (("logs", checked.logs), ("metrics", checked.metrics)):
        yield from _signal(name, signal, checked)
    yield from _collisions(checked)


def _headers(endpoint: Any, field: str, component: str) -> Iterator[Diagnostic]:
    try:
        check_header_names(endpoint.headers, endpoint.header_env, endpoint.header_file)
        for name, variable in endpoint.header_env.items():
            header_from_environment(name, variable)
    except ValueError as error:
        yield _diagnostic("unsupported_value", str(error), f"{field}.headers", component)


def _signal(name: str, signal: Any, checked: Section) -> Iterator[Diagnostic]:
    component = f"opentelemetry.{name}"
    given = signal.endpoints
    if given is not None:
        if signal.enabled and not given:
            problem = f"enabled OpenTelemetry {name} section requires at least one explicit endpoint"
            yield _diagnostic("unsupported_value", problem, f"{name}.endpoints", component)
        for index, each in enumerate(given):
            field = f"{name}.endpoints[{index}]"
            yield from _headers(each, field, component)
            if not each.grpc and urlsplit(each.endpoint).path.rstrip("/").endswith("/v1/traces"):
                problem = f"OpenTelemetry {name} endpoint ends in /v1/traces"
                problem += f"; configure a {name} endpoint or a bare authority"
                yield _diagnostic("unsupported_value", problem, f"{field}.endpoint", component)
        return
    if not signal.enabled:
        return
    usable = False
    for index, trace in enumerate(checked.traces):
        if trace.grpc or is_derivable(trace.endpoint):
            usable = True
        else:
            path = urlsplit(trace.endpoint).path
            problem = (
                f'OpenTelemetry endpoints[{index}] path "{path}" cannot derive /v1/{name}; configure'
                f" opentelemetry.{name}.endpoints explicitly"
            )
            yield _diagnostic("unsupported_value", problem, f"traces[{index}].endpoint", component, "warning")
    if not usable:
        problem = f"enabled OpenTelemetry {name} section has no explicit or derivable trace endpoints"
        yield _diagnostic("unsupported_value", problem, name, component)


def _collisions(checked: Section) -> Iterator[Diagnostic]:
    """Two destinations that would get in each other's way: a back end keeps the first of two spans with one id."""
    seen: dict[tuple[Any, ...], tuple[str, str]] = {}
    for index, trace in enumerate(checked.traces):
        field = f"traces[{index}]"
        key = (trace.grpc, _destination(trace.endpoint if trace.grpc else trace_url(trace.endpoint)))
        before = seen.setdefault(key, (trace.type, field))
        if before[0] != trace.type:
            yield _collision(f"{before[1]} and {field} send different types to the same destination", field)
    paths: dict[str, str] = {}
    for index, sink in enumerate(checked.file_sinks):
        field = f"file_sinks[{index}]"
        if sink.filename is not None and paths.setdefault(f"{sink.output_directory}/{sink.filename}", field) != field:
            yield _collision(f"two file sinks write to the same file, the second is {field}", field)
    for name, endpoints in (("logs", checked.logs.endpoints), ("metrics", checked.metrics.endpoints)):
        known: dict[tuple[Any, ...], str] = {}
        for index, each in enumerate(endpoints or ()):
            field = f"{name}.endpoints[{index}]"
            key = (each.grpc, _destination(each.endpoint if each.grpc else signal_url(each.endpoint, name)))
            if known.setdefault(key, field) != field:
                problem = f"{known[key]} and {field} send to the same destination"
                yield _collision(problem, field, f"opentelemetry.{name}")


def _collision(message: str, field: str, component: str = "opentelemetry") -> Diagnostic:
    return dict(_diagnostic("unsafe_otel_destination_collision", message, field, component))


def _destination(url: str) -> tuple[Any, ...]:
    parts = urlsplit(url)
    host = "<loopback>" if is_loopback(parts.hostname) else parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = re.sub("/+", "/", parts.path)
    return parts.scheme, host, port, path.rstrip("/") or "/", parts.query
