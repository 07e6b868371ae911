# SPDX-License-Identifier: Apache-2.0
"""A state in the memory of one process."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from contextlib import suppress
from typing import NamedTuple


class _Entry(NamedTuple):
    value: bytes
    until: float | None


class MemoryState:
    """Shares among the tasks of one event loop.

    Args:
        max_bytes: how much values may take; beyond it those that were used longest ago go. Counters and messages are
            not counted.
    """

    def __init__(self, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._max = max_bytes
        self._size = 0
        self._values: OrderedDict[str, _Entry] = OrderedDict()
        self._counters: dict[str, tuple[float, float | None]] = {}
        self._boxes: dict[str, deque[bytes]] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def get(self, key: str) -> bytes | None:
        """As ``State.get``."""
        entry = self._values.get(key)
        if entry is None:
            return None
        if entry.until is not None and entry.until <= time.monotonic():
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return entry.value

    async def put(self, key: str, value: bytes, *, seconds: float | None = None) -> None:
        """As ``State.put``."""
        self._drop(key)
        if len(value) > self._max:
            return
        self._values[key] = _Entry(value, _until(seconds))
        self._size += len(value)
        while self._size > self._max:
            self._drop(next(iter(self._values)))

    async def claim(
        self, key: str, value: bytes, *, instead_of: bytes | None = None, seconds: float | None = None
    ) -> bytes:
        """As ``State.claim``."""
        standing = await self.get(key)
        if standing not in (None, value, instead_of):
            return standing
        await self.put(key, value, seconds=seconds)
        return value

    async def add(self, key: str, amount: float, *, seconds: float | None = None) -> float:
        """As ``State.add``."""
        total, until = self._counters.get(key, (0.0, None))
        if key not in self._counters or (until is not None and until <= time.monotonic()):
            total, until = 0.0, _until(seconds)
        total += amount
        self._counters[key] = total, until
        return total

    async def remove(self, key: str) -> None:
        """As ``State.remove``."""
        self._drop(key)
        self._counters.pop(key, None)

    async def send(self, box: str, message: bytes, *, seconds: float) -> None:
        """As ``State.send``."""
        self._boxes.setdefault(box, deque()).append(message)
        waiting = self._waiting.get(box)
        while waiting:
            receiver = waiting.popleft()
            if not receiver.done():
                receiver.set_result(None)
                break

    async def receive(self, box: str, *, seconds: float) -> bytes | None:
        """As ``State.receive``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._boxes.get(box):
                    receiver = asyncio.get_running_loop().create_future()
                    self._waiting.setdefault(box, deque()).append(receiver)
                    await receiver
        found = self._boxes.get(box)
        message = found.popleft() if found else None
        if not found:
            self._boxes.pop(box, None)
        if all(left.done() for left in self._waiting.get(box, ())):
            self._waiting.pop(box, None)
        return message

    async def close(self) -> None:
        """As ``State.close``."""

    def _drop(self, key: str) -> None:
        entry = self._values.pop(key, None)
        if entry is not None:
            self._size -= len(entry.value)


def _until(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds
