# SPDX-License-Identifier: Apache-2.0
"""What became of everything that was offered, and what went wrong on the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

_MOST_CODES = 32
_LONGEST = 1024


@dataclass(slots=True)
class Counters:
    """Of one destination, since it was set up.

    Attributes:
        offered: events handed in.
        written: records (spans, log records, metrics) that the destination took.
        dropped: events for which there was no room, and records that the destination refused.
        retried: attempts after the first.
        spooled: events that went to the disk first.
        recovered: events of processes that had died, taken over from the disk.
        lost: events of the spool that were overwritten by newer ones for lack of room; part of ``dropped``.
    """

    offered: int = 0
    written: int = 0
    dropped: int = 0
    retried: int = 0
    spooled: int = 0
    recovered: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One kind of trouble."""

    code: str
    message: str
    count: int


class Diagnostics:
    """Trouble, counted by its code, told in the log at the first time and at powers of two.

    >>> diagnostics = Diagnostics("otel", "OpenTelemetry")
    >>> diagnostics.report("spans_dropped", "the queue was full")
    >>> diagnostics.entries
    [Diagnostic(code='otel.spans_dropped', message='the queue was full', count=1)]

    Args:
        name: stands before every code, and names the logger.
        title: the same in words, for messages.
    """

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self._log = logging.getLogger(f"nemo_relay.{name}")
        self._lock = threading.Lock()
        self._messages: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}
        self.listener: Callable[[str, str], None] | None = None

    def report(self, code: str, message: str, count: int = 1) -> None:
        """Take note. Never raises.

        Args:
            code: what kind of trouble; ``name`` stands before it, unless it has a name already.
            message: what happened, without secrets.
            count: how many events it concerns.
        """
        code = code if "." in code else f"{self.name}.{code}"
        message = message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
        with self._lock:
            if code not in self._counts and len(self._counts) >= _MOST_CODES:
                return
            before = self._counts.get(code, 0)
            after = self._counts[code] = before + count
            self._remember(code, message)
        if before.bit_length() != after.bit_length():
            self._log.warning("%s (%d): %s", code, after, message)
        listener = self.listener
        if listener is not None:
            listener(code, message)

    def renew(self) -> None:
        """Make a lock of its own for a forked child: the old one may be held by a thread that is not there."""
        self._lock = threading.Lock()

    def _remember(self, code: str, message: str) -> None:
        known = self._messages.setdefault(code, [])
        if message not in known and sum(map(len, known)) + len(known) + len(message) <= _LONGEST:
            known.append(message)
            known.sort()

    @property
    def entries(self) -> list[Diagnostic]:
        """All of it, by code."""
        with self._lock:
            return [
                Diagnostic(code, "\n".join(self._messages[code]), self._counts[code]) for code in sorted(self._counts)
            ]

    def get(self, code: str) -> Diagnostic | None:
        """The one with that code."""
        return next((entry for entry in self.entries if entry.code == code), None)
