# SPDX-License-Identifier: Apache-2.0
"""From configuration to pipelines."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from nemo_relay_otel.config.checks import is_loopback
from nemo_relay_otel.config.endpoints import signal_url, trace_url
from nemo_relay_otel.config.headers import Headers
from nemo_relay_otel.config.resource import resource
from nemo_relay_otel.config.section import Connection, ConsoleSink, FileSink, Logs, Metrics, Spool, TraceEndpoint
from nemo_relay_otel.projections import Settings
from nemo_relay_otel.records import Attribute
from nemo_relay_otel.transport.codec import JsonCodec, ProtobufCodec
from nemo_relay_otel.transport.files import ConsoleTransport, FileTransport
from nemo_relay_spool.counters import Counters, Diagnostics
from nemo_relay_spool.delivery import Limits
from nemo_relay_spool.journal import Journal
from nemo_relay_spool.memory import MemoryQueue, Queue
from nemo_relay_spool.outcome import Transport
from nemo_relay_spool.pipeline import Pipeline, Transform

_GRPC_BYTES, _HTTP_BYTES = 3_500_000, 4_500_000  # what receivers take in one request
_MEMORY_BYTES = 64 << 20
_MILLION = 1_000_000
MakeQueue = Callable[[Counters], Queue]


def trace_pipeline(config: TraceEndpoint, spool: Spool, diagnostics: Diagnostics) -> Pipeline:
    """Spans to an endpoint.

    Raises:
        ValueError: a header, a certificate or the address cannot be used.
        MissingExtra: gRPC is asked for and not installed (an ImportError).
    """
    url = config.endpoint if config.grpc else trace_url(config.endpoint)
    return Pipeline(
        "traces",
        _traces(config, diagnostics),
        lambda: otlp("traces", url, config),
        queue(spool, f"traces-{config.type}", url, config.max_queue_size * 2, diagnostics),
        Limits(config.max_export_batch_size, _GRPC_BYTES if config.grpc else _HTTP_BYTES),
        config.scheduled_delay_millis / 1000,
        diagnostics,
    )


def file_pipeline(config: FileSink, diagnostics: Diagnostics) -> Pipeline:
    """Spans to a file.

    Raises:
        ValueError: it cannot be opened.
    """
    made = _codec_of(config, "http_json" if config.format == "json_lines" else "http_binary", "traces")
    first = [config.mode == "overwrite"]

    def transport() -> Transport:
        overwrite = first and first.pop()  # a forked child goes on in the file
        return FileTransport(config.output_directory, config.filename, made, overwrite=bool(overwrite))

    return Pipeline(
        "traces",
        _traces(config, diagnostics),
        transport,
        in_memory(config.max_queue_size * 2),
        Limits(config.max_export_batch_size),
        config.scheduled_delay_millis / 1000,
        diagnostics,
    )


def console_pipeline(config: ConsoleSink, diagnostics: Diagnostics) -> Pipeline:
    """Spans onto the console."""
    codec = JsonCodec("traces", resource_of(config), config.instrumentation_scope)
    return Pipeline(
        "traces",
        _traces(config, diagnostics),
        lambda: ConsoleTransport(codec, config.stream),
        in_memory(config.max_queue_size * 2),
        Limits(config.max_export_batch_size),
        config.scheduled_delay_millis / 1000,
        diagnostics,
    )


def log_pipeline(config: Connection, logs: Logs, spool: Spool, diagnostics: Diagnostics) -> Pipeline:
    """Log records to an endpoint; raises as ``trace_pipeline`` does."""
    from nemo_relay_otel.signals.logs import LogRecords

    url = config.endpoint if config.grpc else signal_url(config.endpoint, "logs")
    ttl, promote = logs.completed_span_context_ttl_millis * _MILLION, tuple(config.promote_resource_metadata_prefixes)
    return Pipeline(
        "logs",
        lambda: LogRecords(logs.minimum_severity, ttl, promote, diagnostics.report),
        lambda: otlp("logs", url, config),
        queue(spool, "logs", url, logs.max_queue_size * 2, diagnostics),
        Limits(logs.max_export_batch_size, _GRPC_BYTES),
        logs.scheduled_delay_millis / 1000,
        diagnostics,
    )


def metric_pipeline(config: Connection, metrics: Metrics, diagnostics: Diagnostics) -> Pipeline:
    """Metrics to an endpoint; raises as ``trace_pipeline`` does. Sums live in memory, so they need no spool."""
    from nemo_relay_otel.signals.metrics import Measurements

    url = config.endpoint if config.grpc else signal_url(config.endpoint, "metrics")
    return Pipeline(
        "metrics",
        lambda: Measurements(metrics, diagnostics.report),
        lambda: otlp("metrics", url, config),
        in_memory(200_000),
        Limits(size=_GRPC_BYTES),
        min(metrics.export_interval_millis / 1000, 5.0),
        diagnostics,
    )


def _traces(config: TraceEndpoint | FileSink | ConsoleSink, diagnostics: Diagnostics) -> Callable[[], Transform]:
    from nemo_relay_otel.signals.traces import Traces

    settings = settings_of(config)
    return lambda: Traces(settings, config.completed_span_context_ttl_millis * _MILLION, diagnostics.report)


def settings_of(config: TraceEndpoint | FileSink | ConsoleSink) -> Settings:
    """What a destination asks of its projection."""
    return Settings(
        config.type,
        config.mark_projection,
        tuple(config.mark_exclude_names),
        tuple((each["key"], each["alias"]) for each in config.attribute_mappings),
        tuple(config.promote_metadata_prefixes),
        tuple(config.promote_resource_metadata_prefixes),
        config.genai_version,
        config.pending,
    )


def resource_of(config: Connection | FileSink | ConsoleSink) -> dict[str, Attribute]:
    """Who sends."""
    return resource(
        config.service_name, config.service_namespace, config.service_version, dict(config.resource_attributes)
    )


def _codec_of(config: Connection | FileSink | ConsoleSink, transport: str, signal: str) -> JsonCodec | ProtobufCodec:
    make = JsonCodec if transport == "http_json" else ProtobufCodec
    return make(signal, resource_of(config), config.instrumentation_scope)


def otlp(signal: str, url: str, config: Connection) -> Transport:
    """The way to an endpoint."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ValueError(f"the endpoint for {signal} is no http or https address")
    headers = Headers(revealed(config.headers), config.header_env, config.header_file)
    timeout = config.timeout_millis / 1000
    compress = config.compression == "gzip" or (
        config.compression == "auto" and not is_loopback(urlsplit(url).hostname)
    )
    made = _codec_of(config, config.transport, signal)
    if isinstance(made, ProtobufCodec) and config.grpc:
        from nemo_relay_otel.transport.grpc import GrpcTransport

        return GrpcTransport(signal, url, made, headers, timeout, config.tls, compress)
    from nemo_relay_otel.transport import tls
    from nemo_relay_otel.transport.http import HttpTransport

    return HttpTransport(url, made, headers, timeout, tls.context(config.tls), compress)


def revealed(headers: Mapping[str, SecretStr]) -> dict[str, str]:
    """The values of headers."""
    return {name: value.get_secret_value() for name, value in headers.items()}


def in_memory(events: int) -> MakeQueue:
    """A queue in memory."""
    return lambda counters: MemoryQueue(counters, events, _MEMORY_BYTES)


def queue(spool: Spool, what: str, url: str, events: int, diagnostics: Diagnostics) -> MakeQueue:
    """A queue on disk, or in memory where the configuration says so, or the disk does."""
    if not spool.enabled:
        return in_memory(events)
    # The name must say where the events go, and may not show it: an address can hold a credential.
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    folder = Path(os.path.abspath(spool.directory)) / f"{what}-{digest}"

    def make(counters: Counters) -> Queue:
        try:
            return Journal(folder, counters, diagnostics, spool.max_bytes)
        except OSError as error:
            diagnostics.report(
                "otel.spool_unavailable",
                f"the spool directory {spool.directory!r} cannot be used ({error.strerror}): events wait in memory",
            )
            return MemoryQueue(counters, events, _MEMORY_BYTES)

    return make
