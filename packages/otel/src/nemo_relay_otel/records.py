# SPDX-License-Identifier: Apache-2.0
"""What is sent: spans, log records and metric points as plain values, before any encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

Scalar = str | bool | int | float
Attribute = Scalar | Sequence[Scalar]
Attributes = dict[str, Attribute]

FLAGS_LOCAL = 0x101  # sampled; whether the parent is remote is known, and it is not
FLAGS_REMOTE = 0x301


class SpanKind(IntEnum):
    """OTLP's numbers."""

    INTERNAL = 1
    CLIENT = 3


class Status(IntEnum):
    """OTLP's numbers."""

    UNSET = 0
    OK = 1
    ERROR = 2


class SpanEvent(NamedTuple):
    """A moment of a span."""

    name: str
    time_ns: int
    attributes: Attributes


class Link(NamedTuple):
    """Another span that this one has to do with."""

    trace_id: str
    span_id: str


@dataclass(slots=True)
class Span:
    """A span as OTLP knows it. Ids are lower-case hex; times are nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: list[SpanEvent] = field(default_factory=list)
    status: Status = Status.UNSET
    status_message: str = ""
    trace_state: str = ""
    flags: int = FLAGS_LOCAL
    links: tuple[Link, ...] = ()
    resource: tuple[tuple[str, Attribute], ...] = ()  # what is promoted from metadata, beside the configured resource


@dataclass(slots=True)
class LogRecord:
    """A log record. ``body`` is any JSON value."""

    time_ns: int
    observed_ns: int
    severity: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    trace_id: str = ""
    span_id: str = ""
    resource: tuple[tuple[str, Attribute], ...] = ()


@dataclass(slots=True)
class Point:
    """One series of an instrument, over one interval."""

    attributes: Mapping[str, Attribute]
    start_ns: int
    time_ns: int
    value: float | int = 0
    count: int = 0
    buckets: tuple[int, ...] = ()
    smallest: float = 0.0
    largest: float = 0.0


@dataclass(slots=True)
class Metric:
    """An instrument with its points. ``kind`` is ``sum``, ``gauge`` or ``histogram``."""

    name: str
    unit: str
    description: str
    kind: str
    monotonic: bool
    delta: bool
    bounds: tuple[float, ...]
    points: list[Point]
    resource: tuple[tuple[str, Attribute], ...] = ()
