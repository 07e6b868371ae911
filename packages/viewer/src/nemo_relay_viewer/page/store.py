# SPDX-License-Identifier: Apache-2.0
"""What a page holds, compressed in blocks: lines of JSON, of which equal ones are kept once."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

_BLOCK = 256 << 10  # bytes before compression
_ITEM = 64  # bytes of JSON from which an item of a list is worth a reference
_TEXT = 256  # characters from which a string is
_LEVEL = 6
REFERENCE = "$m"
Json = Any


def encoded(value: Json) -> str:
    """JSON on one line, the same for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr)


class Blocks:
    """Lines, compressed some at a time; ``offsets`` has the number of the first line of each block."""

    def __init__(self) -> None:
        self.packed: list[str] = []
        self.offsets: list[int] = []
        self.count = 0
        self.bytes = 0
        self._waiting: list[str] = []
        self._size = 0

    def add(self, line: str) -> int:
        """Take a line; returns its number."""
        if not self._waiting:
            self.offsets.append(self.count)
        self._waiting.append(line)
        self._size += len(line)
        self.count += 1
        if self._size >= _BLOCK:
            self.close()
        return self.count - 1

    def close(self) -> None:
        """Compress what is left."""
        if self._waiting:
            self.packed.append(packed("\n".join(self._waiting)))
            self.bytes += len(self.packed[-1])
            self._waiting, self._size = [], 0


def packed(text: str) -> str:
    """Text as base64 of zlib: it holds no ``<``."""
    return base64.b64encode(zlib.compress(text.encode("utf-8", "surrogatepass"), _LEVEL)).decode("ascii")


class Store:
    """Values of which each is kept once."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        self._known: dict[bytes, int] = {}

    def keep(self, line: str) -> int:
        """The number of a line."""
        key = hashlib.blake2b(line.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = self.blocks.add(line)
        return number

    def shared(self, value: Json) -> Json:
        """The value with references in place of what is long."""
        made: list[Any] = []
        # (value, container, key): parents before children, so that nesting of any depth is no recursion
        waiting: list[tuple[Any, Any, Any]] = [(value, made, None)]
        while waiting:
            item, holder, key = waiting.pop()
            replaced: Any = item
            if (isinstance(item, str) and len(item) > _TEXT) or (isinstance(item, Mapping) and REFERENCE in item):
                replaced = {REFERENCE: self.keep(encoded(item))}
            elif isinstance(item, Mapping):
                replaced = dict.fromkeys(item)
                waiting += [(inner, replaced, name) for name, inner in item.items()]
            elif isinstance(item, list):
                replaced = [None] * len(item)
                waiting += [(inner, replaced, place) for place, inner in self._items(item, replaced)]
            if key is None and holder is made:
                made.append(replaced)
            else:
                holder[key] = replaced
        return made[0]

    def _items(self, items: list[Any], into: list[Any]) -> list[tuple[int, Any]]:
        left = []
        for place, item in enumerate(items):
            line = encoded(item) if isinstance(item, Mapping) else ""
            if len(line) >= _ITEM:
                into[place] = {REFERENCE: self.keep(line)}
            else:
                left.append((place, item))
        return left
