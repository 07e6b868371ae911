# SPDX-License-Identifier: Apache-2.0
"""What became of the records of a source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class ImportReport:
    """What was read, and what was not understood.

    Attributes:
        format: of the source.
        read: its records.
        mapped: those that became events or part of one.
        skipped: the others, counted by the reason.
    """

    format: str = ""
    read: int = 0
    mapped: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def skip(self, reason: str) -> None:
        """Count a record that became nothing."""
        self.skipped[reason] += 1
