# SPDX-License-Identifier: Apache-2.0
"""Numbers and payloads in few characters."""

import json
from collections.abc import Mapping
from typing import Any

_MS = 1_000_000
_SECOND = 1_000_000_000
_VALUE_LENGTH = 24
_ARGUMENTS_LENGTH = 48


def duration(ns: int | None) -> str:
    """A duration as a person says it; empty when it is not known.

    Example:
        >>> [duration(ns) for ns in (None, 40_000, 4_500_000, 87_000_000, 1_240_000_000, 75_000_000_000)]
        ['', '<1 ms', '4.5 ms', '87 ms', '1.24 s', '1 m 15 s']
    """
    if ns is None:
        return ""
    if ns < _MS:
        return "<1 ms"
    if ns < 10 * _MS:
        return f"{ns / _MS:.1f} ms"
    if ns < _SECOND:
        return f"{ns / _MS:.0f} ms"
    if ns < 60 * _SECOND:
        return f"{ns / _SECOND:.2f} s"
    minutes, seconds = divmod(round(ns / _SECOND), 60)
    return f"{minutes} m {seconds} s"


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "tool call"), counted(1318, "token")
        ('1 tool call', '1,318 tokens')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def arguments(value: Any, ellipsis: str) -> str:
    """A tool's arguments, as in a call, on one line and short.

    Example:
        >>> arguments({"city": "Paris", "days": 3}, "…")
        '(city="Paris", days=3)'
    """
    if not isinstance(value, Mapping):
        return "" if value is None else f"({_short(_compact(value), _ARGUMENTS_LENGTH, ellipsis)})"
    parts = [f"{key}={_short(_compact(inner), _VALUE_LENGTH, ellipsis)}" for key, inner in value.items()]
    return f"({_short(', '.join(parts), _ARGUMENTS_LENGTH, ellipsis)})"


def facts(value: Any, ellipsis: str) -> str:
    """The plain values in a mark's data, short.

    Example:
        >>> facts({"attempt": 2, "wait": 0.2512, "error": {"type": "TimeoutError"}}, "…")
        ' attempt=2 wait=0.3'
    """
    found = value.items() if isinstance(value, Mapping) else ()
    plain = {key: round(inner, 1) if isinstance(inner, float) else inner for key, inner in found}
    parts = [f" {key}={inner}" for key, inner in plain.items() if isinstance(inner, str | int | float)]
    return one_line(_short("".join(parts), _ARGUMENTS_LENGTH, ellipsis))


def one_line(text: str) -> str:
    """The text without line breaks and control characters, which would break the picture or do worse."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _compact(value: Any) -> str:
    return one_line(json.dumps(value, ensure_ascii=False, default=repr))


def _short(text: str, length: int, ellipsis: str) -> str:
    return text if len(text) <= length else text[: length - 1] + ellipsis
