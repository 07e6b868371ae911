# SPDX-License-Identifier: Apache-2.0
"""One row of the tree as a line: sign, name, arguments, bar, duration, cost, outcome."""

from __future__ import annotations

from math import isnan

from rich.cells import cell_len
from rich.text import Text

from .. import wording
from ..glyphs import CATEGORY_STYLES, PROBLEM, QUIET, STATUS_STYLES, Glyphs
from ..index import Index
from ..index.outline import Outline
from ..index.table import MARK
from ..index.verdict import failure_text

NO_PRICE = "\N{EN DASH}"  # a cost that is not known is never 0
_INDENT = 12  # levels that are drawn
_BAR_FROM, _COST_FROM, _TIME_FROM = 64, 84, 40  # columns


class RowText:
    """Draws rows.

    Args:
        outline: the rows.
        glyphs: the signs.
        span: begin and end of the time line in nanoseconds.
    """

    def __init__(self, outline: Outline, glyphs: Glyphs, span: tuple[int, int]) -> None:
        self.outline, self.index, self.glyphs, self.span = outline, outline.index, glyphs, span

    def line(self, position: int, width: int) -> Text:
        """The line of the entry at a position."""
        row, depth = self.outline.entries[position]
        right = self._right(row, width)
        bar_width = min(36, width // 4) if width >= _BAR_FROM else 0
        room = max(1, width - cell_len(right.plain) - (bar_width + 2 if bar_width else 0) - 1)
        line = self._label(row, depth)
        if self.outline.kept is not None and row not in self.outline.matches:
            line.stylize("dim")
        line.truncate(room, overflow="ellipsis", pad=True)
        if bar_width:
            line.append("  ").append_text(self._bar(row, bar_width))
        return line.append(" ").append_text(right)

    def _label(self, row: int, depth: int) -> Text:
        index, glyphs = self.index, self.glyphs
        text = Text("  " * min(depth, _INDENT), style=QUIET, end="")
        if depth > _INDENT:
            text.append(f"{glyphs.ellipsis}{depth} ")
        name = wording.one_line(index.text(index.name[row])) or "?"
        if index.flags[row] & MARK:
            data = index.start_event(row).get("data")
            return text.append(f"  {glyphs.mark} {name}{wording.facts(data, glyphs.ellipsis)}", style=QUIET)
        text.append(f"{self._fold(row)} ", style=QUIET)
        category = index.text(index.category[row])
        style = CATEGORY_STYLES.get(category, "default")
        text.append(f"{glyphs.category(category)} ", style=style).append(name, style=style)
        text.append(wording.one_line(self._detail(row, category)), style=QUIET)
        if error := wording.one_line(failure_text(index, row)):
            text.append(f"  {error}", style=PROBLEM)
        return text

    def _fold(self, row: int) -> str:
        if not self.outline.children(row):
            return " "
        return self.glyphs.opened if self.outline.is_open(row) else self.glyphs.closed

    def _detail(self, row: int, category: str) -> str:
        index = self.index
        if category == "tool":
            return wording.arguments(index.start_event(row).get("data"), self.glyphs.ellipsis)
        model = index.text(index.model[row])
        return (
            f"{self.glyphs.dot}{model}" if category == "llm" and model != index.text(index.name[row]) and model else ""
        )

    def _right(self, row: int, width: int) -> Text:
        index = self.index
        text = Text(end="")
        if index.flags[row] & MARK:
            return text
        if width >= _COST_FROM:
            tokens = f"{short(index.tokens_in[row])}{self.glyphs.arrow}{short(index.tokens_out[row])}"
            known = index.tokens_in[row] or index.tokens_out[row]
            text.append(f"{tokens if known else '':>11} ", style=QUIET)
            text.append(f"{money(index.cost[row]):>8} ", style=QUIET)
        if width >= _TIME_FROM:
            text.append(f"{wording.duration(index.duration(row)):>9} ")
        status = index.status(row)
        outcome = index.text(index.outcome[row])
        word = self.glyphs.statuses[status] + ("" if status == "ok" else f" {outcome}" if width >= 100 else "")
        return text.append(word, style=STATUS_STYLES[status])

    def _bar(self, row: int, width: int) -> Text:
        index, (begin, end) = self.index, self.span
        at = index.time(row)
        if at < 0 or end <= begin or index.flags[row] & MARK:
            return Text(" " * width, end="")
        stop = index.end[row] if index.end[row] >= 0 else end
        first = _column(at, begin, end, width - 1)
        last = max(first + 1, _column(stop, begin, end, width))
        spoken = first
        if index.first_token[row] >= 0:
            spoken = min(last - 1, max(first, _column(at + index.first_token[row], begin, end, width)))
        status = index.status(row)
        style = STATUS_STYLES[status] if status in ("error", "open") else ""
        style = style or CATEGORY_STYLES.get(index.text(index.category[row]), QUIET)
        bar = Text(" " * first, end="")
        bar.append(self.glyphs.waiting * (spoken - first), style=style)
        bar.append(self.glyphs.bar * (last - spoken), style=style)
        return bar.append(" " * (width - last))


def _column(time: int, begin: int, end: int, most: int) -> int:
    return min(most, max(0, round((time - begin) / (end - begin) * most)))


def short(number: int) -> str:
    """A count in few characters."""
    for size, sign in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{sign}"
    return str(number)


def money(dollars: float) -> str:
    """US dollars; empty where they are not known."""
    if isnan(dollars):
        return ""
    return f"${dollars:.2f}" if dollars >= 1 else f"${dollars:.4f}"


def extent(index: Index, row: int) -> tuple[int, int]:
    """When a run began and ended; one that goes on ends with the last event of the file."""
    begin = max(0, index.time(row))
    if index.end[row] >= 0:
        return begin, index.end[row]
    return begin, max([begin, index.last_ns])
