# SPDX-License-Identifier: Apache-2.0
"""Records as OTLP messages, in protobuf.

Each record is encoded by itself, when it is made: so its size is known, a batch is cut by bytes, and a batch that a
back end finds too large is halved without encoding anything again. The envelope around them is put together of those
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nemo_relay_otel.records import Attribute, LogRecord, Metric, Point, Span
from nemo_relay_otel.values import I64_MAX, I64_MIN

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as MetricMessage

Resource = tuple[tuple[str, Attribute], ...]
_WIRE_BYTES = 2  # protobuf's wire type of strings, bytes and messages
_DELTA, _CUMULATIVE = 1, 2


def _key_values(target: Any, attributes: Iterable[tuple[str, Any]]) -> None:
    add = target.add
    for key, value in attributes:
        item = add()
        item.key = key
        _set(item.value, value)


def _set(target: AnyValue, value: Any) -> None:
    kind = value.__class__
    if kind is str:
        target.string_value = value if value.isascii() else _valid(value)
    elif kind is bool:
        target.bool_value = value
    elif kind is int:
        if I64_MIN <= value <= I64_MAX:
            target.int_value = value
        else:
            target.string_value = str(value)
    elif kind is float:
        target.double_value = value
    elif isinstance(value, Mapping):
        _key_values(target.kvlist_value.values, sorted((str(key), item) for key, item in value.items()))
        target.kvlist_value.SetInParent()
    elif isinstance(value, (list, tuple)):
        target.array_value.SetInParent()
        for item in value:
            _set(target.array_value.values.add(), item)
    else:
        target.string_value = "null" if value is None else _valid(str(value))


def _valid(text: str) -> str:
    """The text without lone surrogates, which UTF-8 has no form for."""
    return text.encode(errors="replace").decode()


def encode_span(span: Span) -> bytes:
    """An OTLP ``Span``."""
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

    message = Message(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        trace_state=span.trace_state,
        parent_span_id=bytes.fromhex(span.parent_span_id),
        flags=span.flags,
        name=_valid(span.name),
        kind=span.kind.value,  # type: ignore[arg-type]
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
    )
    message.status.code = span.status.value  # type: ignore[assignment]
    message.status.message = _valid(span.status_message)
    _key_values(message.attributes, span.attributes.items())
    for event in span.events:
        made = message.events.add(time_unix_nano=event.time_ns, name=_valid(event.name))
        _key_values(made.attributes, event.attributes.items())
    for link in span.links:
        message.links.add(trace_id=bytes.fromhex(link.trace_id), span_id=bytes.fromhex(link.span_id))
    encoded: bytes = message.SerializeToString()
    return encoded


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
        _set(message.body, record.body)
    _key_values(message.attributes, record.attributes.items())
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
        _key_values(made.attributes, point.attributes.items())


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
    _key_values(made.attributes, point.attributes.items())


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
        from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

        self._resource = dict(resource)
        self._scope = _field(1, InstrumentationScope(name=scope).SerializeToString())
        self._resources: dict[Resource, bytes] = {}

    def wrap(self, records: Iterable[tuple[Resource, bytes]]) -> bytes:
        """The request: records with what is promoted to their resource, encoded."""
        by_resource: dict[Resource, list[bytes]] = {}
        for promoted, record in records:
            by_resource.setdefault(promoted, []).append(_field(2, record))
        parts = []
        for promoted, fields in by_resource.items():
            scoped = _field(2, self._scope + b"".join(fields))
            parts.append(_field(1, _field(1, self._encoded(promoted)) + scoped))
        return b"".join(parts)

    def _encoded(self, promoted: Resource) -> bytes:
        known = self._resources.get(promoted)
        if known is None:
            from opentelemetry.proto.resource.v1.resource_pb2 import Resource as Message

            message = Message()
            _key_values(message.attributes, sorted({**dict(promoted), **self._resource}.items()))
            if len(self._resources) > 1_000:
                self._resources.clear()
            known = self._resources[promoted] = message.SerializeToString()
        return known


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | _WIRE_BYTES,)) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
