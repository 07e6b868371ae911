# SPDX-License-Identifier: Apache-2.0
"""Counting in a file that the processes of a machine share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import time

Amounts = dict[str, float]
_TABLE = """CREATE TABLE IF NOT EXISTS budgets (
    key TEXT NOT NULL, kind TEXT NOT NULL, spent REAL NOT NULL DEFAULT 0, reserved REAL NOT NULL DEFAULT 0,
    until REAL NOT NULL, PRIMARY KEY (key, kind)
) WITHOUT ROWID"""
_ADD = """INSERT INTO budgets (key, kind, spent, reserved, until)
VALUES (:key, :kind, MAX(:spent, 0), MAX(:reserved, 0), :until)
ON CONFLICT DO UPDATE SET spent = MAX(spent + :spent, 0), reserved = MAX(reserved + :reserved, 0), until = :until"""


class SqliteStore:
    """Counts in a SQLite file, which only its owner reads. Each step is a transaction of its own.

    Args:
        path: the file; it is made where there is none.
    """

    remote = True

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(_TABLE)
        self._connection.execute("DELETE FROM budgets WHERE until < ?", (time(),))

    def take(self, key: str, amounts: Amounts, limits: Amounts, ttl: float) -> tuple[str, float] | None:
        """Reserve ``amounts`` where all of them fit ``limits``; else which does not, and what is spent and reserved."""
        with self._transaction():
            missing = self._missing(key, amounts, limits)
            if missing is None:
                self._add(key, {}, amounts, ttl)
            return missing

    def fits(self, key: str, amounts: Amounts, limits: Amounts) -> tuple[str, float] | None:
        """The same without reserving."""
        with self._transaction():
            return self._missing(key, amounts, limits)

    def settle(self, key: str, reserved: Amounts, spent: Amounts, ttl: float) -> None:
        """Give back what was reserved, and count what was spent."""
        with self._transaction():
            self._add(key, spent, {kind: -amount for kind, amount in reserved.items()}, ttl)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _missing(self, key: str, amounts: Amounts, limits: Amounts) -> tuple[str, float] | None:
        rows = self._connection.execute(
            "SELECT kind, spent + reserved FROM budgets WHERE key = ? AND until >= ?", (key, time())
        )
        counted: Amounts = dict(rows.fetchall())
        for kind, limit in limits.items():
            if kind in amounts and counted.get(kind, 0.0) + amounts[kind] > limit + 1e-9:
                return kind, counted.get(kind, 0.0)
        return None

    def _add(self, key: str, spent: Amounts, reserved: Amounts, ttl: float) -> None:
        now = time()
        until = now + ttl
        self._connection.execute("DELETE FROM budgets WHERE key = ? AND until < ?", (key, now))
        row = {"key": key, "until": until}
        self._connection.executemany(
            _ADD,
            [
                {**row, "kind": kind, "spent": spent.get(kind, 0.0), "reserved": reserved.get(kind, 0.0)}
                for kind in {*spent, *reserved}
            ],
        )
