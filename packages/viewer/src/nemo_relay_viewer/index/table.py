# SPDX-License-Identifier: Apache-2.0
"""The index itself: one row a span or mark, columns in arrays, some 200 bytes a row."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from nemo_relay_projections import facts
from nemo_relay_projections.nodes import status_of
from nemo_relay_projections.unfolding import Payloads

from ..loading import emitted
from ..plumbing import is_plumbing_kind, is_plumbing_mark_name
from . import heads

MARK = 1  # the row is a mark
QUIET = 2  # what a framework does for itself
CACHED = 4  # answered from a cache: its tokens cost nothing
_FIRST_TOKEN = "llm.first_token"
_NONE = -1
_OPEN = 1  # the number of the word "open"
_BLOCK_UNSET = [_NONE] * 1024
_BLOCK_ZERO = [0] * 1024
_BLOCK_UNKNOWN = [float("nan")] * 1024


class Index:
    """Every span and mark of a file, by row number in the order of arrival.

    Columns are arrays: ``start`` and ``end`` in nanoseconds since 1970 (-1: not known), ``parent`` a row or -1,
    ``name``, ``category``, ``outcome`` and ``model`` numbers for ``text``, ``tokens_in``, ``tokens_out``, ``cached``
    and ``written`` tokens, ``cost`` in US dollars (NaN: not known), ``first_token`` nanoseconds after the start (-1:
    not known).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_to = 0  # bytes
        self.events = 0
        self.unreadable: list[int] = []
        self.unreadable_count = 0
        self.torn = False
        self.lines = 0
        self.rows: dict[str, int] = {}
        self.children: dict[int, list[int]] = {}
        self.words: list[str] = ["", "open"]
        self.last_ns = 0
        self._numbers: dict[str, int] = {"": 0, "open": _OPEN}
        self._orphans: dict[str, list[int]] = {}
        self.start, self.end, self.first_token = array("q"), array("q"), array("q")
        self.parent = array("l")
        self.name, self.category, self.outcome, self.model, self.kind = (array("l") for _ in range(5))
        self.tokens_in, self.tokens_out, self.cached, self.written = (array("l") for _ in range(4))
        self.cost = array("d")
        self.flags = array("B")
        self.start_at, self.end_at = array("q"), array("q")
        self.start_length, self.end_length = array("l"), array("l")
        self._unset = (self.start, self.end, self.first_token, self.parent)
        self._zero = (
            *(self.name, self.category, self.outcome, self.model, self.kind),
            *(self.tokens_in, self.tokens_out, self.cached, self.written),
            *(self.flags, self.start_at, self.end_at, self.start_length, self.end_length),
        )
        self.roots: list[int] = []
        self.uuids: list[str] = []
        self.payload = lru_cache(maxsize=64)(self._payload)
        self.payloads = Payloads(self)
        # What becomes of a line before anybody sees its payload.
        self.decode_filter: Callable[[bytes], bytes] | None = None

    def __len__(self) -> int:
        return len(self.uuids)

    def text(self, number: int) -> str:
        """The word behind a number of ``name``, ``category``, ``outcome``, ``model`` or ``kind``."""
        return self.words[number]

    def status(self, row: int) -> str:
        """``ok``, ``error``, ``cancelled`` or ``open``; ``ok`` for a mark."""
        return "ok" if self.flags[row] & MARK else status_of(self.words[self.outcome[row]])

    def duration(self, row: int) -> int | None:
        """Nanoseconds from start to end; None while one of them is missing."""
        return None if self.start[row] < 0 or self.end[row] < 0 else self.end[row] - self.start[row]

    def time(self, row: int) -> int:
        """Its start, or its end where the start is missing; -1 where both are."""
        return self.end[row] if self.start[row] < 0 else self.start[row]

    def below(self, row: int) -> Iterator[int]:
        """The row and all below it, parents first."""
        waiting = [row]
        while waiting:
            current = waiting.pop()
            yield current
            waiting.extend(reversed(self.children.get(current, ())))

    def ancestors(self, row: int) -> Iterator[int]:
        """The rows above, the nearest first."""
        row = self.parent[row]
        while row >= 0:
            yield row
            row = self.parent[row]

    def start_event(self, row: int) -> dict[str, Any]:
        """The whole start event, or that of a mark; empty where it is missing."""
        return self.payload(self.start_at[row], self.start_length[row])

    def end_event(self, row: int) -> dict[str, Any]:
        """The whole end event; empty where it is missing."""
        return self.payload(self.end_at[row], self.end_length[row])

    def line(self, at: int, length: int) -> bytes:
        """Bytes of the file.

        Args:
            at: where they begin.
            length: how many.

        Returns:
            The bytes.
        """
        with open(self.path, "rb") as file:
            return os.pread(file.fileno(), length, at)

    def _payload(self, at: int, length: int) -> dict[str, Any]:
        if not length:
            return {}
        line = emitted(self.line(at, length), self.path)
        return heads.decoded(line if self.decode_filter is None else self.decode_filter(line))

    # Taking events, in the order of the file.

    def take(self, line: bytes, at: int) -> None:
        """Add the event of one line.

        Args:
            line: its bytes.
            at: where in the file it begins.
        """
        self.lines += 1
        head = heads.read(line)
        if head is None:
            if line.strip():
                self.unreadable_count += 1
                if len(self.unreadable) < 5:
                    self.unreadable.append(self.lines)
            return
        self.events += 1
        time = heads.nanoseconds(head.timestamp)
        if time is not None and time > self.last_ns:
            self.last_ns = time
        if head.kind == "mark":
            self._mark(head, line, at, time)
        elif head.scope_category == "end":
            self._ended(head, line, at, time)
        else:
            self._started(head, line, at, time)

    def _mark(self, head: heads.Head, line: bytes, at: int, time: int | None) -> None:
        row = self._row(head)
        self.flags[row] |= MARK
        self.start[row] = self.end[row] = _NONE if time is None else time
        self.start_at[row], self.start_length[row] = at, len(line)
        self.outcome[row] = self._number("ok")
        name = self.words[self.name[row]]
        if is_plumbing_mark_name(name) or name == _FIRST_TOKEN:
            self.flags[row] |= QUIET
        owner = self.parent[row]
        if name == _FIRST_TOKEN and owner >= 0 and (waited := _milliseconds(line)) is not None:
            self.first_token[owner] = round(waited * 1_000_000)

    def _started(self, head: heads.Head, line: bytes, at: int, time: int | None) -> None:
        row = self._row_of(head)
        if self.start_length[row]:
            return  # of two starts the first counts
        self.start[row] = _NONE if time is None else time
        self.start_at[row], self.start_length[row] = at, len(line)
        self._describe(row, head)

    def _ended(self, head: heads.Head, line: bytes, at: int, time: int | None) -> None:
        row = self._row_of(head)
        if self.end_length[row]:
            return
        self.end[row] = _NONE if time is None else time
        self.end_at[row], self.end_length[row] = at, len(line)
        self.outcome[row] = self._number(heads.outcome(head, line))
        self._describe(row, head)
        if head.category == "llm":
            self._count(row, head, line)

    def _count(self, row: int, head: heads.Head, line: bytes) -> None:
        usage = heads.usage(head, line)
        counted = facts.counted(usage)
        self.tokens_in[row], self.tokens_out[row] = counted.input, counted.output
        self.cached[row], self.written[row] = counted.cached, counted.written
        cost = facts.dollars(usage)
        if cost is not None:
            self.cost[row] = cost
        if ended_from_cache(head, self.words[self.outcome[row]]):
            self.flags[row] |= CACHED

    def _describe(self, row: int, head: heads.Head) -> None:
        if head.metadata is not None and isinstance(head.metadata.kind, str):
            self.kind[row] = self._number(head.metadata.kind)
        profile = head.category_profile
        if profile is not None:
            answer = profile.annotated_response
            model = (answer.model if answer is not None else None) or profile.model_name
            if isinstance(model, str):
                self.model[row] = self._number(model)
        quiet = is_plumbing_kind(
            self.words[self.category[row]], self.status(row), self.words[self.kind[row]], self.words[self.name[row]]
        )
        self.flags[row] = self.flags[row] | QUIET if quiet else self.flags[row] & ~QUIET

    def _row_of(self, head: heads.Head) -> int:
        row = self.rows.get(head.uuid)
        if row is None or self.flags[row] & MARK:
            row = self.rows[head.uuid] = self._row(head)
            for orphan in self._orphans.pop(head.uuid, ()):
                self._adopt(orphan, row)
        return row

    def _adopt(self, orphan: int, row: int) -> None:
        if orphan == row or orphan in self.ancestors(row):
            return  # a circle: the orphan stays a root
        self.roots.remove(orphan)
        self.parent[orphan] = row
        self.children.setdefault(row, []).append(orphan)

    def _row(self, head: heads.Head) -> int:
        row = len(self.uuids)
        if row == len(self.start):
            self._grow()
        self.uuids.append(head.uuid)
        self.name[row] = self._number(head.name if isinstance(head.name, str) else str(head.name))
        if isinstance(head.category, str):
            self.category[row] = self._number(head.category)
        self.outcome[row] = _OPEN
        self._place(row, head.parent_uuid)
        return row

    def _grow(self) -> None:
        """Columns grow many rows at a time."""
        for column in self._unset:
            column.extend(_BLOCK_UNSET)
        for zero in self._zero:
            zero.extend(_BLOCK_ZERO)
        self.cost.extend(_BLOCK_UNKNOWN)

    def _place(self, row: int, parent_uuid: Any) -> None:
        parent = self.rows.get(parent_uuid) if isinstance(parent_uuid, str) else None
        if parent is None:
            self.roots.append(row)
            if isinstance(parent_uuid, str):
                self._orphans.setdefault(parent_uuid, []).append(row)
        else:
            self.parent[row] = parent
            self.children.setdefault(parent, []).append(row)

    def _number(self, word: str) -> int:
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self.words)
            self.words.append(word)
        return number


def ended_from_cache(head: heads.Head, outcome: str) -> bool:
    """Whether the answer came from a cache of ours, and cost nothing."""
    return outcome == "cached" or bool(head.metadata is not None and head.metadata.cache_hit)


def _milliseconds(line: bytes) -> float | None:
    found = facts.mapping(heads.decoded(line).get("data")).get("ttft_ms")
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
