# SPDX-License-Identifier: Apache-2.0
"""What is counted: calls, errors, tokens, cost and durations by model, tool, agent and day."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from math import ceil, isnan, log
from pathlib import Path
from typing import Any

from ..index import Index, open_index
from ..index.table import CACHED, MARK
from ..index.totals import path_of
from ..source import files, plain

_DAY = 86_400 * 1_000_000_000
_STEP = log(1.02)  # a percentile is right within 2 per cent
KINDS = ("model", "tool", "agent", "day")


@dataclass(slots=True)
class Figures:
    """The figures of one group. ``durations`` counts by buckets of logarithms, so that groups add up."""

    calls: int = 0
    errors: int = 0
    open: int = 0
    tokens_in: int = 0
    cached: int = 0
    written: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    unpriced: int = 0
    durations: Counter[int] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Add another group's."""
        for name in ("calls", "errors", "open", "tokens_in", "cached", "written", "tokens_out", "cost", "unpriced"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.durations.update(other.durations)

    def percentile(self, part: float) -> float | None:
        """A duration in seconds that so much of the calls (0 to 1) did not exceed; None without durations."""
        total = sum(self.durations.values())
        wanted, seen = ceil(part * total), 0
        for bucket in sorted(self.durations):
            seen += self.durations[bucket]
            if seen >= wanted:
                return round(float(2.718281828459045 ** (bucket * _STEP)) / 1e9, 6)
        return None

    def to_json(self) -> dict[str, Any]:
        """The figures with percentiles in seconds in place of the buckets."""
        plain_figures = asdict(self)
        del plain_figures["durations"]
        return {**plain_figures, **{f"p{p}": self.percentile(p / 100) for p in (50, 95, 99)}}


@dataclass(slots=True)
class Statistics:
    """Figures by kind and name. Several add up with ``add``, whatever machine they come from."""

    files: int = 0
    bytes: int = 0
    events: int = 0
    unreadable: int = 0
    runs: int = 0
    groups: dict[str, dict[str, Figures]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, other: Statistics) -> None:
        """Add another one's."""
        for name in ("files", "bytes", "events", "unreadable", "runs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, groups in other.groups.items():
            for name, figures in groups.items():
                self.groups[kind].setdefault(name, Figures()).add(figures)
        self.failed.update(other.failed)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        groups = {kind: {name: one.to_json() for name, one in found.items()} for kind, found in self.groups.items()}
        counted = {name: getattr(self, name) for name in ("files", "bytes", "events", "unreadable", "runs", "failed")}
        return {**counted, "groups": groups}


def measure(path: str | os.PathLike[str]) -> Statistics:
    """The statistics of one file. A plain function of a path: a Ray or Dask worker runs it as it is.

    Args:
        path: an ATOF file, also compressed.

    Returns:
        Its statistics; a file that cannot be read is in ``failed``.
    """
    found = Statistics(files=1)
    try:
        with plain(Path(path)) as file:
            index = open_index(file)
            found.bytes = index.read_to
            _take(found, index)
    except (OSError, ValueError) as error:
        found.failed[os.fspath(path)] = str(error)
    return found


def of_folder(folder: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None) -> Statistics:
    """The statistics of all files below a folder, one file in memory at a time.

    Args:
        folder: of ATOF files; a file is a folder of one.
        progress: called after each file with how many are done, and of how many.

    Returns:
        The sum.

    Raises:
        FileNotFoundError: there is no file of events.
    """
    given = Path(folder)
    found = files(given) if given.is_dir() else [given]
    if not found or not given.exists():
        raise FileNotFoundError(2, "no recorded events in", os.fspath(folder))
    total = Statistics()
    for number, path in enumerate(found, 1):
        total.add(measure(path))
        if progress is not None:
            progress(number, len(found))
    return total


def _take(found: Statistics, index: Index) -> None:
    found.events, found.unreadable = index.events, index.unreadable_count
    for row in range(len(index)):
        if index.flags[row] & MARK:
            continue
        category = index.text(index.category[row])
        if index.parent[row] < 0:
            found.runs += 1
        if category == "llm":
            _add(_group(found, "model", index.text(index.model[row]) or index.text(index.name[row])), index, row)
            _add(_group(found, "agent", path_of(index, row)), index, row)
            _add(_group(found, "day", _day(index.time(row))), index, row)
        elif category == "tool":
            _add(_group(found, "tool", index.text(index.name[row])), index, row)


def _group(found: Statistics, kind: str, name: str) -> Figures:
    return found.groups[kind].setdefault(name, Figures())


def _add(figures: Figures, index: Index, row: int) -> None:
    """Count one span."""
    status = index.status(row)
    figures.calls += 1
    figures.errors += status == "error"
    figures.open += status == "open"
    if not index.flags[row] & CACHED and index.text(index.category[row]) == "llm":
        figures.tokens_in += index.tokens_in[row]
        figures.tokens_out += index.tokens_out[row]
        figures.cached += index.cached[row]
        figures.written += index.written[row]
        unknown = isnan(index.cost[row])
        figures.unpriced += unknown
        figures.cost += 0.0 if unknown else index.cost[row]
    duration = index.duration(row)
    if duration is not None and duration > 0:
        figures.durations[ceil(log(duration) / _STEP)] += 1


def _day(time: int) -> str:
    return _date(time // _DAY) if time >= 0 else "?"


@lru_cache(maxsize=4096)
def _date(days: int) -> str:
    return (date(1970, 1, 1) + timedelta(days)).isoformat()
