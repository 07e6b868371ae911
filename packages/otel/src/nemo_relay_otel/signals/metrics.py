# SPDX-License-Identifier: Apache-2.0
"""Metric marks, and what LLM calls take and use, as metrics."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nemo_relay_otel.config.section import Metrics
from nemo_relay_otel.projections.marks import is_metric
from nemo_relay_otel.projections.promotion import Report
from nemo_relay_otel.records import Metric
from nemo_relay_otel.signals.gen_ai_metrics import Calls
from nemo_relay_otel.signals.instruments import Instrument, Measurement
from nemo_relay_otel.values import I64_MAX, attribute, mapping
from nemo_relay_spool.pipeline import Occasion

_MEMBERS = frozenset("name kind value_type value unit description attributes boundaries".split())
_TYPES = {
    "counter": ("u64", "f64"),
    "up_down_counter": ("i64", "f64"),
    "gauge": ("u64", "i64", "f64"),
    "histogram": ("u64", "f64"),
}


class Measurements:
    """The instruments of a stream.

    Args:
        config: the limits, the temporality and the conventions.
        report: hears of marks that cannot be told.
    """

    def __init__(self, config: Metrics, report: Report) -> None:
        self._config = config
        self._report = report
        self._calls = Calls(config.genai_version) if config.automatic else None
        self._instruments: dict[str, Instrument] = {}
        self._due = time.monotonic() + config.export_interval_millis / 1000
        self._changed = False

    def take(self, event: dict[str, Any]) -> Iterable[Metric]:
        """Take an event; nothing is complete before its time."""
        if event.get("kind") == "mark":
            if is_metric(event):
                self._take_mark(event)
        elif self._calls is not None:
            for measured in self._calls.take(event):
                self._record((measured,))
        return ()

    def _take_mark(self, event: dict[str, Any]) -> None:
        try:
            measured = list(_measurements(event))
            self._check(measured)
        except _Dropped as dropped:
            name = event.get("name")
            message = f'OpenTelemetry metric mark "{name}" was dropped atomically: {dropped}'
            self._report(dropped.code, message)
            return
        self._record(measured)

    def _check(self, measured: list[Measurement]) -> None:
        new = {each.name.lower() for each in measured} - self._instruments.keys()
        for each in measured:
            known = self._instruments.get(each.name.lower())
            if known is not None and not known.fits(each):
                problem = f"{each.name!r} is another kind, type or unit already"
                raise _Dropped("otel.metric_descriptor_conflict", problem)
        if len(self._instruments) + len(new) > self._config.max_instruments:
            raise _Dropped("otel.metric_instrument_limit", f"there are {self._config.max_instruments} instruments")

    def _record(self, measured: Iterable[Measurement]) -> None:
        now, delta = time.time_ns(), self._config.temporality != "cumulative"
        for each in measured:
            key = each.name.lower()
            known = self._instruments.get(key)
            if known is None:
                known = self._instruments[key] = Instrument(each, now, delta, self._config.cardinality_limit)
            known.record(each, now)
            self._changed = True
            if known.overflowed:
                known.overflowed = False
                limit = f"{each.name!r} has more than {self._config.cardinality_limit} series"
                self._report("otel.metric_cardinality_limit", f"OpenTelemetry metric {limit}")

    def tick(self, occasion: Occasion) -> Iterator[Metric]:
        """All instruments, when they are due and anything was recorded."""
        now = time.monotonic()
        if occasion == "interval" and now < self._due:
            return
        self._due = now + self._config.export_interval_millis / 1000
        if self._changed:
            self._changed = False
            at = time.time_ns()
            for instrument in self._instruments.values():
                yield from instrument.collect(at)

    def save(self) -> dict[str, Any]:
        """Sums begin anew with each process."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Nothing to go on from."""


class _Dropped(Exception):
    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def _invalid(why: str) -> _Dropped:
    return _Dropped("otel.metric_mark_invalid", why)


def _measurements(event: dict[str, Any]) -> Iterator[Measurement]:
    version = mapping(event.get("data_schema")).get("version")
    if version != "1":
        raise _invalid(f'unsupported metric schema version "{version}"')
    data = event.get("data")
    if data is None:
        raise _invalid("metric mark data is missing")
    items = mapping(data).get("measurements")
    if not isinstance(items, list) or set(data) != {"measurements"}:
        raise _invalid("invalid metric envelope: expected an object with `measurements`, a list")
    if not items:
        raise _invalid("measurements must contain at least one entry")
    for index, item in enumerate(items):
        yield _measurement(mapping(item), index)


def _measurement(item: Mapping[str, Any], index: int) -> Measurement:
    where = f"measurements[{index}]"
    if unknown := set(item) - _MEMBERS:
        raise _invalid(f"invalid metric envelope: {where} has unknown field `{min(unknown)}`")
    name, kind, value_type, value = (item.get(key) for key in ("name", "kind", "value_type", "value"))
    if not isinstance(name, str) or not name or kind not in _TYPES or value_type not in _TYPES[kind]:
        raise _invalid(f"{where} kind {kind} does not support value_type {value_type}")
    if not _fits(value, str(value_type)) or (kind == "counter" and value < 0):  # type: ignore[operator]
        raise _invalid(f"{where} value {value!r} is no {value_type} that a {kind} takes")
    attributes = {}
    for key, each in mapping(item.get("attributes")).items():
        made, why = attribute(each)
        if made is None:
            raise _invalid(f"{where} attribute {key!r}: {why}")
        attributes[key] = made
    bounds = item.get("boundaries")
    if bounds is not None and (kind != "histogram" or not _ascends(bounds)):
        raise _invalid(f"{where} boundaries must be strictly increasing numbers of a histogram")
    return Measurement(
        name,
        str(kind),
        value_type != "f64",
        float(value) if value_type == "f64" else value,  # type: ignore[arg-type]
        str(item.get("unit") or ""),
        str(item.get("description") or ""),
        attributes,
        None if bounds is None else tuple(map(float, bounds)),
    )


def _fits(value: object, value_type: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if value_type == "f64":
        return True
    return isinstance(value, int) and (0 if value_type == "u64" else -I64_MAX - 1) <= value <= I64_MAX


def _ascends(bounds: Any) -> bool:
    if not isinstance(bounds, list) or len(bounds) > 64:
        return False
    if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in bounds):
        return False
    return all(low < high for low, high in itertools.pairwise(bounds))
