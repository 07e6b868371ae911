# SPDX-License-Identifier: Apache-2.0
"""Spans to an OpenTelemetry ``SpanExporter`` that the application hands over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nemo_relay_otel.records import Attribute, Span, SpanKind, Status
from nemo_relay_spool.outcome import Delivered, Item, Outcome, Retry

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

_GUESSED_BYTES = 2_048  # of a span that is not encoded here


class ExporterTransport:
    """Hands batches to an exporter. One that raises is asked again later, like one that reports failure."""

    def __init__(self, exporter: SpanExporter, resource: Mapping[str, Attribute], scope: str) -> None:
        self.target = type(exporter).__name__
        self._exporter = exporter
        self._resource = dict(resource)
        self._scope = scope

    def encode(self, record: Any) -> Item:
        """A span as the SDK has it."""
        return Item(record.resource, readable(record, self._resource, self._scope), _GUESSED_BYTES)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Export a batch."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        try:
            result = self._exporter.export([item.content for item in items])
        except Exception as error:
            return Retry(type(error).__name__)
        return Delivered() if result is SpanExportResult.SUCCESS else Retry("the exporter reports failure")

    def close(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()


def readable(span: Span, resource: Mapping[str, Attribute], scope: str) -> ReadableSpan:
    """A span as exporters of the SDK take it."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags, TraceState
    from opentelemetry.trace import SpanKind as Kind
    from opentelemetry.trace import Status as SdkStatus

    def context(trace_id: str, span_id: str, remote: bool = False) -> SpanContext:
        state = TraceState.from_header([span.trace_state]) if span.trace_state else None
        return SpanContext(int(trace_id, 16), int(span_id, 16), remote, TraceFlags(1), state)

    codes = {Status.UNSET: StatusCode.UNSET, Status.OK: StatusCode.OK, Status.ERROR: StatusCode.ERROR}
    remote = bool(span.flags & 0x200)
    return ReadableSpan(
        span.name,
        context(span.trace_id, span.span_id),
        context(span.trace_id, span.parent_span_id, remote) if span.parent_span_id else None,
        Resource({**dict(span.resource), **resource}),
        span.attributes,
        tuple(Event(event.name, event.attributes, event.time_ns) for event in span.events),
        tuple(Link(context(link.trace_id, link.span_id)) for link in span.links),
        Kind.CLIENT if span.kind is SpanKind.CLIENT else Kind.INTERNAL,
        status=SdkStatus(codes[span.status], span.status_message if span.status is Status.ERROR else None),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=InstrumentationScope(scope),
    )
