# SPDX-License-Identifier: Apache-2.0
"""What to say when JSON has not the expected shape, in the words that programs may match on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def unexpected(value: Any, expected: str) -> str:
    """``invalid type: string "x", expected a boolean``."""
    return f"invalid type: {shown(value)}, expected {expected}"


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
    return "map" if isinstance(value, dict) else "sequence"


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


def whole_number(value: Any, expected: str) -> str | None:
    """What is wrong with ``value`` as an unsigned integer; None when nothing is."""
    if isinstance(value, bool) or not isinstance(value, int):
        return unexpected(value, expected)
    if value < 0:
        return f"invalid value: integer `{value}`, expected {expected}"
    return None
