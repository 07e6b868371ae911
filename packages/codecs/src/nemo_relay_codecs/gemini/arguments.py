# SPDX-License-Identifier: Apache-2.0
"""Gemini's streamed call arguments: values that arrive piece by piece, each with the path it belongs to."""

from __future__ import annotations

import re
from typing import Any

JsonObject = dict[str, Any]
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")
# `$.a.b[0]`, `$['a b'][0]`: the steps of a path, names and positions.
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_MOST_ITEMS = 100_000  # a position comes from outside: a list is not filled up to it without end


class StreamedCall:
    """One function call in the making."""

    __slots__ = ("_arguments", "_fields", "_growing", "_part", "_pieces")

    def __init__(self) -> None:
        self._part: JsonObject = {}
        self._fields: JsonObject = {}
        self._arguments: JsonObject = {}
        self._growing: str | None = None  # the path whose text goes on
        self._pieces: list[str] = []

    def is_other(self, call: JsonObject) -> bool:
        """Whether ``call`` begins another call: a continuation repeats neither name nor id."""
        for key in ("id", "name"):
            value = call.get(key)
            if isinstance(value, str) and value and value != self._fields.get(key, value if key == "id" else None):
                return True
        return False

    def take(self, part: JsonObject, call: JsonObject) -> None:
        """Add a piece: the part that carries it, and its ``functionCall``."""
        self._part.update((k, v) for k, v in part.items() if k != "functionCall")
        for key, value in call.items():
            if key not in ("args", "partialArgs", "willContinue") and (value or key not in self._fields):
                self._fields[key] = value
        if isinstance(call.get("args"), dict):
            self._arguments.update(call["args"])
        partial = call.get("partialArgs")
        for piece in partial if isinstance(partial, list) else ():
            if isinstance(piece, dict) and isinstance(piece.get("jsonPath"), str):
                self._piece(piece["jsonPath"], piece)

    def build(self) -> JsonObject:
        """The part as far as it has come."""
        self._settle()
        return {**self._part, "functionCall": {**self._fields, "args": self._arguments}}

    def _piece(self, path: str, piece: JsonObject) -> None:
        key = next((key for key in _VALUES if key in piece), None)
        if key is None:
            return
        value = None if key == "nullValue" else piece[key]
        if self._growing != path:
            self._settle()
            self._growing, self._pieces = None, []
        if isinstance(value, str):
            self._growing = path
            self._pieces.append(value)
            if not piece.get("willContinue"):
                self._settle()
                self._growing, self._pieces = None, []
        else:
            put(self._arguments, path, value)

    def _settle(self) -> None:
        if self._growing is not None:
            text = "".join(self._pieces)
            self._pieces = [text]
            put(self._arguments, self._growing, text)


def put(target: JsonObject, path: str, value: Any) -> None:
    """Set the value at a JSON path, making the objects and lists on the way. A path that leads nowhere is ignored."""
    steps = [int(at) if at else name or single or double for name, at, single, double in _STEP.findall(path)]
    holder: Any = target
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        empty: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(step, int) and isinstance(holder, list) and step <= _MOST_ITEMS:
            holder.extend([None] * (step + 1 - len(holder)))
        elif isinstance(step, int) or not isinstance(holder, dict):
            return
        else:
            holder.setdefault(step, None)
        if following is None or not isinstance(holder[step], list | dict):
            holder[step] = empty
        holder = holder[step]
