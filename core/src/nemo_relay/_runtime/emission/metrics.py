# SPDX-License-Identifier: Apache-2.0
"""Metric measurements: what one may contain, checked as a group before anything is emitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.enums import MetricKind, MetricValueType
from nemo_relay.errors import InvalidValue

_I64_MAX = 2**63 - 1
_NAME_REST = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/")
_KIND_NAMES = {
    MetricKind.Counter: "counter",
    MetricKind.UpDownCounter: "up_down_counter",
    MetricKind.Gauge: "gauge",
    MetricKind.Histogram: "histogram",
}
_ALLOWED = {
    MetricKind.Counter: {MetricValueType.U64, MetricValueType.F64},
    MetricKind.UpDownCounter: {MetricValueType.I64, MetricValueType.F64},
    MetricKind.Gauge: {MetricValueType.U64, MetricValueType.I64, MetricValueType.F64},
    MetricKind.Histogram: {MetricValueType.U64, MetricValueType.F64},
}


class MetricMeasurement:
    """One measurement of a metric mark; its rules are checked by ``scope.metric``.

    Args:
        name: 1-255 ASCII characters, a letter first, then letters, digits, ``_ . - /``.
        kind: how values add up.
        value_type: the number type.
        value: the number.
        unit: at most 63 ASCII characters.
        description: free text.
        attributes: scalars, or lists of one scalar type.
        boundaries: bucket boundaries of a histogram, at most 64, strictly increasing.
    """

    __slots__ = ("attributes", "boundaries", "description", "kind", "name", "unit", "value", "value_type")

    def __init__(
        self,
        name: str,
        kind: MetricKind,
        value_type: MetricValueType,
        value: float,
        unit: str | None = None,
        description: str | None = None,
        attributes: dict[str, Any] | None = None,
        boundaries: Sequence[float] | None = None,
    ) -> None:
        expect(name, str, where="name")
        expect(kind, MetricKind, where="kind")
        expect(value_type, MetricValueType, where="value_type")
        for text, where in ((unit, "unit"), (description, "description")):
            if text is not None:
                expect(text, str, where=where)
        given: Any = boundaries
        if given is not None and (isinstance(given, str) or not isinstance(given, Sequence)):
            raise TypeError(f"boundaries must be a sequence of numbers, not {boundaries!r}")
        self.name = name
        self.kind = kind
        self.value_type = value_type
        self.value = value
        self.unit = unit
        self.description = description
        self.attributes = attributes
        self.boundaries = None if boundaries is None else [float(boundary) for boundary in boundaries]

    def __repr__(self) -> str:
        kind, value_type = _KIND_NAMES[self.kind], self.value_type.name.lower()
        return f'<MetricMeasurement name="{self.name}" kind={kind} value_type={value_type}>'


def checked_measurements(measurements: list[MetricMeasurement]) -> list[dict[str, Any]]:
    """The wire form of a valid group.

    Raises:
        TypeError: an item is no ``MetricMeasurement``.
        InvalidValue: a rule is broken; the text names the item by its index.
    """
    for item in measurements:
        expect(item, MetricMeasurement)
    if not measurements:
        raise InvalidValue("measurements must contain at least one entry")
    known: dict[str, tuple[int, tuple[Any, ...]]] = {}
    for index, item in enumerate(measurements):
        problem = _problem(item)
        if problem:
            raise InvalidValue(f"measurements[{index}] {problem}")
        descriptor = (item.kind, item.unit, item.value_type)
        first, expected = known.setdefault(item.name.lower(), (index, descriptor))
        if expected != descriptor:
            raise InvalidValue(f"measurements[{index}] conflicts with the descriptor for measurements[{first}]")
    return [_wire(item) for item in measurements]


def _problem(item: MetricMeasurement) -> str | None:
    return _name_problem(item) or _shape_problem(item) or _value_problem(item) or _attributes_problem(item.attributes)


def _name_problem(item: MetricMeasurement) -> str | None:
    name = item.name
    if 1 <= len(name) <= 255 and name.isascii() and name[0].isalpha() and _NAME_REST.issuperset(name):
        return None
    return (
        "name must be 1-255 ASCII bytes, start with a letter, and contain only letters, digits, '_', '.', '-', or '/'"
    )


def _value_problem(item: MetricMeasurement) -> str | None:
    value: Any = item.value
    kind = item.value_type
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is MetricValueType.U64 and not (whole and 0 <= value <= _I64_MAX):
        return "value must be an unsigned integer no greater than i64::MAX"
    if kind is MetricValueType.I64 and not (whole and -_I64_MAX - 1 <= value <= _I64_MAX):
        return "value must be a signed integer"
    if kind is MetricValueType.F64 and not (whole or (isinstance(value, float) and math.isfinite(value))):
        return "value must be a number"
    if kind not in _ALLOWED[item.kind]:
        return f"kind {_KIND_NAMES[item.kind]} does not support value_type {kind.name.lower()}"
    if item.kind is MetricKind.Counter and value < 0:
        return "counter values must be non-negative"
    return None


def _shape_problem(item: MetricMeasurement) -> str | None:
    if item.unit is not None and not (item.unit.isascii() and len(item.unit) <= 63):
        return "unit must be ASCII and at most 63 bytes"
    boundaries = item.boundaries
    if boundaries is None:
        return None
    if item.kind is not MetricKind.Histogram:
        return "boundaries are only valid for histogram measurements"
    if len(boundaries) > 64:
        return "boundaries must contain at most 64 entries"
    if not all(math.isfinite(boundary) for boundary in boundaries):
        return "boundaries must be finite"
    if any(low >= high for low, high in pairwise(boundaries)):
        return "boundaries must be strictly increasing without duplicates"
    return None


def _attributes_problem(attributes: Any) -> str | None:
    if attributes is None:
        return None
    if not isinstance(attributes, dict):
        return "attributes must be a JSON object"
    for key, value in attributes.items():
        if not isinstance(key, str) or not key.strip():
            return "attributes contains a blank attribute key"
        problem = _list_problem(value) if isinstance(value, list) else _scalar_problem(value)
        if problem:
            return problem
    return None


def _scalar_problem(value: Any) -> str | None:
    if value is None:
        return "attribute values must not be null"
    if isinstance(value, bool | str) or (isinstance(value, float) and math.isfinite(value)):
        return None
    if isinstance(value, int) and abs(value) <= _I64_MAX:
        return None
    return "attribute values must be primitive values or homogeneous primitive arrays"


def _list_problem(values: list[Any]) -> str | None:
    if not values:
        return "attribute arrays must not be empty and untyped"
    if any(_scalar_problem(value) for value in values):
        return "attribute values must be primitive values or homogeneous primitive arrays"
    if len({type(value) for value in values}) > 1:
        return "attribute arrays must contain one primitive type"
    return None


def _wire(item: MetricMeasurement) -> dict[str, Any]:
    return {
        "attributes": item.attributes,
        "boundaries": item.boundaries,
        "description": item.description,
        "kind": _KIND_NAMES[item.kind],
        "name": item.name,
        "unit": item.unit,
        "value": item.value,
        "value_type": item.value_type.name.lower(),
    }
