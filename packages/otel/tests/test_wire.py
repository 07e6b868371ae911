# SPDX-License-Identifier: Apache-2.0
"""What is written by hand is what protobuf's own messages hold."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from receiver import value

from nemo_relay_otel.records import Link, Span, SpanEvent, SpanKind, Status
from nemo_relay_otel.transport.encoding import encode_span
from nemo_relay_otel.transport.wire import any_value

TEXTS = st.text(max_size=40) | st.integers(0, 3000).map(lambda size: "x" * size)
SCALARS = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
ATTRIBUTES = st.dictionaries(st.text(max_size=9), SCALARS | st.lists(SCALARS, max_size=3), max_size=9)
LEAVES = st.text(max_size=9) | st.booleans() | st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)
EVENTS = st.lists(st.builds(SpanEvent, TEXTS, st.integers(0, 2**64 - 1), ATTRIBUTES), max_size=3)
NANOSECONDS = st.integers(0, 2**64 - 1)


def plain(found: Any) -> dict[str, Any]:
    return {item.key: value(item.value) for item in found}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ATTRIBUTES, EVENTS, TEXTS, NANOSECONDS, NANOSECONDS, st.sampled_from(SpanKind), st.sampled_from(Status))
def test_a_span(
    attributes: dict[str, Any], events: list[SpanEvent], name: str, start: int, end: int, kind: SpanKind, code: Status
) -> None:
    links = (Link("a" * 32, "b" * 16),)
    span = Span("1" * 32, "2" * 16, "3" * 16, name, kind, start, end, attributes, events, code, name, "a=b", 769, links)
    message = trace_pb2.Span.FromString(encode_span(span))
    assert (message.trace_id.hex(), message.span_id.hex()) == ("1" * 32, "2" * 16)
    assert message.parent_span_id.hex() == "3" * 16
    assert (message.name, message.status.message, message.trace_state) == (name, name, "a=b")
    assert (message.start_time_unix_nano, message.end_time_unix_nano, message.flags) == (start, end, 769)
    assert (message.kind, message.status.code) == (kind, code)
    assert plain(message.attributes) == attributes
    assert [(e.name, e.time_unix_nano, plain(e.attributes)) for e in message.events] == events
    assert (message.links[0].trace_id.hex(), message.links[0].span_id.hex()) == links[0]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_a_value(given_value: Any) -> None:
    assert value(AnyValue.FromString(any_value(given_value))) == given_value


def test_what_protobuf_has_no_form_for() -> None:
    assert value(AnyValue.FromString(any_value(2**63))) == str(2**63)
    assert value(AnyValue.FromString(any_value(None))) == "null"
    assert value(AnyValue.FromString(any_value("\ud800"))) == "?"
    assert value(AnyValue.FromString(any_value({1: "a"}))) == {"1": "a"}
