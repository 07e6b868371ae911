# SPDX-License-Identifier: Apache-2.0
"""Turns: pulls from one stream that overlap are served one by one, in their order.

Hardly any stream is ever asked twice at once, and a lock costs as much as all the rest of a pull. So there is one only
after two pulls have met.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Work = Callable[[], Coroutine[Any, Any, Any]]


class Turns:
    """One at a time."""

    __slots__ = ("_busy", "_idle", "_queue")

    def __init__(self) -> None:
        self._busy = False
        self._queue: asyncio.Lock | None = None
        self._idle: asyncio.Event | None = None

    def take(self, work: Work) -> Coroutine[Any, Any, Any]:
        """Await ``work()`` when it is its turn."""
        if self._busy or (self._queue is not None and self._queue.locked()):
            return self._queued(work)
        return self._alone(work)

    async def _alone(self, work: Work) -> Any:
        if self._busy:  # another one that was asked for at the same time was awaited first
            return await self._queued(work)
        self._busy = True
        try:
            return await work()
        finally:
            self._busy = False
            if self._idle is not None:
                self._idle.set()

    async def _queued(self, work: Work) -> Any:
        import asyncio

        if self._queue is None or self._idle is None:
            self._queue, self._idle = asyncio.Lock(), asyncio.Event()
        async with self._queue:
            while self._busy:
                self._idle.clear()
                await self._idle.wait()
            return await self._alone(work)
