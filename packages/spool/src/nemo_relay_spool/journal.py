# SPDX-License-Identifier: Apache-2.0
"""The queue on disk: what is offered is in the kernel's hands before ``offer`` returns, and survives a kill.

Each process writes a journal of its own, in segments, one ``write(2)`` a line. Its reader sends what is in it and notes
how far that has arrived. Whoever starts next takes over the journals of processes that are gone. A journal larger than
its bound loses its oldest segment, and counts what was in it.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from nemo_relay_spool.counters import Counters, Diagnostics
from nemo_relay_spool.segments import (
    Reader,
    read_state,
    remove_journal,
    segment_numbers,
    segment_path,
    write_state,
)

try:
    import fcntl
except ImportError:  # a platform without advisory locks: journals of dead processes are left where they are
    fcntl = None  # type: ignore[assignment]

_LOCKS = fcntl is not None

SEGMENT_BYTES = 8 << 20
MAX_HELD_LINES, MAX_HELD_BYTES = 10_000, 16 << 20  # what waits in memory for a disk that takes nothing


def make_folder(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, for its owner only."""
    missing: list[Path] = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)


class Journal:
    """A queue on disk.

    Args:
        folder: where its files are; made with mode 0700.
        counters: where it counts.
        diagnostics: hears of a disk that fails.
        size: the most bytes that all segments together may have.
        segment: about how many bytes one segment has.

    Raises:
        OSError: the folder or the first segment cannot be made.
    """

    durable = True

    def __init__(
        self, folder: Path, counters: Counters, diagnostics: Diagnostics, size: int, segment: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._counters = counters
        self._diagnostics = diagnostics
        self._segment_bytes = min(segment, max(size // 4, 4096))
        self._most_segments = max(2, size // self._segment_bytes)
        self._lock = threading.Lock()
        make_folder(folder)
        self._name = f"{os.getpid()}-{time.time_ns():x}"
        self._lock_fd = _locked(folder / f"{self._name}.lock", create=True)
        self._sizes: dict[int, int] = {}  # lines, by segment
        self._number = 0
        self._fd = self._open_segment()
        self._reader = Reader(folder, self._name, {})
        self._taken = 0  # lines of the reader's segment that were taken
        self._unsettled = 0
        self._in_flight = 0
        self._torn = False  # the disk took a part of the last line
        self._held: deque[bytes] = deque()  # lines that it did not take
        self._held_bytes = 0
        self._homeless = 0  # of the lines in flight, those that are not on the disk

    def offer(self, line: bytes) -> None:
        """Write a line. What the disk does not take waits in memory, within bounds."""
        counters = self._counters
        with self._lock:
            counters.offered += 1
            if (self._held and not self._write_held()) or not self._append(line):
                self._hold(line)
            else:
                self._unsettled += 1

    def _append(self, line: bytes) -> bool:
        """Write a line; whether the disk has taken it whole."""
        try:
            if self._torn:  # what comes next starts in a file of its own
                self._rotate()
                self._torn = False
            taken = os.write(self._fd, line)
        except OSError as error:
            self._report(error)
            return False
        if taken != len(line):
            self._torn = True
            self._report(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            return False
        self._counters.spooled += 1
        self._sizes[self._number] += 1
        self._written += len(line)
        if self._written >= self._segment_bytes:
            try:
                self._rotate()
            except OSError as error:  # the segment grows
                self._report(error)
        return True

    def _hold(self, line: bytes) -> None:
        size = self._held_bytes + len(line)
        if self._fd < 0 or len(self._held) >= MAX_HELD_LINES or size > MAX_HELD_BYTES:
            self._counters.dropped += 1
            return
        self._held.append(line)
        self._held_bytes = size
        self._unsettled += 1

    def _write_held(self) -> bool:
        """Write what waits in memory; whether nothing waits any more."""
        while self._held and self._append(self._held[0]):
            self._held_bytes -= len(self._held.popleft())
        return not self._held

    def _take_held(self, events: int, size: int) -> list[bytes]:
        """Lines that the disk still does not take, when it has no others: they go without having been there."""
        taken: list[bytes] = []
        with self._lock:
            waiting = len(self._held)
            if self._fd < 0 or self._write_held() or len(self._held) < waiting:  # some are there now: those come first
                return taken
            while self._held and len(taken) < events and size > 0:
                line = self._held.popleft()
                self._held_bytes -= len(line)
                size -= len(line)
                taken.append(line.removesuffix(b"\n"))
            self._in_flight += len(taken)
            self._homeless += len(taken)
        return taken

    def _report(self, error: OSError) -> None:
        message = f"the spool in {str(self._folder)!r} fails: {error.strerror}"
        self._diagnostics.report("spool_write_failed", message)

    def _rotate(self) -> None:
        number, fd = self._number, self._fd
        self._number += 1
        try:
            self._fd = self._open_segment()
        except OSError:
            self._number = number  # the old segment has to do
            raise
        os.close(fd)
        while len(self._sizes) > self._most_segments:
            self._drop_oldest()

    def _open_segment(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(segment_path(self._folder, self._name, self._number), flags, 0o600)
        self._sizes[self._number] = self._written = 0
        return fd

    def _drop_oldest(self) -> None:
        number = min(self._sizes)
        lost = self._sizes.pop(number)
        if number <= self._reader.segment:
            lost = max(lost - self._taken, 0) if number == self._reader.segment else 0
        self._counters.dropped += lost
        self._counters.lost += lost
        self._unsettled -= lost
        segment_path(self._folder, self._name, number).unlink(missing_ok=True)
        if lost:
            self._diagnostics.report("spool_full", f"the spool in {str(self._folder)!r} was full", lost)

    def take(self, events: int, size: int) -> list[bytes]:
        """The next lines.

        Args:
            events: at most so many.
            size: about so many bytes: the line that goes over is the last one.

        Returns:
            The lines, the oldest first; those on the disk stay there until they are acknowledged.
        """
        taken = self._take_written(events, size)
        if taken or not self._held:
            return taken
        return self._take_held(events, size) or self._take_written(events, size)

    def _take_written(self, events: int, size: int) -> list[bytes]:
        taken: list[bytes] = []
        while len(taken) < events and size > 0:
            lines, more = self._take_some(min(events - len(taken), 256), size)
            taken += lines
            size -= sum(map(len, lines))
            if not lines and not more:
                break
        return taken

    def _take_some(self, events: int, size: int) -> tuple[list[bytes], bool]:
        """Lines of one segment, and whether there is a segment after it. Reads without the lock that writers need."""
        reader = self._reader
        with self._lock:
            if self._fd < 0:
                return [], False
            self._catch_up()
            growing = reader.segment == self._number
        lines = reader.take(events, size)
        with self._lock:
            if reader.segment < min(self._sizes):  # dropped, and counted, while it was read
                self._catch_up()
                return [], True
            self._taken += len(lines)
            self._in_flight += len(lines)
            if not lines and not growing:
                reader.skip_to(min(number for number in self._sizes if number > reader.segment))
                self._taken = 0
            return lines, not growing

    def _catch_up(self) -> None:
        oldest = min(self._sizes)
        if self._reader.segment < oldest:
            self._reader.skip_to(oldest)
            self._taken = 0

    def acknowledge(self, state: dict[str, Any]) -> None:
        """Note what has arrived, and remove the segments that are done with."""
        if not self._in_flight or self._fd < 0:
            return
        reader = self._reader
        try:  # without the lock that writers need
            write_state(self._folder, self._name, {"segment": reader.segment, "offset": reader.offset, **state})
        except OSError as error:
            self._report(error)
        with self._lock:
            self._unsettled -= self._in_flight
            self._in_flight = self._homeless = 0
            for number in [number for number in self._sizes if number < reader.segment]:
                del self._sizes[number]
                segment_path(self._folder, self._name, number).unlink(missing_ok=True)

    def waiting(self) -> int:
        """How many lines have not been taken."""
        return self._unsettled - self._in_flight

    def unsettled(self) -> int:
        """How many lines have not arrived, or been given up."""
        return self._unsettled

    def has_room(self) -> bool:
        """Whether a rotation would lose nothing."""
        return len(self._sizes) < self._most_segments

    def close(self, complete: bool = True) -> None:
        """Let go of the files; they are removed when all of them has arrived, else left for whoever comes next.

        Args:
            complete: whether what the reader still had to tell at the end has arrived too.
        """
        with self._lock:
            if self._fd < 0:
                return
            self._write_held()
            self._lose(len(self._held) + self._homeless)
            fd, self._fd = self._fd, -1
            os.close(fd)
            self._reader.close()
            if complete and self._unsettled <= 0:
                remove_journal(self._folder, self._name)
            if self._lock_fd >= 0:
                os.close(self._lock_fd)

    def _lose(self, count: int) -> None:
        self._held.clear()
        self._unsettled -= count
        self._counters.dropped += count
        if count:
            text = f"{count} events that the disk in {str(self._folder)!r} did not take had not arrived at the end"
            self._diagnostics.report("spool_lost", text, count)

    def abandon(self) -> None:
        """Close the files in a forked child: they, and the lock, are the parent's."""
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1
        self._reader.close()

    def is_shared(self) -> bool:
        """Whether there are other journals beside this one."""
        return any(path.stem != self._name for path in self._folder.glob("*.lock"))

    def orphans(self) -> Iterator[Orphan]:
        """The journals of processes that are gone, oldest first. Each is this process's own from then on."""
        if not _LOCKS:
            return
        for path in sorted(self._folder.glob("*.lock"), key=_age):
            name = path.stem
            if name == self._name:
                continue
            try:
                lock_fd = _locked(path, create=False)
            except OSError:
                continue
            yield Orphan(self._folder, name, lock_fd)


def _age(path: Path) -> int:
    return int(path.stem.partition("-")[2] or "0", 16) if "-" in path.stem else 0


def _locked(path: Path, *, create: bool) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    if _LOCKS:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not create and not path.exists():  # its last owner removed it meanwhile
                raise FileNotFoundError(2, os.strerror(2))
        except OSError:
            os.close(fd)
            raise
    return fd


class Orphan:
    """The journal of a process that is gone."""

    def __init__(self, folder: Path, name: str, lock_fd: int) -> None:
        self._folder = folder
        self._name = name
        self._lock_fd = lock_fd
        self.state = read_state(folder, name)
        self._numbers = segment_numbers(folder, name)
        self._reader = Reader(folder, name, self.state)
        if self._numbers and self._reader.segment < self._numbers[0]:
            self._reader.skip_to(self._numbers[0])

    def take(self, events: int, size: int) -> list[bytes]:
        """The next lines. A last one that the end of the process tore is left out."""
        while self._numbers:
            lines = self._reader.take(events, size)
            if lines or self._reader.segment >= self._numbers[-1]:
                return lines
            self._reader.skip_to(min(number for number in self._numbers if number > self._reader.segment))
        return []

    def acknowledge(self, state: dict[str, Any]) -> None:
        """Note what has arrived."""
        position = {"segment": self._reader.segment, "offset": self._reader.offset}
        with suppress(OSError):  # a full disk: what has arrived may be sent again
            write_state(self._folder, self._name, {**position, **state})

    def done(self) -> None:
        """All of it has arrived: remove it."""
        remove_journal(self._folder, self._name)
        self.release()

    def release(self) -> None:
        """Leave what is left to whoever comes next."""
        self._reader.close()
        os.close(self._lock_fd)
