# SPDX-License-Identifier: Apache-2.0
"""Learning that a file of ours was renamed, removed or replaced, for less than it costs to ask for its state.

One inotify descriptor serves the process. An epoll descriptor knows whether it has anything to say: asking that takes
an eighth of a ``stat``. Where there is none, writers are told so and look for themselves.
"""

from __future__ import annotations

import os
import select
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_ATTRIB, _MOVE_SELF, _DELETE_SELF = 0x4, 0x800, 0x400  # a removed name shows as a changed link count


def _none(_timeout: int, _most: int) -> tuple[()]:
    return ()


class Notices:
    """What the kernel has to tell about watched files.

    ``news(0, 1)`` is true when there is something to ``take``; ``count`` grows with every piece of news.
    """

    def __init__(self) -> None:
        self.count = 0
        self.fd = -1
        self.news: Callable[[int, int], object] = _none
        self._poll: Any = None
        self._libc: Any = None
        self._watches: Counter[int] = Counter()  # two writers of one file share a watch
        self._tried = False

    def watch(self, fd: int, path: Path) -> list[int]:
        """Watch the file behind ``fd`` and the folders above ``path``; empty where that cannot be done."""
        if not self._tried:
            self._start()
        if self.fd < 0:
            return []
        # Those above first: what happens in between must not go unseen.
        targets = [(os.fsencode(folder), _MOVE_SELF | _DELETE_SELF) for folder in path.parents]
        targets.append((b"/proc/self/fd/%d" % fd, _MOVE_SELF | _DELETE_SELF | _ATTRIB))
        numbers: list[int] = [self._libc.inotify_add_watch(self.fd, target, mask) for target, mask in targets]
        self._watches.update(number for number in numbers if number >= 0)
        if min(numbers) < 0:
            self.forget(numbers)
            return []
        return numbers

    def forget(self, numbers: list[int]) -> None:
        """Stop watching."""
        for number in numbers:
            if number < 0 or number not in self._watches:
                continue
            self._watches[number] -= 1
            if self._watches[number] <= 0:
                del self._watches[number]
                self._libc.inotify_rm_watch(self.fd, number)

    def take(self) -> None:
        """Take the news."""
        self.count += 1  # before the news is gone: another thread must see one or the other
        with suppress(BlockingIOError):
            while self.fd >= 0 and os.read(self.fd, 4_096):
                pass

    def reset(self) -> None:
        """Start anew: a forked child must not take the news meant for its parent."""
        if self.fd >= 0:
            os.close(self.fd)
            self._poll.close()
        self.__init__()  # type: ignore[misc]

    def _start(self) -> None:
        self._tried = True
        if sys.platform != "linux":
            return
        try:
            import ctypes

            libc = ctypes.CDLL(None)
            fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (ImportError, OSError, AttributeError):
            return
        if fd >= 0:
            self._ask(fd, libc)

    def _ask(self, fd: int, libc: Any) -> None:
        try:
            poll = select.epoll()
            poll.register(fd, select.EPOLLIN)
        except OSError:  # no more descriptors
            os.close(fd)
            return
        self.fd, self._libc, self._poll, self.news = fd, libc, poll, poll.poll


notices = Notices()
