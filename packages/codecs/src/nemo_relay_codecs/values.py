# SPDX-License-Identifier: Apache-2.0
"""JSON values: strict equality, copies, compact text, and the view of foreign objects as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

import msgspec

U64_MAX = 2**64 - 1
I64_MIN = -(2**63)
_DEPTH_LIMIT = 128
_LEAVES = (str, int, float, bool, type(None))
# What msgspec reads differently from the contract: "-0" (a float there) and integers beyond 64 bits.
_ODD_NUMBER = re.compile(r"-0(?![.\deE])|\d{19}")
_escape = json.encoder.encode_basestring


def same(a: Any, b: Any) -> bool:
    """Strict JSON equality: ``1``, ``1.0`` and ``True`` are three different values.

    Shared references compare in no time, which is what makes an unedited request cheap to encode.
    """
    if a is b:
        return True
    kind = type(a)
    return kind is type(b) and bool(a == b) and (kind is str or _alike(a, b))


def _alike(a: Any, b: Any) -> bool:
    """Whether two values that are equal to Python have the same types all the way down."""
    kind = type(a)
    if kind is dict:
        for key, value in a.items():
            if type(value) is not str and value is not b[key] and not _alike(value, b[key]):
                return False
        return kind is type(b)
    if kind is list:
        if type(b) is not list:
            return False
        for left, right in zip(a, b, strict=True):
            if type(left) is not str and left is not right and not _alike(left, right):
                return False
        return True
    return kind is type(b)


def copied(value: Any) -> Any:
    """A deep copy of the containers; leaves are immutable and stay shared. Key order is kept."""
    kind = type(value)
    if kind is dict:
        return _copied_dict(value)
    if kind is list:
        return [_copied_dict(v) if type(v) is dict else v if type(v) is str else copied(v) for v in value]
    return value


def _copied_dict(value: dict[str, Any]) -> dict[str, Any]:
    # Copying whole and then mending the few nested members is twice as fast as a comprehension.
    out = value.copy()
    for key, item in value.items():
        kind = type(item)
        if kind is dict or kind is list:
            out[key] = copied(item)
    return out


def owned(value: Any) -> Any:
    """A deep copy of a value that a caller assigns, refused if JSON cannot express it.

    Raises:
        ValueError: ``Failed to convert to JSON: ...``
    """
    try:
        return _owned(value)
    except RecursionError:
        raise ValueError("Failed to convert to JSON: circular reference detected") from None


def _owned(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value
    if kind is dict:  # a call for each key and each text would cost more than all the rest
        return {k if type(k) is str else _key(k): v if type(v) is str else _owned(v) for k, v in value.items()}
    if kind is list or kind is tuple:
        return [_owned(v) for v in value]
    if kind is int and not I64_MIN <= value <= U64_MAX:
        raise ValueError("Failed to convert to JSON: JSON number out of range")
    if kind is float and value - value != 0.0:  # infinities and NaN have no JSON form
        return None
    if kind in _LEAVES:
        return value
    return _owned(_foreign(value))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key if type(key) is str else str.__str__(key)
    raise ValueError(f"Failed to convert to JSON: an object key must be a string, not {key!r}")


def plain(value: Any) -> Any:
    """The JSON view of any value: the same object when it already is plain JSON, otherwise a copy.

    Pydantic models, dataclasses, mappings, tuples and the like are what SDK users put into a request.

    Raises:
        ValueError: the value cannot be shown as JSON.
    """
    try:
        return value if _is_plain(value) else _owned(value)
    except RecursionError:
        raise ValueError("Failed to convert to JSON: circular reference detected") from None


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not (type(item) is str or _is_plain(item)):
                return False
        return True
    if kind is list:
        for item in value:  # noqa: SIM110
            if not (type(item) is str or _is_plain(item)):
                return False
        return True
    return kind in _LEAVES


def _foreign(value: Any) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return dict(value)
    dump = getattr(value, "model_dump", None) or getattr(value, "to_dict", None)
    if callable(dump) and not isinstance(value, type):
        return dump()
    try:
        view = msgspec.to_builtins(value)
    except (TypeError, ValueError):
        raise ValueError(f"Failed to convert to JSON: unsupported type {type(value).__name__!r}") from None
    if view is value or isinstance(value, bytes):
        raise ValueError(f"Failed to convert to JSON: unsupported type {type(value).__name__!r}")
    return view


def is_u64(value: Any) -> TypeGuard[int]:
    """Whether ``value`` is a JSON integer from 0 to 2**64 - 1 (a bool is not)."""
    return type(value) is int and 0 <= value <= U64_MAX


def text_of(value: Any) -> str:
    """Compact JSON text with sorted keys: the form of function arguments inside a request."""
    kind = type(value)
    if kind is str:
        return _escape(value)
    if kind is dict:
        return "{" + ",".join(f"{_escape(k)}:{text_of(value[k])}" for k in sorted(value)) + "}"
    if kind is list:
        return "[" + ",".join([text_of(v) for v in value]) + "]"
    if kind is float:
        return _float_text(value)
    if kind is int:
        return str(value)
    return "true" if value is True else "false" if value is False else "null"


def _float_text(value: float) -> str:
    if value - value != 0.0:
        return "null"
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    if exponent == "-05":  # Python leaves plain decimals one power of ten earlier than the wire form
        sign = "-" if mantissa.startswith("-") else ""
        return f"{sign}0.0000{mantissa.lstrip('-').replace('.', '')}"
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"


def parsed(text: str) -> Any:
    """The JSON value in ``text`` if it is strict JSON of sane depth, otherwise ``text`` itself."""
    try:
        value = msgspec.json.decode(text)
        if text.count("[") + text.count("{") >= _DEPTH_LIMIT and _depth(value) >= _DEPTH_LIMIT:
            return text
        if _ODD_NUMBER.search(text):
            return json.loads(text, parse_int=_integer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text
    return value


def _integer(digits: str) -> int | float:
    if digits == "-0":
        return -0.0
    # A digit run longer than any 64-bit number must not reach int(), whose cost is quadratic.
    if len(digits) > 20:
        return float(digits)
    number = int(digits)
    return number if I64_MIN <= number <= U64_MAX else float(digits)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        containers = [v for v in level if type(v) is dict or type(v) is list]
        if not containers:
            return depth
        depth += 1
        level = [item for c in containers for item in (c.values() if type(c) is dict else c)]
    return depth
