# SPDX-License-Identifier: Apache-2.0
"""Sums over rows: calls, tokens in disjoint classes, cost where it is known and how often it is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isnan

from .table import CACHED, MARK, Index


@dataclass(slots=True)
class Totals:
    """What rows add up to. Answers out of a cache of ours count as calls and cost nothing.

    ``fresh``, ``cached`` and ``written`` together are the input tokens; ``unpriced`` calls have no known cost,
    ``uncounted`` calls no usage.
    """

    llm: int = 0
    tools: int = 0
    tools_failed: int = 0
    fresh: int = 0
    cached: int = 0
    written: int = 0
    out: int = 0
    cost: float = 0.0
    priced: int = 0
    unpriced: int = 0
    uncounted: int = 0
    open: int = 0
    errors: int = 0

    @property
    def tokens_in(self) -> int:
        """All input tokens."""
        return self.fresh + self.cached + self.written

    def add(self, index: Index, row: int) -> None:
        """Count one row."""
        if index.flags[row] & MARK:
            return
        status, category = index.status(row), index.text(index.category[row])
        self.open += status == "open"
        self.errors += status == "error"
        if category == "tool":
            self.tools += 1
            self.tools_failed += status == "error"
        elif category == "llm":
            self._add_call(index, row)

    def _add_call(self, index: Index, row: int) -> None:
        self.llm += 1
        if index.flags[row] & CACHED:
            return
        given, read, put = index.tokens_in[row], index.cached[row], index.written[row]
        self.fresh += max(0, given - read - put)
        self.cached += read
        self.written += put
        self.out += index.tokens_out[row]
        if not given and not index.tokens_out[row]:
            self.uncounted += 1
        if isnan(index.cost[row]):
            self.unpriced += 1
        else:
            self.priced += 1
            self.cost += index.cost[row]


@dataclass(slots=True)
class Groups:
    """Totals by agent, model and tool. A model call is in one group of each kind; a tool has those below it."""

    agents: dict[str, Totals] = field(default_factory=dict)
    models: dict[str, Totals] = field(default_factory=dict)
    tools: dict[str, Totals] = field(default_factory=dict)


def total(index: Index, rows: Iterable[int]) -> Totals:
    """Add up rows."""
    sums = Totals()
    for row in rows:
        sums.add(index, row)
    return sums


def grouped(index: Index, rows: Iterable[int]) -> Groups:
    """Add up rows by agent, model and tool."""
    groups = Groups()
    for row in rows:
        category = index.text(index.category[row])
        if index.flags[row] & MARK or category not in ("llm", "tool"):
            continue
        groups.agents.setdefault(path_of(index, row), Totals()).add(index, row)
        if category == "llm":
            model = index.text(index.model[row]) or index.text(index.name[row])
            groups.models.setdefault(model, Totals()).add(index, row)
            for above in index.ancestors(row):
                if index.text(index.category[above]) == "tool":
                    groups.tools.setdefault(index.text(index.name[above]), Totals()).add(index, row)
                    break
        else:
            groups.tools.setdefault(index.text(index.name[row]), Totals()).add(index, row)
    return groups


def path_of(index: Index, row: int) -> str:
    """The agents above a row, the outermost first."""
    above = [index.text(index.name[r]) for r in index.ancestors(row) if index.text(index.category[r]) == "agent"]
    return " / ".join(reversed(above)) or "(no agent)"
