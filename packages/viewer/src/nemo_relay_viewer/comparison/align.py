# SPDX-License-Identifier: Apache-2.0
"""Two runs beside each other: equal steps first, then steps of one name, then what is left on either side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher, unified_diff
from typing import Any

from ..index import Index
from ..index.totals import Totals, total
from .steps import StepNode, steps_of


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``what`` is ``added``, ``removed``, ``changed`` or ``reordered``.

    ``place`` is the names of the steps above and its own; ``fields`` has for each changed one what it was and is.
    """

    what: str
    kind: str
    name: str
    place: str
    before: str | None = None
    after: str | None = None
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        fields = {name: {"before": was, "after": now} for name, (was, now) in self.fields.items()}
        own = {"what": self.what, "kind": self.kind, "name": self.name, "place": self.place}
        return {**own, "before_uuid": self.before, "after_uuid": self.after, "fields": fields}


@dataclass(slots=True)
class RunDiff:
    """What is different between two runs; ``equal`` steps are the same."""

    changes: list[Change] = field(default_factory=list)
    equal: int = 0
    totals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def _of(self, what: str) -> list[Change]:
        return [change for change in self.changes if change.what == what]

    @property
    def added(self) -> list[Change]:
        """Steps that only the second run has."""
        return self._of("added")

    @property
    def removed(self) -> list[Change]:
        """Steps that only the first run has."""
        return self._of("removed")

    @property
    def changed(self) -> list[Change]:
        """Steps that are different."""
        return self._of("changed")

    @property
    def reordered(self) -> list[Change]:
        """Steps at another place."""
        return self._of("reordered")

    @property
    def same(self) -> bool:
        """Whether there is no difference but in times, tokens and cost."""
        return not self.changes

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        totals = {name: {"before": was, "after": now} for name, (was, now) in self.totals.items()}
        return {
            "same": self.same,
            "equal": self.equal,
            "changes": [change.to_json() for change in self.changes],
            "totals": totals,
        }


def diff(before: Index, after: Index, *, roots: tuple[int, int] | None = None) -> RunDiff:
    """Compare two runs.

    Uuids, times, ids of calls and answers, the order of keys and of parallel calls, and framework steps are none.

    Args:
        before: the index of the first file.
        after: that of the second.
        roots: the runs in them; the last of each file when left out.

    Returns:
        The differences, in the order of the second run where it has the step.

    Raises:
        ValueError: a file has no run.
    """
    if roots is None:
        for index in (before, after):
            if not index.roots:
                raise ValueError(f"there is no run in {str(index.path)!r}")
        roots = (before.roots[-1], after.roots[-1])
    made = RunDiff()
    made.totals = _totals(before, roots[0], after, roots[1])
    _pair(made, steps_of(before, roots[0]), steps_of(after, roots[1]), "")
    made.changes = _reordered(made.changes)
    return made


def _pair(made: RunDiff, first: StepNode, second: StepNode, above: str) -> None:
    waiting = [(first, second, above)]
    while waiting:
        one, other, place = waiting.pop()
        _compare(made, one, other, place)
        below = f"{place} / {other.name}" if place else other.name
        pairs = _aligned(one.children, other.children)
        later = []
        for was, now in pairs:
            if was is not None and now is not None:
                later.append((was, now, below))
            else:
                _single(made, was, now, below)
        waiting += reversed(later)


def _compare(made: RunDiff, one: StepNode, other: StepNode, place: str) -> None:
    names = [name for name in {**one.facts, **other.facts} if one.facts.get(name, "") != other.facts.get(name, "")]
    fields = {name: (one.facts.get(name, ""), other.facts.get(name, "")) for name in names}
    if one.name != other.name:
        fields["name"] = (one.name, other.name)
    if fields:
        uuids = (one.index.uuids[one.row], other.index.uuids[other.row])
        made.changes.append(Change("changed", other.kind, other.name, place, *uuids, fields))
    else:
        made.equal += 1


def _single(made: RunDiff, was: StepNode | None, now: StepNode | None, place: str) -> None:
    step = now or was
    assert step is not None
    for node in step.walk():
        uuid = node.index.uuids[node.row]
        fields = {"arguments": ("", node.facts.get("arguments", ""))} if node.kind == "tool" else {}
        what = ("added", None, uuid) if now is not None else ("removed", uuid, None)
        made.changes.append(Change(what[0], node.kind, node.name, place, what[1], what[2], fields))


Pairs = list[tuple[StepNode | None, StepNode | None]]


def _aligned(first: list[StepNode], second: list[StepNode]) -> Pairs:
    matcher = SequenceMatcher(None, [node.key for node in first], [node.key for node in second], autojunk=False)
    made: Pairs = []
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            made += zip(first[a:b], second[c:d], strict=True)
        else:
            made += _by_name(first[a:b], second[c:d])
    return made


def _by_name(first: list[StepNode], second: list[StepNode]) -> Pairs:
    matcher = SequenceMatcher(None, [node.loose for node in first], [node.loose for node in second], autojunk=False)
    made: Pairs = []
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            made += zip(first[a:b], second[c:d], strict=True)
        else:
            made += [(node, None) for node in first[a:b]]
            made += [(None, node) for node in second[c:d]]
    return made


def _reordered(changes: list[Change]) -> list[Change]:
    """A step that went at one place and came at another moved."""
    gone = {_moved(change): change for change in changes if change.what == "removed"}
    made, moved = [], set()
    for change in changes:
        other = gone.get(_moved(change)) if change.what == "added" else None
        if other is not None and id(other) not in moved:
            moved.add(id(other))
            made.append(Change("reordered", change.kind, change.name, change.place, other.before, change.after))
        else:
            made.append(change)
    return [change for change in made if id(change) not in moved]


def _moved(change: Change) -> tuple[str, str, str]:
    return (change.kind, change.name, change.fields.get("arguments", ("", ""))[1])


def _totals(before: Index, first: int, after: Index, second: int) -> dict[str, tuple[float, float]]:
    one, other = total(before, before.below(first)), total(after, after.below(second))
    times = [(index.duration(root) or 0) / 1e9 for index, root in ((before, first), (after, second))]
    found: dict[str, tuple[float, float]] = {
        "llm": (one.llm, other.llm),
        "tools": (one.tools, other.tools),
        "errors": (one.errors, other.errors),
        "tokens in": (one.tokens_in, other.tokens_in),
        "tokens out": (one.out, other.out),
    }
    if _priced(one) and _priced(other):
        found["cost"] = (one.cost, other.cost)
    return {**found, "seconds": (times[0], times[1])}


def _priced(sums: Totals) -> bool:
    return bool(sums.priced)


def text_diff(was: str, now: str) -> Iterable[str]:
    """A difference of texts, by lines; whole where both are one line."""
    if "\n" not in was and "\n" not in now:
        return [f"- {was}", f"+ {now}"]
    lines = unified_diff(was.splitlines(), now.splitlines(), lineterm="", n=1)
    return [line for line in lines if not line.startswith(("---", "+++"))]
