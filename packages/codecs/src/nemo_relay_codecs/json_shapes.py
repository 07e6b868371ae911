# SPDX-License-Identifier: Apache-2.0
"""What to say when JSON has not the expected shape, in the words that programs may match on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def unexpected(value: Any, expected: str, *, with_value: bool = True) -> str:
    """``invalid type: string "x", expected a boolean``; the value may be left out."""
    kind = shown(value)
    return f"invalid type: {kind if with_value or value is None else kind.partition(' ')[0]}, expected {expected}"


def shown(value: Any) -> str:
    """A JSON value by its kind; scalars with their value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{value}`"
    if isinstance(value, str):
        return f"string {json.dumps(value, ensure_ascii=False)}"
    if isinstance(value, Mapping):
        return "map"
    return "sequence" if isinstance(value, list | tuple) else f"{type(value).__name__} `{value}`"


def unknown_field(name: str, known: Iterable[str]) -> str:
    """``unknown field `x`, expected `a` or `b```."""
    return f"unknown field `{name}`, expected {one_of(known)}"


def unknown_variant(value: str, known: Iterable[str]) -> str:
    """``unknown variant `x`, expected `a` or `b```."""
    return f"unknown variant `{value}`, expected {one_of(known)}"


def one_of(names: Iterable[str]) -> str:
    """The names to choose from."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) > 2:
        return f"one of {', '.join(quoted)}"
    return " or ".join(quoted)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant; None when none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), 1, 0.7)), None)


def whole_number(value: Any, expected: str) -> str | None:
    """What is wrong with ``value`` as an unsigned integer; None when nothing is."""
    if isinstance(value, bool) or not isinstance(value, int):
        return unexpected(value, expected)
    if value < 0:
        return f"invalid value: integer `{value}`, expected {expected}"
    return None
