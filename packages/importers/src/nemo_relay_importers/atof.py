# SPDX-License-Identifier: Apache-2.0
"""Events as they are; lines that are none are left out and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .events import Event
from .report import ImportReport
from .sources import records


def read(path: Path, report: ImportReport) -> Iterator[Event]:
    """The events of a file."""
    for record in records(path, report):
        if record.get("kind") in ("scope", "mark"):
            report.mapped += 1
            yield record
        else:
            report.skip("no event")
