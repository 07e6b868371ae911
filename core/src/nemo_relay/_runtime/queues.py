# SPDX-License-Identifier: Apache-2.0
"""The one queue for everything that waits: bounded in items and in bytes, with one set of counters."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any

CAPACITY = 100_000
MAX_BYTES = 128 << 20
_Sized = tuple[Any, ...]  # the size in bytes first; what follows is the user's


class BoundedQueue:
    """First in, first out, from any number of threads to one.

    Items are tuples whose first member is their size in bytes. An item larger than the whole bound is taken when
    nothing else waits. No lock is held at any time: a signal or a finaliser may put an item while its thread does.

    Attributes:
        items: what waits; whoever takes an item by hand adds its size to ``bytes_out``.
    """

    __slots__ = ("_bytes_in", "_free", "bytes_out", "capacity", "dropped", "items", "max_bytes")

    def __init__(self, capacity: int = CAPACITY, max_bytes: int = MAX_BYTES) -> None:
        self.capacity = capacity
        self.max_bytes = max_bytes
        self.dropped = 0
        self.items: SimpleQueue[_Sized] = SimpleQueue()
        # Two counters, each changed in one step, instead of one that two threads would take turns at.
        self._bytes_in = self.bytes_out = 0
        self._free = 0  # items that wait outside the bound

    def put(self, item: _Sized, patience: Callable[[], float] | None = None) -> bool:
        """Add ``item``; where there is no room for it within the seconds that ``patience`` says, it is dropped."""
        size, waiting = item[0], self.items.qsize()
        if (
            waiting
            and (waiting >= self.capacity or self._bytes_in - self.bytes_out + size > self.max_bytes)
            and (patience is None or not self._gets_room(size, patience()))
        ):
            self.dropped += 1
            return False
        self._bytes_in += size
        self.items.put(item)
        return True

    def put_anyway(self, item: _Sized) -> None:
        """Add ``item``, which must get its turn and is no event: neither the bound nor the counters know it."""
        self._free += 1
        self.items.put(item)

    def get(self, timeout: float | None = None) -> _Sized:
        """The next item; raises ``queue.Empty`` after ``timeout`` seconds without one."""
        item = self.items.get(timeout=timeout)
        self.bytes_out += item[0]
        return item

    def freed(self) -> None:
        """An item that was ``put_anyway`` has been taken."""
        self._free -= 1

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return max(0, self.items.qsize() - self._free)

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait."""
        return max(0, self._bytes_in - self.bytes_out)

    def _has_room(self, size: int) -> bool:
        waiting = self.items.qsize()
        if waiting >= self.capacity:
            return False
        return self._bytes_in - self.bytes_out + size <= self.max_bytes or not waiting

    def _gets_room(self, size: int, wait_seconds: float) -> bool:
        if wait_seconds <= 0:
            return False
        deadline = monotonic() + wait_seconds
        while not self._has_room(size):
            if monotonic() > deadline:
                return False
            sleep(0.001)
        return True


__all__ = ["CAPACITY", "MAX_BYTES", "BoundedQueue", "Empty"]
