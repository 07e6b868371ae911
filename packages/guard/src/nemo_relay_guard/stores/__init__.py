# SPDX-License-Identifier: Apache-2.0
"""Where budgets are counted: in this process, in a file that processes share, in Redis.

A store counts amounts by key: what is spent, and what is reserved for calls that are under way. ``take`` and ``settle``
are one step each, whoever else counts at the same time.
"""

from __future__ import annotations

from typing import Protocol

from nemo_relay_guard.models import Backend
from nemo_relay_guard.stores.memory import MemoryStore

Amounts = dict[str, float]


class Store(Protocol):
    """Counts amounts by key. A key that nobody has touched for ``ttl`` seconds may be forgotten."""

    remote: bool

    def take(self, key: str, amounts: Amounts, limits: Amounts, ttl: float) -> tuple[str, float] | None:
        """Reserve ``amounts`` where all of them fit ``limits``; else which does not, and what is spent and reserved."""

    def fits(self, key: str, amounts: Amounts, limits: Amounts) -> tuple[str, float] | None:
        """The same without reserving."""

    def settle(self, key: str, reserved: Amounts, spent: Amounts, ttl: float) -> None:
        """Give back what was reserved, and count what was spent."""

    def close(self) -> None:
        """Let go of files and connections."""


def store_of(backend: Backend) -> Store:
    """The store that a table asks for.

    Raises:
        MissingExtra: redis is not installed (an ImportError).
    """
    if backend.kind == "sqlite":
        from nemo_relay_guard.stores.sqlite import SqliteStore

        return SqliteStore(backend.path or "")
    if backend.kind == "redis":
        from nemo_relay_guard.stores.redis import RedisStore

        return RedisStore(backend.url or "", backend.key_prefix)
    return MemoryStore()
