# SPDX-License-Identifier: Apache-2.0
"""Reading a chain of lines again, to find the first line that does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nemo_relay_records.files.chain import digest, is_torn, link_of, longer
from nemo_relay_records.files.lines import written_lines
from nemo_relay_records.files.places import Place


@dataclass(frozen=True, slots=True)
class Misfit:
    """A line that does not fit.

    Attributes:
        path: the file it stands in.
        line: its number there, from 1; 0 when it is what is missing at the end.
        reason: what is wrong with it.
    """

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, {f'line {self.line}' if self.line else 'end'}: {self.reason}"


@dataclass(slots=True)
class ChainReport:
    """What ``verify_chain`` found.

    Attributes:
        lines: how many lines were read, in all files.
        linked: how many of them name the line before.
        unlinked: how many stand in front of the first of those: written without ``hash_chain``, and protected only by
            the last of them being named.
        torn: lines that a crash tore; what follows fits them.
        continues: the digest of a line that is in none of the files, which the first one goes on from: older files
            were removed. None when the chain is there from its beginning.
        head: the digest of the last line. Kept elsewhere, it shows later whether lines at the end were taken out.
        misfit: the first line that does not fit; None when all do.
    """

    lines: int = 0
    linked: int = 0
    unlinked: int = 0
    torn: int = 0
    continues: str | None = None
    head: str | None = None
    misfit: Misfit | None = None
    _end: bytes | None = field(default=None, repr=False)

    @property
    def intact(self) -> bool:
        """Whether there is a chain, and every line fits."""
        return self.misfit is None and self.linked > 0


def verify(places: Sequence[Place], head: str | None = None) -> ChainReport:
    """Follow the chain through ``places``, the oldest file first; ``head`` is a digest that must be among the lines.

    Raises:
        OSError: a file cannot be read.
    """
    report = ChainReport()
    seen = head is None
    for place in places:
        for number, line in enumerate(written_lines(place), 1):
            reason = _take(report, line, number == 1)
            if reason is not None:
                report.misfit = Misfit(place.path, number, reason)
                return report
            seen = seen or report.head == head
    if not seen:
        report.misfit = Misfit(places[-1].path, 0, f"the line {head} is not there: lines were taken out or changed")
    return report


def _take(report: ChainReport, line: bytes, is_first: bool) -> str | None:
    """Count ``line``; what is wrong with it."""
    before, begun = report.head, report.linked > 0
    has_link, prev = link_of(line)
    report.lines += 1
    report._end = longer(report._end, line)
    report.head = digest(report._end)
    if not has_link:
        return _without_link(report, line, begun)
    report.linked += 1
    if prev == before or (prev is None and is_first):  # a run that overwrites begins a chain of its own
        return None
    if before is None:
        report.continues = prev
        return None
    if prev is None:
        return "it says that a chain begins, in the middle of one"
    return f"it follows {prev}, and the line before it is {before}: it was changed, or lines between were taken out"


def _without_link(report: ChainReport, line: bytes, begun: bool) -> str | None:
    if is_torn(line):  # the next line names it as it is
        report.torn += 1
        return None
    if begun:
        return "it names no line before: it was added, or written without hash_chain"
    report.unlinked += 1
    return None
