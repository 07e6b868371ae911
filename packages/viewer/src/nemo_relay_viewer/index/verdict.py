# SPDX-License-Identifier: Apache-2.0
"""Why a run went wrong, by rule: the failure that reached the end, the last one that nothing made good, a loop."""

from __future__ import annotations

from typing import Any, NamedTuple

from nemo_relay_projections import facts

from .table import MARK, Index

_LOOP = 3  # equal calls in a row
_TRIES = 20  # later successes of the same name that are compared


class Verdict(NamedTuple):
    """What to look at: the row, and a sentence. ``recovered`` is None where it is no failure."""

    row: int
    text: str
    recovered: bool | None


def verdict(index: Index, root: int) -> Verdict | None:
    """Say what went wrong in a run; None where nothing did, or where the rules do not know."""
    rows = list(index.below(root))
    failed = {row for row in rows if index.status(row) == "error" and not index.flags[row] & MARK}
    leaves = sorted(row for row in failed if failed.isdisjoint(index.children.get(row, ())))[-200:]
    if not leaves:
        return _stopped(index, rows) or _loop(index, rows)
    if index.status(root) == "error":
        return _failure(index, leaves[-1], recovered=False)
    good = _successes(index, rows, {index.name[row] for row in leaves})
    for row in reversed(leaves):
        if not _made_good(index, good[index.name[row]], row):
            return _failure(index, row, recovered=False)
    return _failure(index, leaves[-1], recovered=True)


def failure_text(index: Index, row: int) -> str:
    """The error of a row in its own words; empty where it has none."""
    return (facts.error_text(index.end_event(row)) or "") if index.status(row) == "error" else ""


def _failure(index: Index, row: int, *, recovered: bool) -> Verdict:
    name, error = index.text(index.name[row]), failure_text(index, row)
    made = "recovered" if recovered else "not recovered"
    return Verdict(row, f"{name} failed: {error or index.text(index.outcome[row])}, {made}", recovered)


def _successes(index: Index, rows: list[int], names: set[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {name: [] for name in names}
    for row in rows:
        if index.name[row] in names and index.status(row) == "ok" and not index.flags[row] & MARK:
            found[index.name[row]].append(row)
    return found


def _made_good(index: Index, successes: list[int], row: int) -> bool:
    """Whether the same was done again later, with success."""
    later = [other for other in successes if other > row][:_TRIES]
    return bool(later) and any(_call(index, other) == _call(index, row) for other in later)


def _call(index: Index, row: int) -> Any:
    return index.start_event(row).get("data") if index.text(index.category[row]) == "tool" else None


def _stopped(index: Index, rows: list[int]) -> Verdict | None:
    for row in rows:
        outcome = index.text(index.outcome[row])
        if outcome == "rejected":
            return Verdict(row, f"{index.text(index.name[row])} was refused", None)
    return None


def _loop(index: Index, rows: list[int]) -> Verdict | None:
    tools = [row for row in rows if index.text(index.category[row]) == "tool"]
    if len(tools) > 2000:
        return None
    run, before = 1, None
    for row in tools:
        now = (index.name[row], index.parent[row], _call(index, row))
        run = run + 1 if now == before else 1
        before = now
        if run == _LOOP:
            return Verdict(
                row, f"{index.text(index.name[row])} was called {_LOOP} times in a row with the same arguments", None
            )
    return None
