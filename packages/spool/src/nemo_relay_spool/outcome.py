# SPDX-License-Identifier: Apache-2.0
"""What became of an attempt to deliver a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Item(NamedTuple):
    """A record, encoded for its destination, and its size in bytes."""

    resource: Any  # what records of one request have in common
    content: Any
    size: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has it, but for ``rejected`` records that it will never take."""

    rejected: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """It may work later, after ``after`` seconds if the destination said so."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never work."""

    reason: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """It may work in smaller pieces."""

    reason: str


Outcome = Delivered | Retry | Refused | TooLarge


class Transport(Protocol):
    """A way to one destination. Used by one thread at a time."""

    target: str  # the destination as messages show it: without credentials

    def encode(self, record: Any) -> Item:
        """A record in the form in which it is sent."""
        ...

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once. Never raises."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
