# SPDX-License-Identifier: Apache-2.0
"""Trajectory files straight from the stream of events, for those who keep no events file.

What waits for the thread that makes them is bounded; what finds no room is counted and told. A ``Recording`` reads
its events file instead, and so loses nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TypeVar

from nemo_relay._runtime.delivery.file_sink import Counters
from nemo_relay._runtime.delivery.session import Style
from nemo_relay._runtime.delivery.sessions import Sessions
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.queues import BoundedQueue, Empty
from nemo_relay._runtime.threads import Worker

T = TypeVar("T")
_TICK_SECONDS = 0.1  # between two looks at what is due


class LiveTrajectories:
    """A sink that writes a trajectory file of every session into ``folder``."""

    def __init__(self, folder: Path, style: Style | None = None) -> None:
        self.failure: OSError | None = None
        self._folder = Path(os.path.abspath(folder))
        self._style = style
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.sessions = Sessions(self._folder, lambda uuid: True, style=self._style)
        self._queue = BoundedQueue()
        self._taken = self._lost = 0
        self._worker = Worker(self._run, "nemo-relay-trajectories", self._no_thread)
        self._closed = False

    def offer(self, line: bytes) -> None:
        """Take one line."""
        if self._closed:
            return
        if not self._queue.put((len(line), line)):
            full = OverflowError(f"{self._queue.waiting} events wait for trajectories; some are dropped")
            faults.report("trajectory_queue_full", full)
        elif self._worker.thread is None:
            self._worker.start()

    def lose(self, count: int = 1) -> None:
        """Count lines that will never reach a trajectory."""
        self._lost += count

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was offered has been taken, for at most ``timeout`` seconds."""
        return self._then(lambda: None, timeout)

    def close(self, timeout: float | None = None) -> None:
        """Write every session, also those that have not ended, for at most ``timeout`` seconds."""
        if self._closed:
            return
        self._closed = True
        self._then(self.sessions.finish, timeout)
        self._queue.put_anyway((0, None))
        for uuid, error in self.sessions.failed.items():
            self.failure = error
            faults.report("trajectory_missing", error, session=uuid)

    def counters(self) -> Counters:
        """What became of the lines so far."""
        dropped, waiting = self._queue.dropped + self._lost, self._queue.waiting
        return Counters(self._taken + dropped + waiting, self._taken, dropped, 0, waiting)

    def _then(self, work: Callable[[], None], timeout: float | None) -> bool:
        if self._worker.is_unused:
            work()
            return True
        if not self._worker.has_begun():
            return False
        done = threading.Event()

        def run() -> None:
            try:
                work()
            finally:
                done.set()

        self._queue.put_anyway((0, run))
        return done.wait(timeout)

    def _no_thread(self, error: RuntimeError) -> None:
        faults.report("trajectory_thread_failed", error)  # the next line tries again

    def _run(self) -> None:
        waiting, next_look = False, 0.0
        while True:
            try:
                size, what = self._queue.get(_TICK_SECONDS if waiting else None)
            except Empty:
                waiting = self._write_due()
                continue
            if size:
                self._take(what)
            else:
                self._queue.freed()
                if what is None:
                    return
                self._guarded(what)
            waiting = True  # it may have ended a turn
            if monotonic() >= next_look:  # events may come without a pause
                self._write_due()
                next_look = monotonic() + _TICK_SECONDS

    def _take(self, line: bytes) -> None:
        self._taken += 1
        self._guarded(lambda: self.sessions.take(line))

    def _write_due(self) -> bool:
        """Write the documents whose time has come; whether others wait for theirs."""
        return bool(self._guarded(self.sessions.tick))

    def _guarded(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except Exception as error:  # one odd event must not end the thread that serves the others
            faults.report("trajectory_failed", error)
            return None
