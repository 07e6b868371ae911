# SPDX-License-Identifier: Apache-2.0
"""The classes of the published package: the same names, defaults and error texts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from receiver import Receiver

import nemo_relay
from nemo_relay import (
    LogSeverity,
    MetricKind,
    MetricMeasurement,
    MetricTemporality,
    MetricValueType,
    ScopeType,
    scope,
    tools,
)

LOOPBACK = "http://127.0.0.1:9"
NAMES = (
    "OpenTelemetryConfig OpenTelemetryFileSinkConfig OpenTelemetryLogConfig OpenTelemetryLogSubscriber"
    " OpenTelemetryMetricConfig OpenTelemetryMetricSubscriber OpenTelemetryRuntimeDiagnostic"
    " OpenTelemetryRuntimeDiagnostics OpenTelemetrySubscriber"
).split()


def config(**fields: Any) -> Any:
    made = nemo_relay.OpenTelemetryConfig("full", LOOPBACK)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_every_published_name_is_there(name: str) -> None:
    assert isinstance(getattr(nemo_relay, name), type)


def test_without_the_distribution_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['nemo_relay_otel'] = None\n"
        "import nemo_relay\n"
        "from nemo_relay.errors import MissingExtra\n"
        "try: nemo_relay.OpenTelemetryConfig\n"
        "except MissingExtra as error: print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "nemo-relay[otel]" in found.stdout, found.stderr


def test_importing_the_core_loads_nothing_of_opentelemetry() -> None:
    code = "import nemo_relay, sys; print([m for m in sys.modules if 'otel' in m or 'opentelemetry' in m])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_defaults() -> None:
    made = config()
    assert (made.transport, made.timeout_millis, made.completed_span_context_ttl_millis) == ("http_binary", 3000, 60000)
    assert (made.service_name, made.service_namespace, made.instrumentation_scope) == (
        "unknown_service",
        None,
        "opentelemetry",
    )
    assert (made.mark_projection, made.mark_exclude_names) == ("inherit", ["llm.chunk"])
    assert (made.headers, made.header_env, made.resource_attributes, made.attribute_mappings) == ({}, {}, {}, [])
    assert repr(made) == '<OpenTelemetryConfig transport="http_binary" endpoint="http://127.0.0.1:9">'
    logs, metrics = nemo_relay.OpenTelemetryLogConfig(LOOPBACK), nemo_relay.OpenTelemetryMetricConfig(LOOPBACK)
    assert (logs.minimum_severity, logs.max_queue_size, logs.scheduled_delay_millis) == (LogSeverity.Info, 2048, 1000)
    assert (metrics.temporality, metrics.export_interval_millis) == (MetricTemporality.Cumulative, 60000)
    assert (metrics.max_instruments, metrics.cardinality_limit) == (256, 2000)


def test_fields_are_copies() -> None:
    made = config()
    made.headers.update(a="b")
    assert made.headers == {}
    made.set_header("a", "b")
    made.set_header_from_env("c", "D")
    made.set_resource_attribute("e", "f")
    assert (made.headers, made.header_env, made.resource_attributes) == ({"a": "b"}, {"c": "D"}, {"e": "f"})


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("nope", 1, AttributeError),
        ("timeout_millis", -1, OverflowError),
        ("timeout_millis", "x", TypeError),
        ("service_name", None, TypeError),
        ("headers", [], TypeError),
        ("attribute_mappings", [{"key": "a"}], ValueError),
        ("attribute_mappings", [{"key": "a", "alias": " "}], ValueError),
        ("attribute_mappings", [{"key": "a", "alias": "x"}, {"key": "b", "alias": " x "}], ValueError),
    ],
)
def test_a_field_refuses(field: str, value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        config(**{field: value})


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"endpoint": " "}, ValueError, "endpoint is required and must be nonblank"),
        ({"type": "x"}, ValueError, "type must be 'full', 'gen_ai', or 'openinference', got \"x\""),
        ({"transport": "udp"}, ValueError, "transport must be 'http_binary' or 'grpc', got \"udp\""),
        (
            {"mark_projection": "x"},
            ValueError,
            "unknown variant `x`, expected one of `inherit`, `event`, `tool`",
        ),
        (
            {"endpoint": "http://example.com"},
            RuntimeError,
            "failed to build the OTLP exporter: OTLP trace endpoints require HTTPS; HTTP is allowed only for localhost"
            " or loopback IP addresses",
        ),
        ({"endpoint": "http://localhost.:1"}, RuntimeError, None),
        ({"endpoint": "ftp://127.0.0.1"}, RuntimeError, None),
        ({"endpoint": "http://x.localhost"}, RuntimeError, None),
        (
            {"resource_attributes": {"telemetry.sdk.name": "x"}},
            RuntimeError,
            'failed to build the OTLP exporter: resource attribute "telemetry.sdk.name" is set automatically by the'
            " OpenTelemetry SDK and must not be configured",
        ),
        (
            {"completed_span_context_ttl_millis": 0},
            RuntimeError,
            "failed to build the OTLP exporter: completed_span_context_ttl must be greater than 0",
        ),
        ({"headers": {"a b": "x"}}, RuntimeError, 'invalid OTLP header "a b": invalid HTTP header name'),
        (
            {"header_env": {"a": "NOPE_X"}},
            RuntimeError,
            'invalid OTLP header "a": environment variable "NOPE_X" is not set',
        ),
        (
            {"headers": {"a": "x"}, "header_env": {"A": "PATH"}},
            RuntimeError,
            'failed to build the OTLP exporter: header "A" must be unique across headers and header_env and'
            " header_file",
        ),
        ({"promote_metadata_prefixes": ["a*"]}, ValueError, None),
    ],
)
def test_a_subscriber_refuses(fields: dict[str, Any], kind: type[Exception], text: str | None) -> None:
    with pytest.raises(kind) as caught:
        nemo_relay.OpenTelemetrySubscriber(config(**fields))
    if text is not None:
        assert str(caught.value) == text


def test_global_headers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "a=b")
    with pytest.raises(RuntimeError, match=r"OTEL_EXPORTER_OTLP_HEADERS is not supported"):
        nemo_relay.OpenTelemetrySubscriber(config())


def test_a_run_through_the_published_classes(receiver: Receiver) -> None:
    made = nemo_relay.OpenTelemetryConfig("openinference", receiver.url)
    made.service_name = "planner-svc"
    subscriber = nemo_relay.OpenTelemetrySubscriber(made)
    subscriber.register("otel")
    with pytest.raises(RuntimeError, match="already exists"):
        subscriber.register("otel")
    assert subscriber.runtime_diagnostics().entries == []
    with scope.scope("planner", ScopeType.Agent):
        tools.execute_sync("search", {}, lambda arguments: None)
    subscriber.force_flush()
    assert {span.name for span in receiver.spans} == {"planner", "search"}
    resource = receiver.requests[0].message.resource_spans[0].resource
    named = {item.key: item.value.string_value for item in resource.attributes}
    assert named["service.name"] == "planner-svc"
    assert named["telemetry.sdk.language"] == "python"
    assert subscriber.deregister("otel")
    assert not subscriber.deregister("otel")
    subscriber.shutdown()
    subscriber.shutdown()


def test_failures_are_diagnosed(receiver: Receiver) -> None:
    subscriber = nemo_relay.OpenTelemetrySubscriber(config())
    subscriber.register("otel-failing")
    with scope.scope("planner", ScopeType.Agent):
        pass
    assert subscriber.force_flush() is False
    entry = subscriber.runtime_diagnostics().get("otel.traces_export_failed")
    assert entry is not None
    assert "http://127.0.0.1:9/v1/traces" in entry.message
    assert subscriber.runtime_diagnostics().get("nope") is None
    subscriber.shutdown(0.1)


@pytest.mark.parametrize("format", ["json_lines", "proto"])
def test_a_file_sink(tmp_path: Path, format: str) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    sink = nemo_relay.OpenTelemetryFileSinkConfig("full", tmp_path / "out", "spans", format)
    subscriber = nemo_relay.OpenTelemetrySubscriber(sink)
    subscriber.register("file")
    for _ in range(2):
        with scope.scope("planner", ScopeType.Agent):
            pass
        assert subscriber.force_flush()
    subscriber.shutdown()
    content = (tmp_path / "out" / "spans").read_bytes()
    if format == "json_lines":
        requests = [json.loads(line) for line in content.splitlines()]
        (span,) = requests[0]["resourceSpans"][0]["scopeSpans"][0]["spans"]
        assert (span["name"], span["kind"], span["links"], span["traceState"]) == ("planner", 1, [], "")
        assert span["startTimeUnixNano"].isdigit()
        assert len(requests) == 2
        return
    messages = []
    while content:
        size = int.from_bytes(content[:4], "big")
        messages.append(ExportTraceServiceRequest.FromString(content[4 : 4 + size]))
        content = content[4 + size :]
    assert [each.resource_spans[0].scope_spans[0].spans[0].name for each in messages] == ["planner", "planner"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"format": "xml"}, "format must be 'json_lines' or 'proto', got \"xml\""),
        ({"mode": "xml"}, "mode must be 'append' or 'overwrite', got \"xml\""),
        ({"filename": "a/b"}, "filename must be a single path component"),
        ({"filename": ".."}, "filename must be a single path component"),
        ({"filename": " a"}, "filename must be nonblank and unpadded"),
        ({"output_directory": ""}, "output_directory must be a nonblank path"),
    ],
)
def test_a_file_sink_refuses(tmp_path: Path, fields: dict[str, Any], text: str) -> None:
    given = {"otel_type": "full", "output_directory": tmp_path, **fields}
    with pytest.raises(ValueError) as caught:
        nemo_relay.OpenTelemetrySubscriber(nemo_relay.OpenTelemetryFileSinkConfig(**given))
    assert str(caught.value) == text


def test_marks_become_log_records(receiver: Receiver) -> None:
    made = nemo_relay.OpenTelemetryLogConfig(receiver.url)
    made.minimum_severity = LogSeverity.Warn
    subscriber = nemo_relay.OpenTelemetryLogSubscriber(made)
    subscriber.register("logs")
    with scope.scope("planner", ScopeType.Agent) as planner:
        scope.event("quiet", data={"a": 1})
        scope.event("loud", data={"deep": {"list": [1, None, 2**70]}}, severity=LogSeverity.Error)
        scope.event("odd", metadata={"nemo_relay.log.severity": "fatal"})
    subscriber.force_flush()
    (record,) = receiver.log_records
    from receiver import attributes, value

    assert (record.severity_text, record.severity_number) == ("ERROR", 17)
    assert value(record.body) == {"deep": {"list": [1, "null", str(2**70)]}}
    assert attributes(record)["nemo_relay.mark.name"] == "loud"
    assert record.trace_id.hex() == planner.uuid.replace("-", "")
    assert receiver.requests[0].path == "/v1/logs"
    told = subscriber.runtime_diagnostics().get("otel.log_mark_invalid_severity")
    assert told is not None
    assert 'invalid log severity "fatal"' in told.message
    subscriber.shutdown()


def measure(kind: MetricKind, value_type: MetricValueType, value: Any, **more: Any) -> MetricMeasurement:
    return MetricMeasurement(f"test.{kind.name.lower()}", kind, value_type, value, **more)


@pytest.mark.parametrize("temporality", list(MetricTemporality))
def test_metric_marks_become_metrics(receiver: Receiver, temporality: MetricTemporality) -> None:
    made = nemo_relay.OpenTelemetryMetricConfig(receiver.url)
    made.temporality = temporality
    subscriber = nemo_relay.OpenTelemetryMetricSubscriber(made)
    subscriber.register("metrics")
    for _ in range(2):
        scope.metric(
            "numbers",
            [
                measure(MetricKind.Counter, MetricValueType.U64, 3, attributes={"model": "m-1"}),
                measure(MetricKind.Histogram, MetricValueType.F64, 7.0),
                measure(MetricKind.Gauge, MetricValueType.F64, 1.5),
                measure(MetricKind.UpDownCounter, MetricValueType.I64, -2),
            ],
        )
        subscriber.force_flush()
    by_name = [{metric.name: metric for metric in group} for group in halves(receiver.metrics)]
    delta = temporality is not MetricTemporality.Cumulative
    assert by_name[1]["test.counter"].sum.data_points[0].as_int == (3 if delta else 6)
    assert by_name[1]["test.counter"].sum.is_monotonic
    assert by_name[1]["test.counter"].sum.aggregation_temporality == (1 if delta else 2)
    assert by_name[1]["test.updowncounter"].sum.data_points[0].as_int == -4
    assert by_name[1]["test.gauge"].gauge.data_points[0].as_double == 1.5
    histogram = by_name[1]["test.histogram"].histogram.data_points[0]
    assert (histogram.count, histogram.sum) == ((1, 7.0) if delta else (2, 14.0))
    assert (histogram.min, histogram.max) == (7.0, 7.0)
    assert histogram.bucket_counts[2] == histogram.count
    requests = len(receiver.requests)
    subscriber.force_flush()
    assert len(receiver.requests) == requests, "nothing recorded, nothing sent"
    subscriber.shutdown()


def halves(metrics: list[Any]) -> tuple[list[Any], list[Any]]:
    middle = len(metrics) // 2
    return metrics[:middle], metrics[middle:]


def test_metric_limits_and_conflicts(receiver: Receiver) -> None:
    made = nemo_relay.OpenTelemetryMetricConfig(receiver.url)
    made.cardinality_limit = 2
    made.max_instruments = 2
    subscriber = nemo_relay.OpenTelemetryMetricSubscriber(made)
    subscriber.register("metrics")
    for number in range(4):
        attributes = {"n": number}
        scope.metric("m", [measure(MetricKind.Counter, MetricValueType.U64, 1, attributes=attributes)])
    scope.metric("m", [MetricMeasurement("TEST.counter", MetricKind.Gauge, MetricValueType.F64, 1.0)])
    scope.metric("m", [measure(MetricKind.Gauge, MetricValueType.F64, 1.0)])
    scope.metric("m", [measure(MetricKind.Histogram, MetricValueType.F64, 1.0)])
    schema = {"name": "nemo.relay.metric_measurements", "version": "2"}
    scope.event("raw", data={"measurements": []}, data_schema=schema)
    subscriber.force_flush()
    counter = next(metric for metric in receiver.metrics if metric.name == "test.counter")
    assert [len(point.attributes) for point in counter.sum.data_points] == [1, 1, 1]
    assert counter.sum.data_points[2].attributes[0].key == "otel.metric.overflow"
    assert counter.sum.data_points[2].as_int == 2
    codes = {each.code for each in subscriber.runtime_diagnostics().entries}
    assert codes == {
        "otel.metric_cardinality_limit",
        "otel.metric_descriptor_conflict",
        "otel.metric_instrument_limit",
        "otel.metric_mark_invalid",
    }
    subscriber.shutdown()
