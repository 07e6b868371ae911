# SPDX-License-Identifier: Apache-2.0
"""An open descriptor as an object: whoever uses it holds it, and it is closed when nobody does."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from nemo_relay_records.files.notices import notices
from nemo_relay_records.files.places import in_use

_SHORT_WAITS = 50  # milliseconds that a line of another process may take to be whole


class Held:
    """An open descriptor. It is closed when nobody refers to it any more."""

    __slots__ = ("_close", "_watches", "fd", "identity")

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self._close = os.close  # still there when the interpreter takes its modules apart
        state = os.fstat(fd)
        self.identity = (state.st_dev, state.st_ino)
        self.watch(path)

    def watch(self, path: Path) -> int:
        """Have the kernel tell what happens to the file and its folders.

        Returns:
            The news so far; a number that never comes where the kernel tells nothing: every line then looks.
        """
        self._watches = notices.watch(self.fd, path)
        return self.seen()

    def seen(self) -> int:
        """What ``notices.count`` is when nothing has happened; never what it is where the kernel tells nothing."""
        return notices.count if self._watches else -1

    def size(self) -> int:
        """How long the file is now."""
        return os.fstat(self.fd).st_size

    def read(self, count: int, offset: int) -> bytes:
        """Up to ``count`` bytes from ``offset`` on."""
        return os.pread(self.fd, count, offset)

    def __del__(self) -> None:
        with suppress(Exception):
            notices.forget(self._watches)
        self._close(self.fd)


def ends_within_line(held: Held) -> bool:
    """Whether the last byte of the file is no newline."""
    size = held.size()
    return bool(size) and held.read(1, size - 1) not in (b"\n", b"")


def ends_torn(held: Held) -> bool:
    """Whether the file ends within a line. One that another process is just writing gets a moment to be whole."""
    for _ in range(_SHORT_WAITS):
        if not ends_within_line(held):
            return False
        if not in_use(held.fd):
            return True
        threading.Event().wait(0.001)
    return True
