# SPDX-License-Identifier: Apache-2.0
"""Tables that forget: what is noted between two callbacks, for a process that may never hear the second one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """A mapping that drops its oldest entries. Each method is one atomic step or harmless to interleave.

    >>> table = Bounded[str, int](kept=1)
    >>> table.put("a", 1); table.put("b", 2)
    >>> table.take("a"), table.take("b"), table.take("b")
    (None, 2, None)
    """

    def __init__(self, kept: int = 4_096) -> None:
        self._kept = kept
        self._items: OrderedDict[K, V] = OrderedDict()

    def put(self, key: K, value: V) -> None:
        """Note ``value``; what was noted under ``key`` before is gone."""
        self._items.pop(key, None)
        self._items[key] = value
        while len(self._items) > self._kept:
            self._items.popitem(last=False)

    def get(self, key: K) -> V | None:
        """What is noted under ``key``."""
        return self._items.get(key)

    def take(self, key: K) -> V | None:
        """The same, and forget it."""
        return self._items.pop(key, None)
