# SPDX-License-Identifier: Apache-2.0
"""The subscribers of the published Python API, each with one destination."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from nemo_relay.errors import RelayError
from nemo_relay_otel.config import building
from nemo_relay_otel.config.checks import (
    check_header_names,
    check_https,
    header_from_environment,
    refuse_global_headers,
)
from nemo_relay_otel.config.section import FileSink, Logs, Metrics, SignalEndpoint, Spool, TraceEndpoint
from nemo_relay_otel.config.settings_objects import (
    NotPositive,
    OpenTelemetryConfig,
    OpenTelemetryFileSinkConfig,
    OpenTelemetryLogConfig,
    OpenTelemetryMetricConfig,
    Settings,
    check,
)
from nemo_relay_otel.exporters import FLUSH_SECONDS, Exporters
from nemo_relay_otel.joining import Joiner
from nemo_relay_spool.counters import Counters, Diagnostic, Diagnostics
from nemo_relay_spool.pipeline import Pipeline

_BUILD = "failed to build the OTLP exporter: "
_HEADER = "invalid OTLP header"


class ExporterNotBuilt(RelayError, RuntimeError):
    """A destination could not be set up; the text says why, and shows no value of a header."""


class OpenTelemetryRuntimeDiagnostics:
    """What went wrong so far, by code.

    Args:
        entries: one for each code.
    """

    def __init__(self, entries: list[Diagnostic]) -> None:
        self._entries = entries

    @property
    def entries(self) -> list[Diagnostic]:
        """All of it, by code."""
        return list(self._entries)

    def get(self, code: str) -> Diagnostic | None:
        """The one with that code."""
        return next((entry for entry in self._entries if entry.code == code), None)


class _Subscriber:
    def __init__(self, config: Settings, make: Callable[[Diagnostics], Pipeline]) -> None:
        diagnostics = Diagnostics("otel", "OpenTelemetry")
        try:
            check(config)
            pipeline = make(diagnostics)
        except NotPositive as error:
            raise ExporterNotBuilt(f"{_BUILD}{error}") from None
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False, include_input=False)
            text = first["msg"].removeprefix("Value error, ")
            if "is set automatically" in text or "max_export_batch_size" in text:
                raise ExporterNotBuilt(f"{_BUILD}{text}") from None
            where = ".".join(map(str, first["loc"]))
            raise ValueError(text if first["type"] == "value_error" else f"{where}: {text}") from None
        self._exporters = Exporters([pipeline], diagnostics, joiner=Joiner())
        self._diagnostics = diagnostics
        self._pipeline = pipeline

    def register(self, name: str) -> None:
        """Start listening, under the subscriber name ``name``.

        Raises:
            AlreadyRegistered: the name is taken (a RuntimeError).
        """
        self._exporters.register(name)

    def deregister(self, name: str) -> bool:
        """Stop listening; False when the name is unknown."""
        return self._exporters.deregister(name)

    def force_flush(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Send what was emitted so far.

        Args:
            timeout: seconds to wait at the most.

        Returns:
            Whether all of it has arrived. What has not is tried again.
        """
        return self._exporters.force_flush(timeout)

    def shutdown(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Stop listening, send what can be sent within ``timeout`` seconds, and close. Again is harmless.

        Returns:
            Whether everything has arrived.
        """
        return self._exporters.shutdown(timeout)

    def runtime_diagnostics(self) -> OpenTelemetryRuntimeDiagnostics:
        """What went wrong so far."""
        return OpenTelemetryRuntimeDiagnostics(self._diagnostics.entries)

    def counters(self) -> Counters:
        """What became of the events."""
        return self._pipeline.counters

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class OpenTelemetrySubscriber(_Subscriber):
    """Runs as spans.

    Args:
        config: where they go, and in which projection.

    Raises:
        ValueError: a field of the configuration is wrong.
        ExporterNotBuilt: the endpoint or the file cannot be used (a RuntimeError).
    """

    def __init__(self, config: OpenTelemetryConfig | OpenTelemetryFileSinkConfig) -> None:
        if isinstance(config, OpenTelemetryConfig):
            super().__init__(config, lambda diagnostics: _traces(config, diagnostics))
        elif isinstance(config, OpenTelemetryFileSinkConfig):
            super().__init__(config, lambda diagnostics: _file(config, diagnostics))
        else:
            raise TypeError("config must be an OpenTelemetryConfig or OpenTelemetryFileSinkConfig")


class OpenTelemetryLogSubscriber(_Subscriber):
    """Marks as log records; raises as ``OpenTelemetrySubscriber`` does.

    Args:
        config: where they go.
    """

    def __init__(self, config: OpenTelemetryLogConfig) -> None:
        _expect(config, OpenTelemetryLogConfig)
        super().__init__(config, lambda diagnostics: _logs(config, diagnostics))


class OpenTelemetryMetricSubscriber(_Subscriber):
    """Metric marks, and what LLM calls take and use, as metrics; raises as ``OpenTelemetrySubscriber`` does.

    Args:
        config: where they go.
    """

    def __init__(self, config: OpenTelemetryMetricConfig) -> None:
        _expect(config, OpenTelemetryMetricConfig)
        super().__init__(config, lambda diagnostics: _metrics(config, diagnostics))


def _expect(config: object, kind: type) -> None:
    if not isinstance(config, kind):
        raise TypeError(f"config must be an {kind.__name__}, not {type(config).__name__!r}")


def _values(config: Settings, *without: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in without}


def _connection(config: Settings, signal: str, *, https: bool) -> None:
    """What is wrong with a connection, in the order in which it is told.

    Raises:
        ExporterNotBuilt: something is.
    """
    values = dict(config.items())
    try:
        refuse_global_headers(signal)
        if https:
            check_https(values["endpoint"])
        check_header_names(values["headers"], values["header_env"])
        for name, variable in values["header_env"].items():
            header_from_environment(name, variable)
    except ValueError as error:
        text = str(error)
        bare = text.startswith((_HEADER, "OTEL_"))
        raise ExporterNotBuilt(text if bare else _BUILD + text) from None


def _built(make: Callable[[], Pipeline]) -> Pipeline:
    try:
        return make()
    except ValueError as error:
        raise ExporterNotBuilt(f"{_BUILD}{error}") from None


def _spool(config: Settings) -> Spool:
    folder = config.spool_directory
    return Spool(enabled=False) if folder is None else Spool(directory=folder)


def _traces(config: OpenTelemetryConfig, diagnostics: Diagnostics) -> Pipeline:
    checked = TraceEndpoint.model_validate(_values(config, "spool_directory"))
    _connection(config, "traces", https=True)
    return _built(lambda: building.trace_pipeline(checked, _spool(config), diagnostics))


def _file(config: OpenTelemetryFileSinkConfig, diagnostics: Diagnostics) -> Pipeline:
    checked = FileSink.model_validate(_values(config))
    return _built(lambda: building.file_pipeline(checked, diagnostics))


def _logs(config: OpenTelemetryLogConfig, diagnostics: Diagnostics) -> Pipeline:
    own = ("max_queue_size", "max_export_batch_size", "scheduled_delay_millis", "completed_span_context_ttl_millis")
    values = dict(config.items())
    logs = Logs.model_validate(
        {"minimum_severity": config.minimum_severity.name.lower(), **{name: values[name] for name in own}}
    )
    checked = SignalEndpoint.model_validate(_values(config, *own, "minimum_severity", "spool_directory"))
    _connection(config, "logs", https=False)
    return _built(lambda: building.log_pipeline(checked, logs, _spool(config), diagnostics))


def _metrics(config: OpenTelemetryMetricConfig, diagnostics: Diagnostics) -> Pipeline:
    own = ("export_interval_millis", "max_instruments", "cardinality_limit", "genai_version")
    values = dict(config.items())
    temporality = {"LowMemory": "low_memory"}.get(config.temporality.name, config.temporality.name.lower())
    metrics = Metrics.model_validate({"temporality": temporality, **{name: values[name] for name in own}})
    checked = SignalEndpoint.model_validate(_values(config, *own, "temporality"))
    _connection(config, "metrics", https=False)
    return _built(lambda: building.metric_pipeline(checked, metrics, diagnostics))
