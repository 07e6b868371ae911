# SPDX-License-Identifier: Apache-2.0
"""The rows of a page in columns, from top to bottom, and what each row opens to."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Any

from .. import wording
from ..index import Index
from ..index.table import MARK, QUIET
from ..index.totals import Totals, grouped, total
from ..index.verdict import failure_text, verdict
from ..talk import Message, Step, asked, said, steps
from ..talk.newness import agent_of, calls_of
from .store import Store, encoded

_US = 1000
_DETAIL = 160  # characters of an error


class Columns:
    """The columns of all rows, as JSON."""

    def __init__(self, index: Index, roots: list[int]) -> None:
        self.index = index
        self.order = [row for root in roots for row in index.below(root)]
        self.place = {row: position for position, row in enumerate(self.order)}

    def to_json(self, mask: Any) -> dict[str, Any]:
        """Columns; times in microseconds after the first, -1 for what is not known."""
        index, order = self.index, self.order
        begin = min((index.time(row) for row in order if index.time(row) >= 0), default=0)
        depths = self._depths()
        return {
            "begin": begin // _US,
            "end": (max(index.last_ns, begin) - begin) // _US,
            "words": mask(index.words),
            "uuid": [index.uuids[row] for row in order],
            "parent": [self.place.get(index.parent[row], -1) for row in order],
            "depth": depths,
            "name": [index.name[row] for row in order],
            "kind": [index.category[row] for row in order],
            "outcome": [index.outcome[row] for row in order],
            "status": [index.status(row)[0] for row in order],
            "model": [index.model[row] for row in order],
            "start": [(index.time(row) - begin) // _US if index.time(row) >= 0 else -1 for row in order],
            "length": [(index.duration(row) or 0) // _US if index.duration(row) is not None else -1 for row in order],
            "first": [index.first_token[row] // _US if index.first_token[row] >= 0 else -1 for row in order],
            "in": [index.tokens_in[row] for row in order],
            "out": [index.tokens_out[row] for row in order],
            "cached": [index.cached[row] for row in order],
            "cost": [None if isnan(index.cost[row]) else index.cost[row] for row in order],
            "flags": [index.flags[row] & (MARK | QUIET) for row in order],
            "detail": [self._detail(row) for row in order],
            "error": {
                self.place[row]: failure_text(index, row)[:_DETAIL] for row in order if index.status(row) == "error"
            },
            "sequence": self._sequence(),
        }

    def _depths(self) -> list[int]:
        known: dict[int, int] = {}
        for row in self.order:
            known[row] = known.get(self.index.parent[row], -1) + 1
        return [known[row] for row in self.order]

    def _detail(self, row: int) -> str:
        if self.index.text(self.index.category[row]) == "tool":
            return wording.arguments(self.index.start_event(row).get("data"), "…")
        return wording.facts(self.index.start_event(row).get("data"), "…") if self.index.flags[row] & MARK else ""

    def _sequence(self) -> list[int]:
        """Events in the order of the file: twice the position, one more for an end."""
        index = self.index
        places = [(index.start_at[row], 2 * at) for at, row in enumerate(self.order) if index.start_length[row]]
        places += [(index.end_at[row], 2 * at + 1) for at, row in enumerate(self.order) if index.end_length[row]]
        return [number for _, number in sorted(places)]


def bodies(columns: Columns, store: Store, *, content: bool) -> Iterator[str]:
    """What each row opens to, one line a row, in the order of the rows."""
    talks = _talks(columns, store) if content else {}
    index = columns.index
    for row in columns.order:
        if not content:
            yield "{}"
            continue
        body: dict[str, Any] = {"s": store.shared(index.start_event(row)), "e": store.shared(index.end_event(row))}
        output = index.payloads.of_end(row)
        if output is not index.end_event(row).get("data"):
            body["o"] = store.shared(output)
        if row in talks:
            body["t"] = talks.pop(row)
        yield encoded({key: value for key, value in body.items() if value})


def _talks(columns: Columns, store: Store) -> dict[int, dict[str, Any]]:
    index = columns.index
    calls = [row for row in columns.order if index.text(index.category[row]) == "llm"]
    found: dict[int, dict[str, Any]] = {}
    for agent in dict.fromkeys(agent_of(index, row) for row in calls):
        for step in steps(index, calls_of(index, agent)):
            found[step.request.row] = _talk(columns, store, step)
    for row in columns.order:
        if index.text(index.category[row]) == "agent":
            messages = asked({"data": index.payloads.of(row)})
            if messages:
                found[row] = {"m": [_kept(store, message) for message in messages]}
    return found


def _talk(columns: Columns, store: Store, step: Step) -> dict[str, Any]:
    request = step.request
    answer = said(columns.index.end_event(request.row))
    talk = {
        "m": [_kept(store, message) for message in request.messages],
        "k": step.kept,
        "w": step.rewritten,
        "r": request.reconstructed,
        "b": columns.place.get(step.before.row, -1) if step.before else -1,
        "a": [_kept(store, message) for message in answer],
        "tools": [name for name, _ in request.tools],
        "ta": step.tools_added if step.before else [],
        "tr": step.tools_removed if step.before else [],
    }
    return {key: value for key, value in talk.items() if value or key == "b"}


def _kept(store: Store, message: Message) -> int:
    parts = [[part.kind, part.text, part.name, part.id, int(part.failed)] for part in message.parts]
    return store.keep(encoded([message.role, parts]))


def summary(index: Index, roots: list[int], mask: Any) -> dict[str, Any]:
    """What stands above the rows: sums, groups, verdict."""
    rows = [row for root in roots for row in index.below(root)]
    groups = grouped(index, rows)
    judged = verdict(index, roots[0]) if len(roots) == 1 else None
    tables = {"agent": groups.agents, "model": groups.models, "tool": groups.tools}
    return {
        "sums": _sums(total(index, rows)),
        "groups": mask({kind: {name: _sums(sums) for name, sums in group.items()} for kind, group in tables.items()}),
        "verdict": mask([judged.row, judged.text]) if judged else None,
    }


def _sums(sums: Totals) -> dict[str, Any]:
    return {
        "llm": sums.llm,
        "tools": sums.tools,
        "failed": sums.tools_failed,
        "fresh": sums.fresh,
        "cached": sums.cached,
        "written": sums.written,
        "out": sums.out,
        "cost": sums.cost if sums.priced else None,
        "unpriced": sums.unpriced,
        "uncounted": sums.uncounted,
        "open": sums.open,
    }
