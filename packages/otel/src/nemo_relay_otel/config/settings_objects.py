# SPDX-License-Identifier: Apache-2.0
"""The configuration objects of the published Python API: assigned to field by field, checked when they are used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from nemo_relay import LogSeverity, MetricTemporality
from nemo_relay_otel.config.checks import check_mappings, is_blank

_COMMON: dict[str, Any] = {
    "service_name": "unknown_service",
    "service_namespace": None,
    "service_version": None,
    "resource_attributes": {},
    "instrumentation_scope": "opentelemetry",
}
_CONNECTION: dict[str, Any] = {
    **_COMMON,
    "transport": "http_binary",
    "endpoint": "",
    "headers": {},
    "header_env": {},
    "timeout_millis": 3000,
    "compression": "auto",
    "tls": {},
}
_SPANS: dict[str, Any] = {
    "type": "full",
    "mark_projection": "inherit",
    "mark_exclude_names": ["llm.chunk"],
    "attribute_mappings": [],
    "promote_metadata_prefixes": [],
    "promote_resource_metadata_prefixes": [],
    "completed_span_context_ttl_millis": 60_000,
    "genai_version": "0.10.4",
    "pending": False,
}
_OPTIONAL = ("service_namespace", "service_version", "filename", "spool_directory")


class Settings:
    """What the configuration objects have in common: a fixed set of fields, copied in and out.

    Raises:
        AttributeError: no such field.
        TypeError: a value of another type.
        OverflowError: a negative number.
    """

    __slots__ = ("_values",)
    fields: ClassVar[dict[str, Any]] = {}

    def __init__(self, **given: Any) -> None:
        object.__setattr__(self, "_values", {name: _copied(value) for name, value in self.fields.items()})
        for name, value in given.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.fields:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._values[name] = self._checked(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in self.fields:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return _copied(self._values[name])

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self.fields})

    def _checked(self, name: str, value: Any) -> Any:
        kind = type(self.fields[name])
        if value is None and name in _OPTIONAL:
            return None
        if name in _OPTIONAL or name == "output_directory":
            return os.fspath(value)
        if name == "attribute_mappings":
            return check_mappings(value)
        if kind is int:
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{type(value).__name__!r} object cannot be interpreted as an integer")
            if value < 0:
                raise OverflowError("can't convert negative int to unsigned")
        elif not isinstance(value, (list, tuple) if kind is list else Mapping if kind is dict else kind):
            raise TypeError(f"{name}: {type(value).__name__!r} object is not an instance of {kind.__name__!r}")
        return _copied(value)

    def set_resource_attribute(self, key: str, value: str) -> None:
        """Set one attribute of the resource."""
        self._values["resource_attributes"][key] = value

    def items(self) -> Iterator[tuple[str, Any]]:
        """The fields with their values."""
        return ((name, self._values[name]) for name in self.fields)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (list, tuple)) else value


class _Connected(Settings):
    __slots__ = ()

    def set_header(self, key: str, value: str) -> None:
        """Set one header."""
        self._values["headers"][key] = value

    def set_header_from_env(self, key: str, variable: str) -> None:
        """Let an environment variable give a header its value."""
        self._values["header_env"][key] = variable

    def __repr__(self) -> str:
        # The headers are credentials, and so may be the address.
        from nemo_relay_spool.http import shown

        return f'<{type(self).__name__} transport="{self.transport}" endpoint="{shown(self.endpoint)}">'


class OpenTelemetryConfig(_Connected):
    """Spans to an OTLP endpoint.

    Args:
        otel_type: ``full``, ``gen_ai`` or ``openinference``.
        endpoint: where to.

    Beside the fields of the published package there are ``compression``, ``tls``, ``genai_version``, ``pending`` and
    ``spool_directory``, a folder where events wait on disk.
    """

    __slots__ = ()
    fields: ClassVar[dict[str, Any]] = {**_CONNECTION, **_SPANS, "spool_directory": None}

    def __init__(self, otel_type: str, endpoint: str) -> None:
        super().__init__(type=otel_type, endpoint=endpoint)


class OpenTelemetryFileSinkConfig(Settings):
    """Spans to a file.

    Args:
        otel_type: ``full``, ``gen_ai`` or ``openinference``.
        output_directory: the folder.
        filename: a single path component; named after the time when None.
        format: ``json_lines`` or ``proto``.
        mode: ``overwrite`` or ``append``.
    """

    __slots__ = ()
    fields: ClassVar[dict[str, Any]] = {
        **_COMMON,
        **_SPANS,
        "output_directory": "",
        "filename": None,
        "format": "json_lines",
        "mode": "overwrite",
    }

    def __init__(
        self,
        otel_type: str,
        output_directory: str | os.PathLike[str],
        filename: str | None = None,
        format: str = "json_lines",
        mode: str = "overwrite",
    ) -> None:
        super().__init__(type=otel_type, output_directory=output_directory, filename=filename, format=format, mode=mode)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} output_directory="{self.output_directory}" format="{self.format}">'


class OpenTelemetryLogConfig(_Connected):
    """Marks as log records to an OTLP endpoint.

    Args:
        endpoint: where to.
    """

    __slots__ = ()
    fields: ClassVar[dict[str, Any]] = {
        **_CONNECTION,
        "minimum_severity": LogSeverity.Info,
        "max_queue_size": 2048,
        "max_export_batch_size": 512,
        "scheduled_delay_millis": 1000,
        "completed_span_context_ttl_millis": 60_000,
        "spool_directory": None,
    }

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint=endpoint)


class OpenTelemetryMetricConfig(_Connected):
    """Metrics to an OTLP endpoint.

    Args:
        endpoint: where to.
    """

    __slots__ = ()
    fields: ClassVar[dict[str, Any]] = {
        **_CONNECTION,
        "export_interval_millis": 60_000,
        "temporality": MetricTemporality.Cumulative,
        "max_instruments": 256,
        "cardinality_limit": 2000,
        "genai_version": "0.10.4",
    }

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint=endpoint)


_CHOICES = {
    "type": (("full", "gen_ai", "openinference"), "type must be 'full', 'gen_ai', or 'openinference', got \"{}\""),
    "transport": (("http_binary", "http_json", "grpc"), "transport must be 'http_binary' or 'grpc', got \"{}\""),
    "mark_projection": (
        ("inherit", "event", "tool"),
        "unknown variant `{}`, expected one of `inherit`, `event`, `tool`",
    ),
    "format": (("json_lines", "proto"), "format must be 'json_lines' or 'proto', got \"{}\""),
    "mode": (("append", "overwrite"), "mode must be 'append' or 'overwrite', got \"{}\""),
}


def check(config: Settings) -> None:
    """What is wrong with a configuration object by itself.

    Raises:
        ValueError: something is.
    """
    values = dict(config.items())
    if "endpoint" in values and is_blank(values["endpoint"]):
        raise ValueError("endpoint is required and must be nonblank")
    if "output_directory" in values and is_blank(values["output_directory"]):
        raise ValueError("output_directory must be a nonblank path")
    for name, (known, message) in _CHOICES.items():
        if name in values and values[name] not in known:
            raise ValueError(message.format(values[name]))
    for name in ("timeout", "max_queue_size", "max_export_batch_size", "scheduled_delay", "completed_span_context_ttl"):
        _positive(values, name)
    for name in ("export_interval", "max_instruments", "cardinality_limit"):
        _positive(values, name)


def _positive(values: Mapping[str, Any], name: str) -> None:
    """Numbers that must not be zero; ``timeout_millis`` of traces may be."""
    if name == "timeout" and "type" in values:
        return
    if values.get(name, values.get(f"{name}_millis", 1)) == 0:
        raise NotPositive(f"{name} must be greater than 0")


class NotPositive(ValueError):
    """A number that must not be zero, and is."""
