# SPDX-License-Identifier: Apache-2.0
"""Records as OTLP messages, in JSON. All members are there, also where they are empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from nemo_relay_otel.records import Attribute, LogRecord, Metric, Point, Span
from nemo_relay_otel.transport.encoding import Resource
from nemo_relay_otel.values import I64_MAX, I64_MIN

_encode = msgspec.json.encode
_NAMES = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
}


def key_values(attributes: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Attributes as OTLP's list of keys with typed values."""
    return [{"key": key, "value": value_of(value)} for key, value in attributes]


def value_of(value: Any) -> dict[str, Any]:
    """A typed value."""
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if I64_MIN <= value <= I64_MAX else {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, Mapping):
        pairs = sorted((str(key), item) for key, item in value.items())
        return {"kvlistValue": {"values": key_values(pairs)}}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [value_of(item) for item in value]}}
    return {"stringValue": "null" if value is None else str(value)}


def encode(record: Span | LogRecord | Metric) -> bytes:
    """One record."""
    if isinstance(record, Span):
        return _encode(_span(record))
    return _encode(_log(record) if isinstance(record, LogRecord) else _metric(record))


def _span(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "traceState": span.trace_state,
        "parentSpanId": span.parent_span_id,
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind.value,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": key_values(span.attributes.items()),
        "droppedAttributesCount": 0,
        "events": [
            {
                "timeUnixNano": str(event.time_ns),
                "name": event.name,
                "attributes": key_values(event.attributes.items()),
                "droppedAttributesCount": 0,
            }
            for event in span.events
        ],
        "droppedEventsCount": 0,
        "links": [
            {
                "traceId": link.trace_id,
                "spanId": link.span_id,
                "traceState": "",
                "attributes": [],
                "droppedAttributesCount": 0,
                "flags": 0,
            }
            for link in span.links
        ],
        "droppedLinksCount": 0,
        "status": {"message": span.status_message, "code": span.status.value},
    }


def _log(record: LogRecord) -> dict[str, Any]:
    return {
        "timeUnixNano": str(record.time_ns),
        "observedTimeUnixNano": str(record.observed_ns),
        "severityNumber": record.severity,
        "severityText": record.severity_text,
        **({} if record.body is None else {"body": value_of(record.body)}),
        "attributes": key_values(record.attributes.items()),
        "droppedAttributesCount": 0,
        "flags": 1 if record.trace_id else 0,
        "traceId": record.trace_id,
        "spanId": record.span_id,
    }


def _metric(metric: Metric) -> dict[str, Any]:
    points = [_point(point, metric) for point in metric.points]
    body: dict[str, Any] = {"dataPoints": points}
    if metric.kind != "gauge":
        body["aggregationTemporality"] = 1 if metric.delta else 2
    if metric.kind == "sum":
        body["isMonotonic"] = metric.monotonic
    return {"name": metric.name, "description": metric.description, "unit": metric.unit, metric.kind: body}


def _point(point: Point, metric: Metric) -> dict[str, Any]:
    made: dict[str, Any] = {
        "attributes": key_values(point.attributes.items()),
        "startTimeUnixNano": str(point.start_ns),
        "timeUnixNano": str(point.time_ns),
    }
    if metric.kind == "histogram":
        buckets = [str(count) for count in point.buckets]
        summary = {"count": str(point.count), "sum": float(point.value), "min": point.smallest, "max": point.largest}
        return {**made, **summary, "bucketCounts": buckets, "explicitBounds": list(metric.bounds)}
    if isinstance(point.value, int):
        return {**made, "asInt": str(point.value)}
    return {**made, "asDouble": point.value}


class Envelope:
    """What stands around the records of one resource and one instrumentation scope."""

    def __init__(self, signal: str, resource: Mapping[str, Attribute], scope: str) -> None:
        self._outer, self._inner, self._leaf = _NAMES[signal]
        self._resource = dict(resource)
        self._scope = {"name": scope, "version": "", "attributes": [], "droppedAttributesCount": 0}

    def wrap(self, records: Iterable[tuple[Resource, bytes]]) -> bytes:
        """The request: records with what is promoted to their resource, encoded."""
        by_resource: dict[Resource, list[msgspec.Raw]] = {}
        for promoted, record in records:
            by_resource.setdefault(promoted, []).append(msgspec.Raw(record))
        return _encode({self._outer: [self._of(promoted, leaves) for promoted, leaves in by_resource.items()]})

    def _of(self, promoted: Resource, leaves: list[msgspec.Raw]) -> dict[str, Any]:
        attributes = key_values(sorted({**dict(promoted), **self._resource}.items()))
        resource = {"attributes": attributes, "droppedAttributesCount": 0, "entityRefs": []}
        scoped = {"scope": self._scope, self._leaf: leaves, "schemaUrl": ""}
        return {"resource": resource, self._inner: [scoped], "schemaUrl": ""}
