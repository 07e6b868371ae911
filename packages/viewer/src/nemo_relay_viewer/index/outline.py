# SPDX-License-Identifier: Apache-2.0
"""Which rows are seen, in which order and how deep: folding, framework steps, filters. Opening costs what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .table import MARK, QUIET, Index


class Outline:
    """The rows that are seen. ``entries`` holds ``(row, depth)``.

    Args:
        index: of the file.
        roots: the rows on top; all roots of the file when left out.
        everything: also what frameworks do for themselves.
    """

    def __init__(self, index: Index, roots: Iterable[int] | None = None, *, everything: bool = False) -> None:
        self.index = index
        self.roots = None if roots is None else list(roots)
        self.everything = everything
        self.closed: set[int] = set()
        self.kept: set[int] | None = None  # matches of the filter and what is above them
        self.matches: set[int] = set()
        self.entries: list[tuple[int, int]] = []
        self.hidden = 0
        self.refresh()

    def refresh(self) -> None:
        """Lay out all rows anew."""
        self.hidden = 0
        tops = self.index.roots if self.roots is None else self.roots
        self.entries = list(self._walk([(row, 0) for row in reversed(self._seen(tops))]))

    def children(self, row: int) -> list[int]:
        """The rows below that are seen; those below a hidden one take its place."""
        return self._seen(self.index.children.get(row, ()))

    def _seen(self, rows: Iterable[int]) -> list[int]:
        found: list[int] = []
        waiting = list(reversed(list(rows)))
        while waiting:
            row = waiting.pop()
            if self.index.flags[row] & QUIET and not self.everything:
                self.hidden += 1
                waiting.extend(reversed(self.index.children.get(row, ())))
            elif self.kept is None or row in self.kept:
                found.append(row)
        return found

    def _walk(self, waiting: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        while waiting:
            row, depth = waiting.pop()
            yield row, depth
            if row not in self.closed:
                waiting.extend((child, depth + 1) for child in reversed(self.children(row)))

    def is_open(self, row: int) -> bool:
        """Whether the rows below are shown."""
        return row not in self.closed

    def toggle(self, position: int) -> bool:
        """Open or close the row at a position; returns whether anything changed."""
        row, depth = self.entries[position]
        if not self.children(row):
            return False
        if row in self.closed:
            self.closed.discard(row)
            below = [(child, depth + 1) for child in reversed(self.children(row))]
            self.entries[position + 1 : position + 1] = self._walk(below)
        else:
            self.closed.add(row)
            self.entries[position + 1 : self._last(position)] = []
        return True

    def _last(self, position: int) -> int:
        depth = self.entries[position][1]
        last = position + 1
        while last < len(self.entries) and self.entries[last][1] > depth:
            last += 1
        return last

    def parent_position(self, position: int) -> int:
        """Where the row above stands; the same position for one on top."""
        depth = self.entries[position][1]
        while position > 0 and self.entries[position][1] >= depth and depth > 0:
            position -= 1
        return position

    def to_level(self, level: int | None) -> None:
        """Close what is deeper than a level (1: only the top rows are seen); None opens all."""
        self.closed.clear()
        self.refresh()
        if level is not None:
            self.closed.update(row for row, depth in self.entries if depth >= level - 1 and self.children(row))
            self.refresh()

    def keep(self, wanted: Callable[[int], bool] | None) -> int:
        """Show only the rows that a filter wants, with what is above them; returns how many it wants."""
        self.kept, self.matches = None, set()
        if wanted is not None:
            rows = range(len(self.index))
            self.matches = {row for row in rows if self._may_match(row) and wanted(row)}
            self.kept = set(self.matches)
            for row in self.matches:
                for above in self.index.ancestors(row):
                    if above in self.kept:
                        break
                    self.kept.add(above)
        self.refresh()
        return len(self.matches)

    def _may_match(self, row: int) -> bool:
        return self.everything or not self.index.flags[row] & QUIET

    def reveal(self, row: int) -> int | None:
        """Open what is above the row; returns its position, None when it is not among those seen."""
        above = set(self.index.ancestors(row))
        if above & self.closed:
            self.closed -= above
            self.refresh()
        return next((at for at, (seen, _) in enumerate(self.entries) if seen == row), None)

    def is_mark(self, row: int) -> bool:
        """Whether the row is a mark."""
        return bool(self.index.flags[row] & MARK)
