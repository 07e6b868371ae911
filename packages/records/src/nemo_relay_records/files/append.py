# SPDX-License-Identifier: Apache-2.0
"""A file that lines are appended to, by any number of threads and processes, for as long as it lives.

Each line is one ``write(2)`` in append mode, one thread at a time. The descriptor belongs to an object that
every writer holds while it writes: it is closed when the last of them has let go, so no line can land in whatever
file got its number next. A line that the disk does not take waits, within bounds, and is written when there is room.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from os import lseek, write
from time import monotonic
from typing import Any

from nemo_relay_records.files.chain import Chain
from nemo_relay_records.files.held import Held, ends_torn, ends_within_line
from nemo_relay_records.files.lines import end_of_file
from nemo_relay_records.files.notices import notices
from nemo_relay_records.files.places import LOCK_SECONDS, Place, alone, mark_in_use, open_regular
from nemo_relay_records.files.rotation import Rotation, make_room, numbered_like, older_files, step_aside

MAX_WAITING_LINES = 10_000
MAX_WAITING_BYTES = 16 << 20
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT


class AppendFile:
    """Appends lines to the file at ``place``.

    Args:
        place: where.
        overwrite: start a fresh file; one that somebody still writes to is kept beside it.
        failed: told of every line that the disk does not take.
        rotation: when to step aside for a fresh file; never when None.
        sync: bring each line to the disk itself before ``write`` returns.
        chained: let each line, a JSON object, name the one before it; other processes wait for their turn.

    Raises:
        OSError: the file cannot be opened.
    """

    __slots__ = (
        "__weakref__",
        "_careful",
        "_chain",
        "_draining",
        "_failed",
        "_held",
        "_lock",
        "_rotate_at",
        "_rotation",
        "_seen",
        "_sync",
        "_torn",
        "_waiting",
        "_waiting_bytes",
        "dropped",
        "place",
        "readers",
        "retried",
        "written",
    )

    def __init__(
        self,
        place: Place,
        *,
        overwrite: bool = False,
        failed: Callable[[OSError], None] | None = None,
        rotation: Rotation | None = None,
        sync: bool = False,
        chained: bool = False,
    ) -> None:
        self.place = place
        self.written = 0
        self.dropped = 0  # lines that will never be in the file
        self.retried = 0  # lines that waited for the disk, and are in the file now
        self.readers: list[deque[Held]] = []  # each gets every file that is opened after another
        self._failed = failed
        self._rotation = rotation
        self._sync = sync
        self._chain = Chain(self._last_before) if chained else None
        self._careful = True  # a line needs more than to be written
        self._torn = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._draining = False
        self._held: Held | None = None
        self._reset_lock()
        with place.opened() as folder, alone(folder):
            if overwrite:
                make_room(place, folder)
            self._open(folder)
        _alive.add(self)

    def write(self, line: bytes) -> None:
        """Append ``line``, which ends with a newline. What cannot be written waits or is counted; nothing raises."""
        held = self._held
        if held is None:
            return
        try:
            if notices.news(0, 1):
                notices.take()
            if notices.count != self._seen:
                held = self._recheck()
            # Where the disk takes a part of a line, no other thread may write before that is known: the lock. It costs
            # little, since the kernel lets one append to a file at a time anyway.
            with self._lock:
                if self._careful:
                    self._write_carefully(line)
                elif (taken := write(held.fd, line)) == len(line):
                    self.written += 1
                else:
                    self._careful = True
                    self._took(taken, len(line))
        except OSError as error:
            self._keep(line, error)

    def retry(self) -> bool:
        """Write what waits for the disk, and look whether the file is still in its place; whether nothing waits."""
        if self._held is None:
            return not self._waiting
        try:
            held = self._recheck()
            with self._lock:
                self._drain()
                if self._torn:
                    self._end_line(held)
                self._settle()
        except OSError as error:
            self._report(error)
        return not self._waiting

    @property
    def waiting(self) -> int:
        """How many lines wait for room on the disk."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._held is None

    @property
    def held(self) -> Held | None:
        """The open file; None once closed."""
        return self._held

    def follow(self) -> deque[Held]:
        """A queue of open files for a reader: the one that is written now, and each that takes its place later."""
        with self._lock:
            files = deque([self._held] if self._held is not None else [])
            self.readers.append(files)
        return files

    def unfollow(self, files: deque[Held]) -> None:
        """Stop adding to ``files``."""
        with self._lock:
            self.readers[:] = [other for other in self.readers if other is not files]

    def sync(self) -> None:
        """Bring what was written to the disk itself."""
        held = self._held
        if held is not None:
            os.fsync(held.fd)

    def lose(self, count: int = 1) -> None:
        """Count lines that were meant for this file and will never reach it."""
        with self._lock:
            self.dropped += count

    def close(self, timeout: float | None = None) -> None:
        """Write what waits if the disk takes it now, and let go of the file; what comes later is not written."""
        self.retry()
        with self._lock:
            self._held = None
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
        _alive.discard(self)

    # What is rare, or needs the lock.

    def _write_carefully(self, line: bytes) -> None:
        if self._draining:  # a signal or a finaliser emits while this thread drains: in its turn
            self._wait(line)
            return
        self._drain()
        self._put(line)
        self._settle()

    def _drain(self) -> None:
        self._draining = True
        try:
            while self._waiting:
                line = self._waiting[0]
                self._put(line)
                self._waiting.popleft()
                self._waiting_bytes -= len(line)
                self.retried += 1
        finally:
            self._draining = False

    def _put(self, line: bytes) -> None:
        held = self._held
        if held is None:
            return
        if self._chain is not None:
            self._put_linked(held, line, self._chain)
            return
        if self._rotation is not None and self._is_due(held, len(line)):
            held = self._rotate(held)
        self._append(held, line)

    def _append(self, held: Held, line: bytes) -> None:
        if self._torn:
            self._end_line(held)
        self._took(write(held.fd, line), len(line))
        if self._sync:
            self._sync_data(held)

    def _put_linked(self, held: Held, line: bytes, chain: Chain) -> None:
        patience = 0.0 if self._waiting else LOCK_SECONDS  # only the first line waits for a process that hangs
        with self.place.opened() as folder, alone(folder, patience) as is_alone:
            if not is_alone:
                raise BlockingIOError(errno.EWOULDBLOCK, "another process does not let go of the folder")
            if not self._is_in_place(held):
                chain.leave(held)
                held = self._found(folder, held)
            if self._rotation is not None and self._is_due(held, len(line)):
                held = self._next(folder, held, self._rotation)
            if chain.is_behind(held):
                self._torn = self._torn or ends_within_line(held)
            if self._torn:
                self._end_line(held)
            made = chain.link(held, line)
            self._append(held, made)
            chain.note(made)

    def _last_before(self) -> bytes | None:
        """The end of the file that the one at ``place`` took the place of."""
        older = older_files(self.place) if self._rotation is not None else []
        return end_of_file(older[-1]) if older else None

    def _took(self, taken: int, size: int) -> None:
        self._torn = taken < size  # the next line must not follow on the same one
        if taken < size - 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.written += 1  # also where only its end is missing

    def _end_line(self, held: Held) -> None:
        self._torn = write(held.fd, b"\n") != 1

    def _sync_data(self, held: Held) -> None:
        try:
            os.fdatasync(held.fd) if hasattr(os, "fdatasync") else os.fsync(held.fd)
        except OSError as error:  # the line is in the file: it must not be written again
            self._report(error)

    def _keep(self, line: bytes, error: OSError) -> None:
        self._wait(line)
        self._report(error)

    def _wait(self, line: bytes) -> None:
        with self._lock:
            full = len(self._waiting) >= MAX_WAITING_LINES or self._waiting_bytes + len(line) > MAX_WAITING_BYTES
            if full or self._held is None:
                self.dropped += 1
            else:
                self._waiting.append(line)
                self._waiting_bytes += len(line)
                self._careful = True

    def _report(self, error: OSError) -> None:
        if self._failed is not None:
            self._failed(error)

    def _recheck(self) -> Held:
        """The open file, opened anew where somebody renamed, removed or replaced it."""
        with self._lock:
            held = self._held
            if held is None:
                raise OSError(errno.EBADF, "closed")
            seen = held.seen()  # before the look
            if not self._is_in_place(held):
                self._seen = -1  # until it has been opened, every line tries again
                held = self._find(held)
            else:
                self._seen = seen
            return held

    def _is_in_place(self, held: Held) -> bool:
        try:
            state = os.stat(self.place.path, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (state.st_dev, state.st_ino) == held.identity

    def _find(self, held: Held) -> Held:
        with self.place.opened() as folder, alone(folder):
            return self._found(folder, held)

    def _found(self, folder: int, held: Held) -> Held:
        # A run that overwrites puts the file of a run that still writes aside; that one goes on where it was.
        aside = None if self._rotation is not None else numbered_like(self.place, folder, held.identity)
        if aside is None:
            return self._open(folder)
        self.place = self.place.sibling(aside)
        self._seen = held.seen()
        return held

    def _open(self, folder: int) -> Held:
        held = Held(open_regular(self.place.name, folder, _FLAGS), self.place.path)
        self._torn = ends_torn(held)
        mark_in_use(held.fd)
        if self._torn:  # a crash tore the last line: it must not swallow the next one
            with suppress(OSError):  # a full disk: before the next line
                self._end_line(held)
        self._seen = held.seen()
        self._settle()
        if self._rotation is not None and self._rotation.seconds is not None:
            self._rotate_at = monotonic() + self._rotation.seconds
        self._held = held
        for reader in self.readers:
            reader.append(held)
        return held

    def _settle(self) -> None:
        self._careful = self._torn or bool(self._waiting) or self._rotation is not None or self._sync
        self._careful = self._careful or self._chain is not None

    def _is_due(self, held: Held, more: int) -> bool:
        rotation = self._rotation
        assert rotation is not None
        size = lseek(held.fd, 0, os.SEEK_END)
        if not size:
            return False
        if rotation.max_bytes is not None and size + more > rotation.max_bytes:
            return True
        return rotation.seconds is not None and monotonic() >= self._rotate_at

    def _rotate(self, held: Held) -> Held:
        assert self._rotation is not None
        try:
            with self.place.opened() as folder, alone(folder):
                return self._next(folder, held, self._rotation)
        except OSError as error:
            self._report(error)
            return held

    def _next(self, folder: int, held: Held, rotation: Rotation) -> Held:
        try:
            step_aside(self.place, folder, held.identity, rotation)
            return self._open(folder)
        except OSError as error:  # the file grows beyond its bound rather than losing lines
            self._report(error)
            return held

    def _reset_lock(self) -> None:
        # Reentrant: a signal or a finaliser may emit an event while its thread is in here.
        self._lock = threading.RLock()

    def _in_child(self) -> None:
        self._reset_lock()
        self._waiting.clear()  # the parent writes what waited in the parent
        self._waiting_bytes = 0
        self._draining = False
        self.readers = []
        if self._held is not None:
            self._held.watch(self.place.path)
            self._seen = -1
            self._settle()


_alive: weakref.WeakSet[Any] = weakref.WeakSet()


def _in_child() -> None:
    notices.reset()
    for file in tuple(_alive):
        file._in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
