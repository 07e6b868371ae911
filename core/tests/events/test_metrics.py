# SPDX-License-Identifier: Apache-2.0
"""Metric marks: what a group of measurements may contain, and that a bad group leaves no trace."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nemo_relay import MetricKind as Kind
from nemo_relay import MetricMeasurement, ScopeType, scope
from nemo_relay import MetricValueType as Type

from ..conftest import Ear


def made(name: str = "a", kind: Kind = Kind.Gauge, value_type: Type = Type.F64, value: Any = 1, **more: Any) -> Any:
    return MetricMeasurement(name, kind, value_type, value, **more)


def test_a_group_is_one_mark(ear: Ear) -> None:
    with scope.scope("s", ScopeType.Function) as handle:
        group = [
            made("tokens", Kind.Counter, Type.U64, 3, unit="{token}", description="used", attributes={"m": "x"}),
            made("took", Kind.Histogram, Type.F64, 0.5, boundaries=[1, 2]),
        ]
        scope.metric("usage", (item for item in group), metadata={"k": 1})
    mark = ear.one("usage")
    assert mark["parent_uuid"] == handle.uuid
    assert mark["metadata"] == {"k": 1}
    assert mark["data_schema"] == {"name": "nemo.relay.metric_measurements", "version": "1"}
    first, second = mark["data"]["measurements"]
    assert first == {
        "attributes": {"m": "x"},
        "boundaries": None,
        "description": "used",
        "kind": "counter",
        "name": "tokens",
        "unit": "{token}",
        "value": 3,
        "value_type": "u64",
    }
    assert (second["kind"], second["value_type"], second["boundaries"]) == ("histogram", "f64", [1.0, 2.0])


NAME = "name must be 1-255 ASCII bytes, start with a letter, and contain only letters, digits, '_', '.', '-', or '/'"
ATTRIBUTES = [
    ([], "attributes must be a JSON object"),
    ({" ": 1}, "attributes contains a blank attribute key"),
    ({"a": None}, "attribute values must not be null"),
    ({"a": {}}, "attribute values must be primitive values or homogeneous primitive arrays"),
    ({"a": []}, "attribute arrays must not be empty and untyped"),
    ({"a": [1, "x"]}, "attribute arrays must contain one primitive type"),
]
BROKEN = [
    *((made(name), NAME) for name in ("", "1a", "a b", "é", "a" * 256)),
    *((made(value_type=Type.U64, value=v), "value must be an unsigned integer no greater than i64::MAX")
      for v in (-1, 1.5, True, "1", 2**63)),
    (made(value_type=Type.I64, value=0.5), "value must be a signed integer"),
    *((made(value=v), "value must be a number") for v in (math.nan, "x", None)),
    (made(kind=Kind.Counter, value=-1.5), "counter values must be non-negative"),
    (made(kind=Kind.Counter, value_type=Type.I64), "kind counter does not support value_type i64"),
    (made(kind=Kind.UpDownCounter, value_type=Type.U64), "kind up_down_counter does not support value_type u64"),
    (made(kind=Kind.Histogram, value_type=Type.I64), "kind histogram does not support value_type i64"),
    (made(boundaries=[1]), "boundaries are only valid for histogram measurements"),
    (made(kind=Kind.Histogram, boundaries=range(65)), "boundaries must contain at most 64 entries"),
    (made(kind=Kind.Histogram, boundaries=[math.inf]), "boundaries must be finite"),
    (made(kind=Kind.Histogram, boundaries=[1, 1]), "boundaries must be strictly increasing without duplicates"),
    (made(unit="é"), "unit must be ASCII and at most 63 bytes"),
    (made(unit="x" * 64), "unit must be ASCII and at most 63 bytes"),
    *((made(attributes=attributes), text) for attributes, text in ATTRIBUTES),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "text"), BROKEN, ids=[f"{n}" for n in range(len(BROKEN))])
def test_one_bad_measurement_spoils_the_group(bad: Any, text: str, ear: Ear) -> None:
    with pytest.raises(ValueError, match="^invalid argument: ") as caught:
        scope.metric("m", [made("fine"), bad])
    assert text in str(caught.value)
    assert ear.events() == []


def test_the_message_names_the_measurement() -> None:
    with pytest.raises(ValueError, match=r"^invalid argument: measurements\[1\] value must be a number$"):
        scope.metric("m", [made("fine"), made(value="x")])
    with pytest.raises(ValueError, match="^invalid argument: measurements must contain at least one entry$"):
        scope.metric("m", [])


def test_one_name_means_one_thing_in_a_group(ear: Ear) -> None:
    scope.metric("m", [made("a", description="x"), made("A", description="y", value=2)])
    assert len(ear.one("m")["data"]["measurements"]) == 2
    text = r"measurements\[1\] conflicts with the descriptor for measurements\[0\]"
    for other in (made("A", unit="s"), made("a", kind=Kind.UpDownCounter), made("a", value_type=Type.U64)):
        with pytest.raises(ValueError, match=text):
            scope.metric("m", [made("a"), other])


@pytest.mark.parametrize("value", [0, 1, 2.5, -3])
def test_whole_numbers_are_numbers_too(value: float, ear: Ear) -> None:
    scope.metric("m", [made(value=value)])
    assert ear.one("m")["data"]["measurements"][0]["value"] == value


def test_only_measurements_are_measurements() -> None:
    for odd in ([{}], [1], made(), None):
        with pytest.raises(TypeError):
            scope.metric("m", odd)  # type: ignore[arg-type]


def test_booleans_are_attributes_and_no_values(ear: Ear) -> None:
    scope.metric("m", [made(attributes={"a": True, "b": [True, False], "c": ["x"], "d": 1.5})])
    assert ear.one("m")["data"]["measurements"][0]["attributes"]["b"] == [True, False]


@pytest.mark.parametrize(
    ("kind", "value_type", "value", "options", "text"),
    [
        (Kind.Counter, Type.I64, -1, {}, "kind counter does not support value_type i64"),
        (Kind.Counter, Type.I64, 1.5, {}, "value must be a signed integer"),
        (Kind.Counter, Type.U64, -3, {"unit": "é"}, "unit must be ASCII and at most 63 bytes"),
        (Kind.Gauge, Type.U64, True, {"boundaries": [1.0]}, "boundaries are only valid for histogram"),
        (Kind.Counter, Type.F64, -3, {"attributes": {"": 1}}, "counter values must be non-negative"),
    ],
)
def test_b3_of_two_problems_the_one_that_the_published_package_names(
    kind: Kind, value_type: Type, value: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        scope.metric("m", [MetricMeasurement("n", kind, value_type, value, **options)])
