# SPDX-License-Identifier: Apache-2.0
"""Trajectory files of a recording, made from its events file by a thread of their own.

The file is complete and in order, so the thread may be as late as it likes: nothing waits for it in memory, nothing
is lost when it dies, and what it did not write can be made later from the same file. It reads through the descriptors
that the sink wrote through, so it does not matter what became of the file's name.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from nemo_relay._runtime.delivery.file_sink import FileSink
from nemo_relay._runtime.delivery.sessions import Sessions
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.threads import Worker
from nemo_relay_records.files.held import Held
from nemo_relay_records.files.lines import emitted, lines_of
from nemo_relay_records.files.rotation import older_files

_BLOCK = 1 << 20
_BATCH_SECONDS = 0.02  # the thread lets events gather, so that it does not take turns with their emitter
_TAIL = 200  # bytes at the end of a line in which its session stands
_SESSION = b'"propagation_root_uuid":"'


def blob_missing(text: str) -> None:
    """Report a large text that is not beside the log."""
    faults.report("blob_missing", FileNotFoundError(text))


class TrajectoryFiles:
    """Writes ``trajectory-<session>.json`` into ``folder`` for every session that this process takes part in."""

    def __init__(self, folder: Path, source: FileSink) -> None:
        self.folder = folder
        self._source = source
        self._wake = threading.Event()
        self._over = threading.Event()
        self._begin()
        _alive.add(self)

    def _begin(self) -> None:
        self._own: dict[str, None] = {}
        self.sessions = Sessions(self.folder, self._own.__contains__)
        self.sessions.forgotten = self._disown
        self._files: deque[Held] = self._source.follow()
        self._position = self._files[0].size() if self._files else 0
        self._rest = b""
        self._worker = Worker(self._run, "nemo-relay-trajectories", self._no_thread)
        self._is_idle = True
        self._stopping = False
        self.line_count = 0

    def _disown(self, uuid: str) -> None:
        self._own.pop(uuid, None)

    def receive(self, line: bytes) -> None:
        """Take note of a line that was written: whose it is, and that there is something to do."""
        self.line_count += 1
        place = line.rfind(_SESSION, -_TAIL)
        if place >= 0:
            uuid = line[place + 25 : place + 61].decode("ascii", "replace")
            if uuid not in self._own:
                self._own[uuid] = None
        if self._is_idle:
            self._is_idle = False
            self._wake.set()
            if self._worker.thread is None and not self._over.is_set():
                self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Write what was emitted, unfinished sessions too, for at most ``timeout`` seconds; whether all is there."""
        self._stopping = True
        deadline = monotonic() + timeout
        if self._worker.is_unused:
            if self.line_count and not self._over.is_set():
                self._work_off()
            return not self.missing
        self._wake.set()
        self._over.wait(max(0.0, timeout))
        if self._over.is_set() and self.sessions.failed and monotonic() < deadline:
            self._again()
        self._source.unfollow(self._files)
        return not self.missing

    @property
    def missing(self) -> list[str]:
        """The sessions whose trajectories are not written, by their uuids."""
        failed = dict.fromkeys(list(self.sessions.failed))  # copies: both change on other threads meanwhile
        if self._over.is_set() or not self.line_count:
            return list(failed)
        return list(failed | dict.fromkeys(list(self._own)))

    def _again(self) -> None:
        """Make from the events what the disk did not take."""
        wanted = dict(self.sessions.failed)
        again = Sessions(self.folder, wanted.__contains__)
        for line in lines_of([*older_files(self._source.place), self._source.place], blob_missing):
            again.take(line)
        again.finish()
        self.sessions.failed = {uuid: error for uuid, error in wanted.items() if uuid in again.failed}
        self.sessions.count += again.count
        self.sessions.written.extend(again.written)

    def _no_thread(self, error: RuntimeError) -> None:
        self._is_idle = True  # the next event tries again, and so does the end
        faults.report("trajectory_thread_failed", error)

    def _run(self) -> None:
        waiting = False
        while not self._stopping:
            self._wake.wait(0.2 if waiting else None)
            self._wake.clear()
            if not self._stopping:
                sleep(_BATCH_SECONDS)
            self._is_idle = True  # before the look: what is written after it wakes this thread again
            self._guarded(self._read)
            waiting = bool(self._guarded(self.sessions.tick))
        self._work_off()

    def _work_off(self) -> None:
        self._guarded(self._read)
        self._guarded(self.sessions.finish)
        self._over.set()

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:  # one odd event must not end the thread that serves the others
            faults.report("trajectory_failed", error)
            return None

    def _read(self) -> None:
        folder = self._source.place.path.parent
        for line in self._lines():
            try:
                self.sessions.take(emitted(line, folder, blob_missing))
            except Exception as error:
                faults.report("trajectory_failed", error)

    def _lines(self) -> Iterator[bytes]:
        files = self._files
        while files:
            block = files[0].read(_BLOCK, self._position)
            if block:
                self._position += len(block)
                *whole, self._rest = (self._rest + block).split(b"\n")
                yield from whole
            elif len(files) > 1:  # another file has taken its place
                files.popleft()
                self._position, self._rest = 0, b""
            else:
                if files[0].size() < self._position:  # truncated underneath
                    self._position, self._rest = 0, b""
                    continue
                return

    def _in_child(self) -> None:
        # What the parent has begun is the parent's; the child's own sessions begin behind it in the file.
        self._wake = threading.Event()
        self._over = threading.Event()
        self._begin()


_alive: weakref.WeakSet[TrajectoryFiles] = weakref.WeakSet()


def _in_child() -> None:
    for files in tuple(_alive):
        files._in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
