# SPDX-License-Identifier: Apache-2.0
"""Typed readers of optional members: null counts as absent, a wrong type is an error that names key and surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.values import I64_MIN, is_u64

Reader = Callable[[Any, str, str], Any]


def _wrong(surface: str, key: str, kind: str) -> InvalidPayload:
    return InvalidPayload(f"{surface} {key} must be {kind} or null")


def string(value: Any, surface: str, key: str) -> str:
    """A string."""
    if isinstance(value, str):
        return value
    raise _wrong(surface, key, "a string")


def boolean(value: Any, surface: str, key: str) -> bool:
    """A bool."""
    if type(value) is bool:
        return value
    raise _wrong(surface, key, "a boolean")


def number(value: Any, surface: str, key: str) -> float:
    """A number, as a float."""
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            pass
    raise _wrong(surface, key, "a number")


def count(value: Any, surface: str, key: str) -> int:
    """An integer from 0 to 2**64 - 1."""
    if is_u64(value):
        return int(value)
    raise _wrong(surface, key, "a non-negative integer")


def integer(value: Any, surface: str, key: str) -> int:
    """An integer from -2**63 to 2**63 - 1."""
    if type(value) is int and I64_MIN <= value < -I64_MIN:
        return value
    raise _wrong(surface, key, "an integer")


def mapping(value: Any, surface: str, key: str) -> dict[str, Any]:
    """An object, by reference."""
    if isinstance(value, dict):
        return value
    raise _wrong(surface, key, "an object")


def array(value: Any, surface: str, key: str) -> list[Any]:
    """An array, by reference."""
    if isinstance(value, list):
        return value
    raise _wrong(surface, key, "an array")


def anything(value: Any, surface: str, key: str) -> Any:
    """Any JSON value, by reference."""
    return value


def strings(value: Any, what: str) -> list[str]:
    """A list of strings; ``what`` completes ``invalid <what>``."""
    if isinstance(value, list):
        for item in value:
            if not isinstance(item, str):
                raise InvalidPayload(f"invalid {what}: expected a string, not {type(item).__name__}")
        return value
    raise InvalidPayload(f"invalid {what}: expected a list of strings, not {type(value).__name__}")


class Member(NamedTuple):
    """One modelled wire key: which part of the annotation it feeds, under which name, read how."""

    part: str  # "top", "params" or "api_specific"
    name: str
    read: Reader
    null_matters: bool = False


def top(read: Reader, *keys: str) -> dict[str, Member]:
    """Members that become attributes of the same name."""
    return {key: Member("top", key, read) for key in keys}


def api(read: Reader, *keys: str) -> dict[str, Member]:
    """Members that go into ``api_specific`` under the same name."""
    return {key: Member("api_specific", key, read) for key in keys}


def param(read: Reader, key: str, name: str) -> dict[str, Member]:
    """A member of ``params``."""
    return {key: Member("params", name, read)}
