# SPDX-License-Identifier: Apache-2.0
"""Threads that start with the first thing they have to do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Worker:
    """One daemon thread, started once by whoever needs it first.

    A signal handler or finaliser may interrupt a thread at starting it, and need it as well. So who starts it is
    settled in one step that nothing divides, and nobody waits for a start that is his own.
    """

    __slots__ = ("_args", "_failed", "_lock", "_name", "_permit", "_run", "thread")

    def __init__(self, run: Callable[..., None], name: str, failed: Callable[[RuntimeError], None], *args: Any) -> None:
        self.thread: threading.Thread | None = None
        self._run = run
        self._args = args
        self._name = name
        self._failed = failed
        self._permit = [None]  # who takes it starts the thread
        self._lock = threading.RLock()

    def start(self) -> None:
        """Start the thread, unless somebody has; where there is none to be had, the next call tries again."""
        with self._lock:
            try:
                self._permit.pop()
            except IndexError:
                return
            self.thread = thread = threading.Thread(target=self._run, args=self._args, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # no more threads, or the interpreter is going
                self.thread = None
                self._permit.append(None)
                self._failed(error)

    @property
    def is_unused(self) -> bool:
        """Whether there was nothing to do yet."""
        return bool(self._permit)

    def has_begun(self) -> bool:
        """Whether the thread runs, so that one can wait for it; a start on another thread is waited for."""
        if self._is_up():
            return True
        with self._lock:
            return self._is_up()

    def _is_up(self) -> bool:
        return self.thread is not None and self.thread.ident is not None
