# SPDX-License-Identifier: Apache-2.0
"""The two encodings of OTLP for the three signals, and what an answer in them says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from nemo_relay_otel.records import Attribute
from nemo_relay_otel.transport import encoding, json_encoding
from nemo_relay_otel.values import count, mapping
from nemo_relay_spool.outcome import Delivered, Item

SIGNALS = ("traces", "logs", "metrics")
_RECORDS: dict[str, Callable[[Any], bytes]] = {
    "traces": encoding.encode_span,
    "logs": encoding.encode_log,
    "metrics": encoding.encode_metric,
}
_REJECTED = {
    "traces": ("rejected_spans", "rejectedSpans"),
    "logs": ("rejected_log_records", "rejectedLogRecords"),
    "metrics": ("rejected_data_points", "rejectedDataPoints"),
}


class Codec(Protocol):
    """Encodes records, and reads answers."""

    content_type: str

    def encode(self, record: Any) -> Item:
        """One record."""
        ...

    def body(self, items: Sequence[Item]) -> bytes:
        """The request."""
        ...

    def verdict(self, answer: bytes) -> Delivered:
        """What a successful answer says of records that were not taken."""
        ...

    def message(self, answer: bytes) -> str:
        """What an unsuccessful answer says."""
        ...


class ProtobufCodec:
    """Binary OTLP."""

    content_type = "application/x-protobuf"

    def __init__(self, signal: str, resource: Mapping[str, Attribute], scope: str) -> None:
        self._signal = signal
        self._encode = _RECORDS[signal]
        self._envelope = encoding.Envelope(resource, scope)

    def encode(self, record: Any) -> Item:
        """One record."""
        content = self._encode(record)
        return Item(record.resource, content, len(content))

    def body(self, items: Sequence[Item]) -> bytes:
        """The request."""
        return self._envelope.wrap((item.resource, item.content) for item in items)

    def verdict(self, answer: bytes) -> Delivered:
        """What a successful answer says of records that were not taken."""
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        response = _responses(self._signal)()
        try:
            response.ParseFromString(answer)
        except DecodeError:
            return Delivered()
        partial = response.partial_success
        return Delivered(int(getattr(partial, _REJECTED[self._signal][0])), partial.error_message)

    def message(self, answer: bytes) -> str:
        """What an unsuccessful answer says: printable text only, a status message has its field tags before it."""
        return "".join(letter for letter in answer.decode(errors="ignore") if letter.isprintable())


def _responses(signal: str) -> Any:
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

        return ExportTraceServiceResponse
    if signal == "logs":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

        return ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    return ExportMetricsServiceResponse


class JsonCodec:
    """OTLP in JSON: camel case, ids in hex, 64-bit integers as strings."""

    content_type = "application/json"

    def __init__(self, signal: str, resource: Mapping[str, Attribute], scope: str) -> None:
        self._signal = signal
        self._envelope = json_encoding.Envelope(signal, resource, scope)

    def encode(self, record: Any) -> Item:
        """One record."""
        content = json_encoding.encode(record)
        return Item(record.resource, content, len(content))

    def body(self, items: Sequence[Item]) -> bytes:
        """The request."""
        return self._envelope.wrap((item.resource, item.content) for item in items)

    def verdict(self, answer: bytes) -> Delivered:
        """What a successful answer says of records that were not taken."""
        try:
            partial = mapping(mapping(msgspec.json.decode(answer)).get("partialSuccess"))
        except ValueError:
            return Delivered()
        rejected = partial.get(_REJECTED[self._signal][1], 0)
        number = int(rejected) if isinstance(rejected, str) and rejected.isdigit() else count(rejected)
        return Delivered(number or 0, str(partial.get("errorMessage", "")))

    def message(self, answer: bytes) -> str:
        """What an unsuccessful answer says."""
        try:
            return str(mapping(msgspec.json.decode(answer)).get("message", ""))
        except ValueError:
            return answer.decode(errors="replace")
