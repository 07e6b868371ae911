# SPDX-License-Identifier: Apache-2.0
"""Through a JSON value: to every text, or to those that a profile's targets name. Nothing is changed in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from nemo_relay_pii.actions import Rewrite

_MAX_DEPTH = 100
_REMOVED = object()
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

Node = dict[str, Any]


class Look(NamedTuple):
    """What is done to texts: ``rewrite``, to those of which ``hint`` says that it may find something in them."""

    rewrite: Rewrite
    hint: Callable[[str], object]


# The JSON of a whole value -> the look that is worth taking at its texts, None where none is.
Narrow = Callable[[str], Look | None]
_HERE = ""  # the key of a node that says: this is a target. Segments are kept with their slash in front.


class InvalidPointer(ValueError):
    """No JSON Pointer (RFC 6901)."""


def segments(pointer: str) -> list[str]:
    """The parts of a JSON Pointer, unescaped.

    Raises:
        InvalidPointer: it does not begin with a slash, or escapes what nobody escapes.
    """
    if pointer == "":
        return []
    if pointer[0] != "/" or any(tail[:1] not in ("0", "1") for tail in pointer.split("~")[1:]):
        raise InvalidPointer(pointer)
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def tree(paths: Iterable[str], globs: Iterable[str]) -> Node:
    """The targets as a tree. In a glob the segment ``*`` is any one key or index.

    Raises:
        InvalidPointer: one of them is none.
    """
    root: Node = {}
    for pointer, wild in [*((one, False) for one in paths), *((one, True) for one in globs)]:
        node = root
        for part in segments(pointer):
            node = node.setdefault("*" if wild and part == "*" else f"/{part}", {})
        node[_HERE] = True
    return root


class Walk:
    """Rewrites the texts of JSON values.

    Args:
        rewrite: what becomes of a text.
        targets: the tree of those that are meant; None for all.
        remove: take the targets out instead.
        json_strings: look into texts that are JSON.
        json_leaves: look into them where a text is rewritten too, not only where a target's path goes on in it.
        object_keys: rewrite the names of keys too.
        numbers: look at numbers as if they were texts.
        limit: what stands for what is nested too deeply to look at.
        narrow: what of ``rewrite`` can find anything in a value, by its JSON; None where that is not known.
    """

    def __init__(
        self,
        rewrite: Rewrite,
        *,
        targets: Node | None = None,
        remove: bool = False,
        json_strings: bool = True,
        json_leaves: bool = True,
        object_keys: bool = False,
        numbers: bool = False,
        limit: str = "[REDACTED]",
        narrow: Narrow | None = None,
    ) -> None:
        self._rewrite = rewrite
        self._targets = targets
        self._remove = remove
        self._json_strings = json_strings
        self._json_leaves = json_strings and json_leaves
        self._object_keys = object_keys
        self._numbers = numbers
        self._limit = limit
        self._whole = Look(rewrite, _always)
        self._narrow = narrow

    def __call__(self, value: Any) -> Any:
        """``value`` rewritten; the very object where nothing changes."""
        if self._targets is None:
            return self.all(value)
        found = self._along(value, self._targets, "", 0)
        return None if found is _REMOVED else found

    def all(self, value: Any) -> Any:
        """The same as if every text were a target."""
        if self._narrow is None or not isinstance(value, (dict, list)):
            return self._all(value, "", 0, self._whole)
        # One look at the whole, which most values need no second one after: its JSON holds every text as it is, but for
        # escapes, and those of JSON inside texts may spell anything.
        try:
            text = _encode(value).decode()
        except (TypeError, ValueError, RecursionError):
            return self._all(value, "", 0, self._whole)
        look = self._whole if "\\\\u" in text else self._narrow(text)
        return value if look is None else self._all(value, "", 0, look)

    def _all(self, value: Any, context: str, depth: int, look: Look) -> Any:
        if isinstance(value, str):
            if not look.hint(value):
                return value
            inner = _json(value) if self._json_leaves else None
            if inner is None or depth > _MAX_DEPTH:
                return look.rewrite(value, context)
            return _again(value, inner, self._all(inner, context, depth + 1, look))
        if isinstance(value, (dict, list)):
            return self._limit if depth > _MAX_DEPTH else self._inside(value, context, depth + 1, look)
        if self._numbers and isinstance(value, (int, float)) and not isinstance(value, bool):
            shown = str(value)
            found = look.rewrite(shown, context)
            return value if found == shown else found
        return value

    def _inside(self, value: Any, context: str, depth: int, look: Look) -> Any:
        # What most members are is decided here: a call costs more than the look.
        member, hint = self._all, look.hint
        if isinstance(value, dict):
            made = {
                key: item if type(item) is str and not hint(item) else member(item, key, depth, look)
                for key, item in value.items()
            }
            return self._object(value, made)
        items = [item if type(item) is str and not hint(item) else member(item, context, depth, look) for item in value]
        return value if items == value else items

    def _object(self, value: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
        if self._object_keys:
            renamed: dict[str, Any] = {}
            for key, item in found.items():
                renamed[_free(self._rewrite(key, ""), renamed)] = item
            found = renamed
        return value if found == value else found

    def _along(self, value: Any, node: Node, context: str, depth: int) -> Any:
        if _HERE in node:
            return _REMOVED if self._remove else self._all(value, context, depth, self._whole)
        if depth > _MAX_DEPTH:
            return value
        if isinstance(value, str):
            inner = _json(value) if self._json_strings else None
            return value if inner is None else _again(value, inner, self._along(inner, node, context, depth + 1))
        if isinstance(value, dict):
            found = {key: self._step(item, node, key, key, depth) for key, item in value.items()}
            if found == value:
                return value
            return {key: item for key, item in found.items() if item is not _REMOVED}
        if isinstance(value, list):
            items = [self._step(item, node, index, context, depth) for index, item in enumerate(value)]
            if items == value:
                return value
            return [None if item is _REMOVED else item for item in items]
        return value

    def _step(self, item: Any, node: Node, key: Any, context: str, depth: int) -> Any:
        for follow in (node.get(f"/{key}"), node.get("*")):
            if follow is not None and item is not _REMOVED:
                item = self._along(item, follow, context, depth + 1)
        return item


def _always(text: str) -> bool:
    return True


def _json(text: str) -> Any:
    """The object or list that ``text`` is as JSON; None where it is none."""
    if len(text) < 2 or text[0] not in "{[" or text[-1] not in "}]":
        return None
    try:
        return _decode(text)
    except (ValueError, RecursionError):
        return None


def _again(text: str, before: Any, after: Any) -> str:
    """The JSON that ``text`` was, with what became of it; the very text where nothing did."""
    return text if after is before else _encode(None if after is _REMOVED else after).decode()


def _free(name: str, taken: dict[str, Any]) -> str:
    """``name``, or with a number where two keys have become one: nothing is lost."""
    made, number = name, 2
    while made in taken:
        made, number = f"{name} ({number})", number + 1
    return made
