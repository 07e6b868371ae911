# SPDX-License-Identifier: Apache-2.0
"""A value as what changed in it since an earlier event recorded it; ``unfolding`` is the way back.

========================================  ==========================================================================
``{"$from": place}``                       what stands at ``place``, unchanged
``{"$from": place, "set": {..}, ..}``      the object there, with these keys set and those under ``removed`` removed
``[{"$from": place, "keep": n}, ...]``     the first ``n`` items of the list there, and then what follows
``{"$ref": id}``                           the message with that id, whole in an earlier state of the same trace
========================================  ==========================================================================

A place is the uuid of a span, ``#``, and a JSON pointer into the ``data`` of that span's start event.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

MAX_DEPTH = 24  # a view is no deeper; below that there may be a cycle
WEIGHT = 120  # bytes below which a value is no longer than a reference to it
_SCALARS = (str, int, float, bool, type(None))
_VALUES = (*_SCALARS, bytes, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID)


def place(pointer: str, key: object) -> str:
    """The JSON pointer of ``key`` inside what ``pointer`` points at."""
    name = str(key)
    if "~" in name or "/" in name:
        name = name.replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{name}"


def same(left: Any, right: Any, depth: int = 0) -> bool:
    """Whether two views say the same. An object of the application's never does: it may have changed inside."""
    kind = type(left)
    if kind is not type(right) or depth > MAX_DEPTH:
        return False
    if kind is dict:
        if left.keys() != right.keys():
            return False
        for key, value in left.items():
            other = right[key]
            if not (type(value) is str is type(other) and value == other) and not same(value, other, depth + 1):
                return False
        return True
    if kind is list:
        if len(left) != len(right):
            return False
        for value, other in zip(left, right, strict=True):  # noqa: SIM110 - a generator would cost as much again
            if not same(value, other, depth + 1):
                return False
        return True
    return bool(kind in _VALUES and left == right)


def weighs(value: Any, left: int = WEIGHT) -> int:
    """What remains of ``left`` bytes after ``value``; nothing or less when it is worth a reference."""
    kind = type(value)
    if kind is str:
        return left - len(value) - 2
    if kind is dict:
        for key, item in value.items():
            left = weighs(item, left - len(str(key)) - 4)
            if left <= 0:
                break
        return left
    if kind is list:
        for item in value:
            left = weighs(item, left - 1)
            if left <= 0:
                break
        return left
    return left - 8 if kind in _SCALARS else 0


def delta(view: Any, before: Any, reference: str, depth: int = 0) -> Any:
    """``view`` as what changed since ``before``, which stands at ``reference``; itself where that is not shorter."""
    if same(view, before):
        return {"$from": reference} if weighs(view) <= 0 else view
    if type(view) is not type(before) or depth > MAX_DEPTH:
        return view
    if type(view) is dict:
        return _changed_object(view, before, reference, depth)
    return _longer_list(view, before, reference) if type(view) is list else view


def _changed_object(view: dict[str, Any], before: dict[str, Any], reference: str, depth: int) -> dict[str, Any]:
    def part(key: str) -> Any:
        return delta(view[key], before[key], place(reference, key), depth + 1) if key in before else view[key]

    kept = {key for key, value in view.items() if key in before and same(value, before[key])}
    if weighs({key: view[key] for key in kept}) > 0:
        return {key: part(key) for key in view}
    made: dict[str, Any] = {"$from": reference, "set": {key: part(key) for key in view if key not in kept}}
    removed = [key for key in before if key not in view]
    return {**made, "removed": removed} if removed else made


def _longer_list(view: list[Any], before: list[Any], reference: str) -> list[Any]:
    keep = 0
    for now, then in zip(view, before, strict=False):
        if not same(now, then):
            break
        keep += 1
    return view if weighs(view[:keep]) > 0 else [{"$from": reference, "keep": keep}, *view[keep:]]
