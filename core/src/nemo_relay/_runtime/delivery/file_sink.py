# SPDX-License-Identifier: Apache-2.0
"""A file of event lines that survives what happens to the process, to the disk and to other writers.

Each event is one ``write(2)`` of a whole line on a descriptor in append mode, made before ``write`` returns: a killed
process loses nothing that it announced, and two processes may share a file. Only a kill that hits the very moment of
a write can tear that line, and whoever writes next starts on a fresh one. Nothing here raises into the application.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from os import write
from pathlib import Path
from time import monotonic

from nemo_relay._runtime.log import faults
from nemo_relay.errors import SinkError

try:
    import fcntl
except ImportError:  # a platform without advisory locks: overlapping overwrites then keep only the newest file
    fcntl = None  # type: ignore[assignment]

_LOCKS = fcntl is not None

_CHECK_SECONDS = 1.0  # how often a writer looks whether its file is still there
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class FileSink:
    """Appends lines to the file at ``path``; ``overwrite`` starts a fresh one.

    Raises:
        SinkError: the file cannot be opened (a RuntimeError).
    """

    __slots__ = ("_check_at", "_fd", "_lock", "_torn", "dropped", "failure", "path", "written")

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.written = 0
        self.dropped = 0  # lines that the disk did not take
        self.failure: OSError | None = None  # the last one, until somebody asks
        self._lock = threading.Lock()
        self._torn = False
        self._check_at = monotonic() + _CHECK_SECONDS
        try:
            make_folder(path.parent)
            if overwrite:
                _make_room(path)
            self._fd = self._open()
        except OSError as error:
            raise SinkError(f'failed to open ATOF output file "{path}": {_reason(error, path)}') from error

    def write(self, line: bytes) -> None:
        """Append ``line``, which ends with a newline. A line that the disk does not take is counted."""
        try:
            if monotonic() > self._check_at:
                self._recheck()
            if self._torn:
                line = b"\n" + line
            if write(self._fd, line) == len(line):
                self.written += 1
                if self._torn:
                    self._torn = False
                return
            self._torn = True  # the disk took a part; the next line starts on a line of its own
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if self._fd < 0:
                return
            self.dropped += 1
            self.failure = error
            faults.report("atof_file_write_failed", error, path=str(self.path))

    def close(self) -> None:
        """Close the file; what is written afterwards is dropped in silence, as the owner asked."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._fd < 0

    def _open(self) -> int:
        fd = os.open(self.path, _FLAGS | os.O_CREAT, 0o600)
        try:
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode):
                raise _NotRegular(self.path)
            if _LOCKS:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # tells a later overwriter that somebody writes here
            if state.st_size and _last_byte(self.path) != b"\n":
                os.write(fd, b"\n")  # a crash tore the last line: it must not swallow the next one
        except OSError:
            os.close(fd)
            raise
        return fd

    def _recheck(self) -> None:
        """Open the file anew where somebody removed or replaced it."""
        with self._lock:
            self._check_at = monotonic() + _CHECK_SECONDS
            if self._fd < 0 or os.fstat(self._fd).st_nlink:
                return
            make_folder(self.path.parent)
            fd = self._open()
            # Under the old number, so that a thread that is about to write needs no lock.
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)
            if _LOCKS:
                fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


class _NotRegular(OSError):
    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, f"observability output '{path.name}' is not a regular file")


def make_folder(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, for its owner only."""
    missing: list[Path] = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)


def _make_room(path: Path) -> None:
    """Take the old file out of the way: gone when nobody writes to it, kept under another name when somebody does."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _NotRegular(path)
        if _in_use(fd):
            os.rename(path, _free_name(path))
        else:
            os.unlink(path)
    finally:
        os.close(fd)


def _in_use(fd: int) -> bool:
    if not _LOCKS:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _free_name(path: Path) -> Path:
    number = 1
    while True:
        candidate = path.with_name(f"{path.stem}.{number}{path.suffix}")
        if not candidate.exists():
            return candidate
        number += 1


def _last_byte(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _reason(error: OSError, path: Path) -> str:
    if isinstance(error, _NotRegular):
        return str(error.strerror)
    if error.errno == errno.ELOOP:
        return f"refusing symlinked observability file '{path.name}'"
    if error.errno == errno.ENOTDIR:
        return f"refusing unsafe observability directory component '{path.parent.name}': {error.strerror}"
    return f"{error.strerror} (os error {error.errno})"
