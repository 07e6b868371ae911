# SPDX-License-Identifier: Apache-2.0
"""Records as OTLP messages, in protobuf.

Each record is encoded by itself, when it is made: so its size is known, a batch is cut by bytes, and a batch that a
back end finds too large is halved without encoding anything again. The envelope around them is put together of those
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import TYPE_CHECKING, Any

from nemo_relay_otel.records import Attribute, LogRecord, Metric, Point, Span, SpanKind, Status
from nemo_relay_otel.transport.wire import any_value, attributes, field, fixed32, fixed64, tag, utf8, varint

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as MetricMessage

Resource = tuple[tuple[str, Attribute], ...]
_DELTA, _CUMULATIVE = 1, 2


_ATTRIBUTES = tag(9)
_EVENT, _EVENT_NAME, _EVENT_ATTRIBUTES = tag(11), tag(2), tag(3)
_IDS, _PARENT, _NAME, _STATE = (b"\x0a\x10", b"\x12\x08"), b"\x22\x08", tag(5), tag(3)
_START, _END, _EVENT_TIME, _FLAGS = tag(7, 1), tag(8, 1), tag(1, 1), tag(16, 5)
_KINDS = {kind: tag(6, 0) + varint(kind) for kind in SpanKind}
_LINK, _STATUS, _MESSAGE = tag(13), tag(15), tag(2)
_CODES = {code: tag(3, 0) + varint(code) if code else b"" for code in Status}
_PLAIN = {code: field(_STATUS, encoded) for code, encoded in _CODES.items()}
_TIMES = Struct("<cQcQ").pack  # start and end behind their tags


def _merge(message: Any, number: int, items: Iterable[tuple[str, Any]]) -> None:
    message.MergeFromString(b"".join(attributes(tag(number), items)))


def encode_span(span: Span) -> bytes:
    """An OTLP ``Span``."""
    hexed = bytes.fromhex
    pieces = [_IDS[0], hexed(span.trace_id), _IDS[1], hexed(span.span_id)]
    if span.trace_state:
        pieces.append(field(_STATE, utf8(span.trace_state)))
    if span.parent_span_id:
        pieces += (_PARENT, hexed(span.parent_span_id))
    pieces += (field(_NAME, utf8(span.name)), _KINDS[span.kind], _TIMES(_START, span.start_ns, _END, span.end_ns))
    pieces += attributes(_ATTRIBUTES, span.attributes.items())
    for event in span.events:
        inner = [fixed64(_EVENT_TIME, event.time_ns), field(_EVENT_NAME, utf8(event.name))]
        inner += attributes(_EVENT_ATTRIBUTES, event.attributes.items())
        content = b"".join(inner)
        pieces += (_EVENT, varint(len(content)), content)
    for link in span.links:
        pieces.append(field(_LINK, b"".join((_IDS[0], hexed(link.trace_id), _IDS[1], hexed(link.span_id)))))
    pieces += (_PLAIN[span.status] if not span.status_message else _status(span), fixed32(_FLAGS, span.flags))
    return b"".join(pieces)


def _status(span: Span) -> bytes:
    return field(_STATUS, field(_MESSAGE, utf8(span.status_message)) + _CODES[span.status])


def encode_log(record: LogRecord) -> bytes:
    """An OTLP ``LogRecord``."""
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as Message

    message = Message(
        time_unix_nano=record.time_ns,
        observed_time_unix_nano=record.observed_ns,
        severity_number=record.severity,  # type: ignore[arg-type]
        severity_text=record.severity_text,
        trace_id=bytes.fromhex(record.trace_id),
        span_id=bytes.fromhex(record.span_id),
        flags=1 if record.trace_id else 0,
    )
    if record.body is not None:
        message.body.ParseFromString(any_value(record.body))
    _merge(message, 6, record.attributes.items())
    encoded: bytes = message.SerializeToString()
    return encoded


def encode_metric(metric: Metric) -> bytes:
    """An OTLP ``Metric``."""
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as Message

    message = Message(name=metric.name, unit=metric.unit, description=metric.description)
    _POINTS[metric.kind](message, metric)
    encoded: bytes = message.SerializeToString()
    return encoded


def _put_numbers(points: Any, metric: Metric) -> None:
    for point in metric.points:
        made = points.add(start_time_unix_nano=point.start_ns, time_unix_nano=point.time_ns)
        if isinstance(point.value, int):
            made.as_int = point.value
        else:
            made.as_double = point.value
        _merge(made, 7, point.attributes.items())


def _put_sum(message: MetricMessage, metric: Metric) -> None:
    message.sum.is_monotonic = metric.monotonic
    message.sum.aggregation_temporality = _DELTA if metric.delta else _CUMULATIVE  # type: ignore[assignment]
    _put_numbers(message.sum.data_points, metric)


def _put_gauge(message: MetricMessage, metric: Metric) -> None:
    _put_numbers(message.gauge.data_points, metric)


def _put_histogram(message: MetricMessage, metric: Metric) -> None:
    message.histogram.aggregation_temporality = _DELTA if metric.delta else _CUMULATIVE  # type: ignore[assignment]
    for point in metric.points:
        _put_buckets(message.histogram.data_points.add(), point, metric.bounds)


def _put_buckets(made: Any, point: Point, bounds: tuple[float, ...]) -> None:
    made.start_time_unix_nano, made.time_unix_nano = point.start_ns, point.time_ns
    made.count, made.sum, made.min, made.max = point.count, float(point.value), point.smallest, point.largest
    made.bucket_counts.extend(point.buckets)
    made.explicit_bounds.extend(bounds)
    _merge(made, 9, point.attributes.items())


_POINTS: dict[str, Callable[[Any, Metric], None]] = {
    "sum": _put_sum,
    "gauge": _put_gauge,
    "histogram": _put_histogram,
}


class Envelope:
    """What stands around the records of one resource and one instrumentation scope.

    Traces, logs and metrics have the same form: a list of resources, each with a list of scopes, each with records.
    """

    def __init__(self, resource: Mapping[str, Attribute], scope: str) -> None:
        self._resource = dict(resource)
        self._scope = field(b"\x0a", field(b"\x0a", utf8(scope)) if scope else b"")
        self._resources: dict[Resource, bytes] = {}

    def wrap(self, records: Iterable[tuple[Resource, bytes]]) -> bytes:
        """The request: records with what is promoted to their resource, encoded."""
        by_resource: dict[Resource, list[bytes]] = {}
        for promoted, record in records:
            by_resource.setdefault(promoted, []).append(field(b"\x12", record))
        parts = []
        for promoted, fields in by_resource.items():
            scoped = field(b"\x12", self._scope + b"".join(fields))
            parts.append(field(b"\x0a", field(b"\x0a", self._encoded(promoted)) + scoped))
        return b"".join(parts)

    def _encoded(self, promoted: Resource) -> bytes:
        known = self._resources.get(promoted)
        if known is None:
            if len(self._resources) > 1_000:
                self._resources.clear()
            items = sorted({**dict(promoted), **self._resource}.items())
            known = self._resources[promoted] = b"".join(attributes(b"\x0a", items))
        return known
