# SPDX-License-Identifier: Apache-2.0
"""Instruments: sums, gauges and histograms, kept by series until they are sent."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nemo_relay_otel.records import Attribute, Metric, Point

BOUNDS = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0)
OVERFLOW = {"otel.metric.overflow": True}
_KINDS = {"counter": "sum", "up_down_counter": "sum", "gauge": "gauge", "histogram": "histogram"}
Key = tuple[tuple[str, Any], ...]


class Measurement(NamedTuple):
    """One value of one instrument."""

    name: str
    kind: str  # counter, up_down_counter, gauge or histogram
    integral: bool
    value: float | int
    unit: str = ""
    description: str = ""
    attributes: Mapping[str, Attribute] = {}
    bounds: tuple[float, ...] | None = None


class Instrument:
    """The series of one name."""

    def __init__(self, first: Measurement, now: int, delta: bool, limit: int) -> None:
        self.first = first
        self.bounds = BOUNDS if first.bounds is None else first.bounds
        # Sums that go up and down stay cumulative, whatever was asked for; a gauge has no temporality.
        self.delta = delta and first.kind in ("counter", "histogram")
        self.overflowed = False
        self._limit = limit
        self._since = now
        self._series: dict[Key, Point] = {}

    def fits(self, other: Measurement) -> bool:
        """Whether ``other`` describes the same instrument."""
        mine = self.first
        return (mine.kind, mine.integral, mine.unit) == (other.kind, other.integral, other.unit)

    def record(self, measured: Measurement, now: int) -> None:
        """Take a value."""
        point = self._point(measured.attributes, now)
        point.time_ns = now
        kind = measured.kind
        if kind == "gauge":
            point.value = measured.value
            return
        point.value += measured.value
        if kind == "histogram":
            value = float(measured.value)
            at = bisect_left(self.bounds, value)
            counts = list(point.buckets)
            counts[at] += 1
            point.buckets = tuple(counts)
            point.smallest = value if not point.count else min(point.smallest, value)
            point.largest = value if not point.count else max(point.largest, value)
        point.count += 1

    def _point(self, attributes: Mapping[str, Attribute], now: int) -> Point:
        key: Key = tuple(sorted((name, _hashable(value)) for name, value in attributes.items()))
        point = self._series.get(key)
        if point is None:
            if len(self._series) >= self._limit:
                self.overflowed = True
                attributes, key = OVERFLOW, tuple(OVERFLOW.items())
                point = self._series.get(key)
            if point is None:
                point = self._series[key] = self._fresh(attributes, now)
        return point

    def _fresh(self, attributes: Mapping[str, Attribute], now: int) -> Point:
        zero: float | int = 0 if self.first.integral and self.first.kind != "histogram" else 0.0
        buckets = (0,) * (len(self.bounds) + 1) if self.first.kind == "histogram" else ()
        return Point(dict(attributes), self._since, now, zero, buckets=buckets)

    def collect(self, now: int) -> Iterator[Metric]:
        """What there is to send, if anything."""
        if not self._series:
            return
        first = self.first
        points = [
            Point(p.attributes, p.start_ns, now, p.value, p.count, p.buckets, p.smallest, p.largest)
            for p in self._series.values()
        ]
        kind, monotonic = _KINDS[first.kind], first.kind == "counter"
        bounds = self.bounds if kind == "histogram" else ()
        yield Metric(first.name, first.unit, first.description, kind, monotonic, self.delta, bounds, points)
        if self.delta:
            self._series.clear()
            self._since = now


def _hashable(value: Attribute) -> Any:
    return (type(value).__name__, tuple(value)) if isinstance(value, (list, tuple)) else (type(value).__name__, value)
