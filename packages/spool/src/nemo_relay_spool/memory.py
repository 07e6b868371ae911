# SPDX-License-Identifier: Apache-2.0
"""A bounded queue in memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

from nemo_relay_spool.counters import Counters


class Source(Protocol):
    """Lines that wait, in their order, with a position that moves when their reader is done with them."""

    def take(self, events: int, size: int) -> list[bytes]:
        """The next lines, at most so many and about so many bytes; empty when there are none."""
        ...

    def acknowledge(self, state: dict[str, Any]) -> None:
        """Everything taken so far has arrived; ``state`` is what a reader needs to go on from here."""
        ...


class Queue(Source, Protocol):
    """A source that is being filled."""

    durable: bool

    def offer(self, line: bytes) -> None:
        """Append a line. Never waits, never raises."""
        ...

    def waiting(self) -> int:
        """How many lines have not been taken."""
        ...

    def unsettled(self) -> int:
        """How many lines have not arrived, or been given up."""
        ...

    def has_room(self) -> bool:
        """Whether it takes a few lines more without losing any."""
        ...

    def close(self, complete: bool = True) -> None:
        """Let go of files. ``complete`` says whether what a reader still had to tell has arrived."""
        ...


class MemoryQueue:
    """Keeps what fits; what does not is dropped and counted.

    Args:
        counters: where that is counted.
        events: the most lines.
        size: the most bytes.
    """

    durable = False

    def __init__(self, counters: Counters, events: int, size: int) -> None:
        self._counters = counters
        self._most_events = events
        self._most_bytes = size
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._taken = 0
        self._lock = threading.Lock()

    def offer(self, line: bytes) -> None:
        """Append a line, or drop it."""
        counters = self._counters
        with self._lock:
            counters.offered += 1
            if len(self._lines) >= self._most_events or self._bytes + len(line) > self._most_bytes:
                counters.dropped += 1
                return
            self._lines.append(line)
            self._bytes += len(line)

    def take(self, events: int, size: int) -> list[bytes]:
        """The next lines.

        Args:
            events: at most so many.
            size: about so many bytes: the line that goes over is the last one.

        Returns:
            The lines, the oldest first; they are gone from the queue.
        """
        taken: list[bytes] = []
        with self._lock:
            while self._lines and len(taken) < events and size > 0:
                line = self._lines.popleft()
                size -= len(line)
                self._bytes -= len(line)
                taken.append(line)
            self._taken += len(taken)
        return taken

    def acknowledge(self, state: dict[str, Any]) -> None:
        """Nothing is kept, so nothing has to be noted."""
        with self._lock:
            self._taken = 0

    def waiting(self) -> int:
        """How many lines have not been taken."""
        return len(self._lines)

    def unsettled(self) -> int:
        """How many lines have not arrived, or been given up."""
        with self._lock:
            return len(self._lines) + self._taken

    def has_room(self) -> bool:
        """Whether it is no more than half full."""
        return len(self._lines) * 2 <= self._most_events and self._bytes * 2 <= self._most_bytes

    def close(self, complete: bool = True) -> None:
        """Count what is left as dropped."""
        with self._lock:
            self._counters.dropped += len(self._lines) + self._taken
            self._taken = 0
            self._lines.clear()
