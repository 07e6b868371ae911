# SPDX-License-Identifier: Apache-2.0
"""JSON values as attributes. Every function takes any JSON and never raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from nemo_relay_otel.records import Attribute, Attributes

I64_MIN, I64_MAX = -(2**63), 2**63 - 1
_EMPTY: Mapping[str, Any] = MappingProxyType({})
LATEST_NS = 2**64 - 1
_encode = msgspec.json.Encoder(order="sorted").encode
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)")
_seconds: dict[str, int] = {}  # of UTC timestamps seen last: events come many to a second


def compact(value: Any) -> str:
    """Compact JSON, keys sorted."""
    return _encode(value).decode()


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else _EMPTY  # no abstract class: it is asked thirty times a span


def text(value: object) -> str | None:
    """The value if it is a string with something in it, else None."""
    return value if isinstance(value, str) and value else None


def first_text(*values: object) -> str | None:
    """The first of them that is a string with something in it."""
    return next((value for value in values if isinstance(value, str) and value), None)


def count(value: object) -> int | None:
    """The value if it is an integer that an attribute can hold, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and I64_MIN <= value <= I64_MAX else None


def put(attributes: Attributes, key: str, value: Any) -> None:
    """Set one attribute: primitives as they are, the rest as compact JSON; None is left out."""
    kind = value.__class__
    if kind is str or kind is bool or kind is float:
        attributes[key] = value
    elif kind is int:
        attributes[key] = value if I64_MIN <= value <= I64_MAX else str(value)
    elif value is not None:
        attributes[key] = compact(value)


def put_top_level(attributes: Attributes, prefix: str, value: Any, without: frozenset[str] = frozenset()) -> None:
    """Set one attribute for each first-level key of an object, or one for the value as a whole."""
    if value is None:
        return
    if not isinstance(value, dict):
        put(attributes, prefix, value)
        return
    for key, item in value.items():
        if key not in without:
            put(attributes, f"{prefix}.{key}", item)


def put_text(attributes: Attributes, key: str, value: object) -> None:
    """Set an attribute if the value is a string with something in it."""
    if isinstance(value, str) and value:
        attributes[key] = value


def put_count(attributes: Attributes, key: str, value: object) -> None:
    """Set an attribute if the value is an integer."""
    number = count(value)
    if number is not None:
        attributes[key] = number


def put_all(attributes: Attributes, values: Mapping[str, Any], put_one: Callable[[Attributes, str, Any], None]) -> None:
    """Set each of ``values`` with ``put_one``."""
    for key, value in values.items():
        put_one(attributes, key, value)


def timestamp_ns(stamp: object) -> int | None:
    """An RFC 3339 timestamp as nanoseconds since 1970; None when it is none, or one that OTLP cannot hold."""
    if not isinstance(stamp, str):
        return None
    if stamp[19:20] == "." and stamp[-6:] == "+00:00" and stamp[:19] in _seconds and len(stamp) < 36:
        digits = stamp[20:-6]
        if not digits.isdigit():
            return None
        return _seconds[stamp[:19]] * 1_000_000_000 + int(digits.ljust(9, "0"))
    match = _STAMP.fullmatch(stamp)
    if match is None:
        return None
    second, fraction, zone = match.groups()
    whole = _whole_seconds(second + zone)
    if whole is None:
        return None
    ns = whole * 1_000_000_000 + (int(fraction.ljust(9, "0")) if fraction else 0)
    return ns if 0 <= ns <= LATEST_NS else None


def _whole_seconds(second: str) -> int | None:
    try:
        whole = int(datetime.fromisoformat(second).timestamp())
    except (ValueError, OverflowError):
        return None
    if second.endswith("+00:00") and second[10] == "T" and whole >= 0:
        if len(_seconds) > 64:
            _seconds.clear()
        _seconds[second[:19]] = whole
    return whole


def attribute(value: Any) -> tuple[Attribute | None, str]:
    """A typed attribute of a metadata value, or None and the reason why there is none."""
    kind = value.__class__
    if kind in (str, bool, float):
        return value, ""
    if kind is int:
        if I64_MIN <= value <= I64_MAX:
            return value, ""
        return None, "unsigned integer is larger than OTLP i64"
    if value is None:
        return None, "null values are not OTLP attributes"
    if kind is list:
        return _array(value)
    return None, "object values are not supported"


def _array(items: list[Any]) -> tuple[Attribute | None, str]:
    kinds = {item.__class__ for item in items}
    if kinds & {list, dict}:
        return None, "nested arrays and objects are not supported"
    if kinds == {type(None)}:
        return None, "arrays of null are not OTLP attributes"
    if kinds == {int, float}:
        return [float(item) for item in items], ""
    if len(kinds) > 1:
        return None, "array values must have one primitive type"
    if kinds == {int} and any(not I64_MIN <= item <= I64_MAX for item in items):
        return None, "array contains an unsigned integer larger than OTLP i64"
    return list(items), ""
