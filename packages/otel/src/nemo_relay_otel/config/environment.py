# SPDX-License-Identifier: Apache-2.0
"""Destinations that OpenTelemetry's standard variables name, beside those that are configured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from nemo_relay_otel.config import building
from nemo_relay_otel.config.checks import check_https
from nemo_relay_otel.config.endpoints import environment_url
from nemo_relay_otel.config.section import Logs, Metrics, SignalEndpoint, Spool, TraceEndpoint
from nemo_relay_spool.counters import Diagnostics
from nemo_relay_spool.pipeline import Pipeline

_PREFIX = "OTEL_EXPORTER_OTLP"
_TRANSPORTS = {"http/protobuf": "http_binary", "http/json": "http_json", "grpc": "grpc"}
Maker = Callable[[], Pipeline]


def makers(spool: Spool, diagnostics: Diagnostics) -> Iterator[tuple[str, Maker]]:
    """The signals for which the environment names an endpoint, each with what makes its pipeline."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    for signal in ("traces", "logs", "metrics"):
        if os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").strip() != "otlp":
            continue
        if (url := _endpoint(signal)) is not None:
            yield f"<environment> {signal}", _maker(signal, url, spool, diagnostics)


def _maker(signal: str, url: str, spool: Spool, diagnostics: Diagnostics) -> Maker:
    def make() -> Pipeline:
        check_https(url, signal.removesuffix("s"))
        settings = _settings(signal, url)
        if signal == "traces":
            return building.trace_pipeline(TraceEndpoint(type="gen_ai", **settings), spool, diagnostics)
        endpoint = SignalEndpoint(**settings)
        if signal == "logs":
            return building.log_pipeline(endpoint, Logs(enabled=True), spool, diagnostics)
        return building.metric_pipeline(endpoint, Metrics(enabled=True), diagnostics)

    return make


def _value(signal: str, name: str) -> str | None:
    for variable in (f"{_PREFIX}_{signal.upper()}_{name}", f"{_PREFIX}_{name}"):
        value = os.environ.get(variable, "").strip()
        if value:
            return value
    return None


def _endpoint(signal: str) -> str | None:
    own = os.environ.get(f"{_PREFIX}_{signal.upper()}_ENDPOINT", "").strip()
    if own:
        return own if "/" in own.partition("://")[2] else f"{own}/"  # it is used as it is
    base = os.environ.get(f"{_PREFIX}_ENDPOINT", "").strip()
    if not base:
        return None
    return base if _value(signal, "PROTOCOL") == "grpc" else environment_url(base, signal)


def _settings(signal: str, url: str) -> dict[str, Any]:
    protocol = _value(signal, "PROTOCOL") or "http/protobuf"
    if protocol not in _TRANSPORTS:
        raise ValueError(f"{_PREFIX}_PROTOCOL {protocol!r} is unknown; use one of {', '.join(_TRANSPORTS)}")
    settings: dict[str, Any] = {"endpoint": url, "transport": _TRANSPORTS[protocol], "headers": _headers(signal)}
    timeout = _value(signal, "TIMEOUT")  # milliseconds, as the specification has it
    if timeout is not None and timeout.isdigit():
        settings["timeout_millis"] = int(timeout)
    settings["compression"] = "gzip" if _value(signal, "COMPRESSION") == "gzip" else "none"
    files = {
        "certificate": _value(signal, "CERTIFICATE"),
        "client_certificate": _value(signal, "CLIENT_CERTIFICATE"),
        "private_key": _value(signal, "CLIENT_KEY"),
    }
    return {**settings, "tls": files}


def _headers(signal: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in (_value(signal, "HEADERS") or "").split(","))
    return {unquote(name.strip()): unquote(value.strip()) for name, equals, value in pairs if equals and name.strip()}
