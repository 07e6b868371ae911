# SPDX-License-Identifier: Apache-2.0
"""What the verdicts ``rewrite`` and ``redact`` do to a value. Nothing is changed in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay_guard.models import Rule
from nemo_relay_pii import redactor, segments

Edit = Callable[[Any], Any]


def edit_of(rule: Rule) -> Edit | None:
    """The edit of a rule; None where its verdict is none. It gives the very object where nothing changes."""
    if rule.verdict == "redact":
        return _redact(rule)
    return _rewrite(rule) if rule.verdict == "rewrite" else None


def _redact(rule: Rule) -> Edit:
    if rule.pattern is not None:
        return redactor(pattern=rule.pattern, replacement=rule.replacement)
    return redactor(rule.detectors, replacement=rule.replacement)


def _rewrite(rule: Rule) -> Edit:
    taken = [tuple(segments(pointer)) for pointer in rule.remove]
    given = [(tuple(segments(pointer)), value) for pointer, value in rule.set.items()]

    def edit(value: Any) -> Any:
        made = value
        for parts in taken:
            made = _removed(made, parts)
        for parts, item in given:
            made = _put(made, parts, item)
        return value if made == value else made

    return edit


def _removed(value: Any, parts: tuple[str, ...]) -> Any:
    if not parts:
        return None
    key = _key(value, parts[0])
    if key is None:
        return value
    if len(parts) > 1:
        return _with(value, key, _removed(value[key], parts[1:]))
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if name != key}
    return [item for index, item in enumerate(value) if index != key]


def _put(value: Any, parts: tuple[str, ...], item: Any) -> Any:
    if not parts:
        return item
    if isinstance(value, list):
        key = _key(value, parts[0])
        return value if key is None else _with(value, key, _put(value[key], parts[1:], item))
    known = value if isinstance(value, dict) else {}
    return {**known, parts[0]: _put(known.get(parts[0]), parts[1:], item)}


def _key(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return part if part in value else None
    if isinstance(value, list) and part.isdigit() and int(part) < len(value):
        return int(part)
    return None


def _with(value: Any, key: Any, item: Any) -> Any:
    if isinstance(value, dict):
        return {**value, key: item}
    return [*value[:key], item, *value[key + 1 :]]
