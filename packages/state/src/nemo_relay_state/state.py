# SPDX-License-Identifier: Apache-2.0
"""What every state can do. Keys are texts; values are bytes, and whoever puts them knows what they mean."""

from __future__ import annotations

from typing import Protocol


class State(Protocol):
    """Values, counters and messages that processes share. All methods may raise ``StateUnavailable``."""

    async def get(self, key: str) -> bytes | None:
        """The value of ``key``; None where there is none any more."""

    async def put(self, key: str, value: bytes, *, seconds: float | None = None) -> None:
        """Set a value.

        Args:
            key: its name.
            value: the bytes.
            seconds: how long it stays; None for as long as the state itself.
        """

    async def claim(
        self, key: str, value: bytes, *, instead_of: bytes | None = None, seconds: float | None = None
    ) -> bytes:
        """Set a value unless somebody has set another one; only one of many that claim at once gets its own back.

        Args:
            key: its name.
            value: what to set.
            instead_of: a value that may be replaced.
            seconds: how long it stays.

        Returns:
            The value that stands: ``value`` where the claim was granted.
        """

    async def add(self, key: str, amount: float, *, seconds: float | None = None) -> float:
        """Add to a counter.

        Args:
            key: its name.
            amount: what to add; may be negative.
            seconds: how long the counter stays from the first addition on, such as the period of a budget.

        Returns:
            The sum.
        """

    async def remove(self, key: str) -> None:
        """Remove a value or a counter, if it is there."""

    async def send(self, box: str, message: bytes, *, seconds: float) -> None:
        """Put a message into a box.

        Args:
            box: its name.
            message: the bytes.
            seconds: how long the box waits to be emptied.
        """

    async def receive(self, box: str, *, seconds: float) -> bytes | None:
        """The oldest message of a box. One receiver gets each.

        Args:
            box: its name.
            seconds: how long to wait for one.

        Returns:
            None where none came.
        """

    async def close(self) -> None:
        """Let go of the connection. What is shared stays."""
