# SPDX-License-Identifier: Apache-2.0
"""Watching the configuration files: a change that has settled becomes the active configuration."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable

from nemo_relay._runtime.log import faults

Signature = tuple[tuple[str, int, int, int], ...]


class Watcher:
    """A daemon thread that looks at ``paths()`` every ``seconds`` and calls ``changed`` once they have settled.

    A file that is being written is left alone until two looks in a row find the same: half a file may be a valid one.
    """

    def __init__(self, paths: Callable[[], Iterable[str]], changed: Callable[[], None], seconds: float) -> None:
        self._paths = paths
        self._changed = changed
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nemo-relay-watch", daemon=True)

    def start(self) -> None:
        """Begin; the files as they are now are the ones that are active."""
        self._active = self._look()
        self._thread.start()

    def stop(self) -> None:
        """End; a change under way is finished first."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def _run(self) -> None:
        before = self._active
        while not self._ended.wait(self._seconds):
            now = self._look()
            if now == before and now != self._active:
                self._active = now
                try:
                    self._changed()
                except Exception as error:  # told by whoever failed; the thread goes on
                    faults.report("plugin_watch_failed", error)
            before = now

    def _look(self) -> Signature:
        return tuple(map(_signature, sorted(set(self._paths()))))


def _signature(path: str) -> tuple[str, int, int, int]:
    try:
        state = os.stat(path)
    except OSError:
        return path, 0, 0, 0
    return path, state.st_mtime_ns, state.st_size, state.st_ino
