# SPDX-License-Identifier: Apache-2.0
"""Counting in this process."""

from __future__ import annotations

import threading
from time import monotonic

Amounts = dict[str, float]


class MemoryStore:
    """Counts in memory. Keys that nobody touches any more are forgotten."""

    remote = False

    def __init__(self) -> None:
        self._spent: dict[str, Amounts] = {}
        self._reserved: dict[str, Amounts] = {}
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str, amounts: Amounts, limits: Amounts, ttl: float) -> tuple[str, float] | None:
        """Reserve ``amounts`` where all of them fit ``limits``; else which does not, and what is spent and reserved."""
        with self._lock:
            missing = self._missing(key, amounts, limits)
            if missing is None:
                self._touch(key, ttl)
                _add(self._reserved.setdefault(key, {}), amounts, 1)
            return missing

    def fits(self, key: str, amounts: Amounts, limits: Amounts) -> tuple[str, float] | None:
        """The same without reserving."""
        with self._lock:
            return self._missing(key, amounts, limits)

    def settle(self, key: str, reserved: Amounts, spent: Amounts, ttl: float) -> None:
        """Give back what was reserved, and count what was spent."""
        with self._lock:
            self._touch(key, ttl)
            _add(self._reserved.setdefault(key, {}), reserved, -1)
            _add(self._spent.setdefault(key, {}), spent, 1)

    def close(self) -> None:
        """Nothing is open."""

    def _missing(self, key: str, amounts: Amounts, limits: Amounts) -> tuple[str, float] | None:
        spent, reserved = self._spent.get(key, {}), self._reserved.get(key, {})
        for kind, limit in limits.items():
            counted = spent.get(kind, 0.0) + reserved.get(kind, 0.0)
            if kind in amounts and counted + amounts[kind] > limit + 1e-9:
                return kind, counted
        return None

    def _touch(self, key: str, ttl: float) -> None:
        now = monotonic()
        if key not in self._until and len(self._until) >= 1_024:
            for old in [one for one, until in self._until.items() if until < now]:
                self._until.pop(old), self._spent.pop(old, None), self._reserved.pop(old, None)
        self._until[key] = now + ttl


def _add(into: Amounts, amounts: Amounts, sign: int) -> None:
    for kind, amount in amounts.items():
        into[kind] = max(into.get(kind, 0.0) + sign * amount, 0.0)
