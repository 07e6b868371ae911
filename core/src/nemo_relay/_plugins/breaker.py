# SPDX-License-Identifier: Apache-2.0
"""The circuit breaker of an observer: one that fails again and again is left alone for a while, and tried anew."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

FAILURES = 10  # in a row
PAUSE_SECONDS = 30.0
MAX_PAUSE_SECONDS = 600.0


class Breaker:
    """``callback``, called as long as it does its work. ``told`` hears of each event that it is not given."""

    __slots__ = ("__wrapped__", "_failures", "_pause", "_report", "_resume_at")

    def __init__(self, callback: Callable[[Any], Any], report: Callable[[str], None]) -> None:
        self.__wrapped__ = callback
        self._report = report
        self._failures = 0
        self._pause = PAUSE_SECONDS
        self._resume_at = 0.0  # 0: it works

    def __call__(self, event: Any) -> Any:
        if self._resume_at and monotonic() < self._resume_at:
            self._report("suspended after failing again and again; events pass it by")
            return None
        try:
            answer = self.__wrapped__(event)
        except BaseException:
            self._failed()
            raise
        if answer is not None and hasattr(type(answer), "__await__"):
            return self._awaited(answer)
        self._worked()
        return None

    async def _awaited(self, answer: Any) -> None:
        try:
            await answer
        except BaseException:
            self._failed()
            raise
        self._worked()

    def _worked(self) -> None:
        if self._failures:
            self._failures, self._resume_at, self._pause = 0, 0.0, PAUSE_SECONDS

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            if self._resume_at:  # the trial after a pause
                self._pause = min(2 * self._pause, MAX_PAUSE_SECONDS)
            self._resume_at = monotonic() + self._pause
