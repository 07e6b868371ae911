# SPDX-License-Identifier: Apache-2.0
"""The list of runs in a file."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input, Static

from .. import wording
from ..glyphs import QUIET, STATUS_STYLES, Glyphs
from ..index import Index
from ..index.filters import search
from ..index.totals import Totals, total
from ..talk import asked
from . import keys
from .entry import Entry
from .help import Help
from .lines import Lines
from .rowtext import money

_ORDERS = ("newest", "longest", "dearest")
_TITLE = 120  # characters


class Runs(Screen[int]):
    """One line a run; returns the row of the one that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings(keys.MOVING, keys.RUNS)

    def __init__(self, index: Index, glyphs: Glyphs, *, plain: bool) -> None:
        super().__init__()
        self.index, self.glyphs, self.plain = index, glyphs, plain
        self.order, self.found = 0, list(reversed(index.roots))
        self._sums: dict[int, Totals] = {}

    def compose(self) -> ComposeResult:
        """Head, lines, entry, foot."""
        yield Static(id="head", markup=False)
        yield Lines(id="runs", plain=self.plain)
        yield Entry(id="entry", placeholder="text in a run")
        yield Static("enter open  / find  o order  ? help  q out", id="foot", markup=False)

    def on_mount(self) -> None:
        """Show what there is."""
        self.query_one("#entry").display = False
        self.set_focus(self.lines)
        self.refresh_runs()

    @property
    def lines(self) -> Lines:
        """The list."""
        return self.query_one("#runs", Lines)

    def refresh_runs(self) -> None:
        """Lay out the lines anew."""
        name = wording.one_line(self.index.path.name)
        self.query_one("#head", Static).update(
            Text(f"{name}  {len(self.index.roots):,} runs  {_ORDERS[self.order]} first")
        )
        self.lines.show(len(self.found), self._line, self.lines.cursor, stay=True)

    def sums(self, root: int) -> Totals:
        """The totals of a run, added up once."""
        if root not in self._sums:
            self._sums[root] = total(self.index, self.index.below(root))
        return self._sums[root]

    def _line(self, number: int, width: int) -> Text:
        index, root = self.index, self.found[number]
        sums = self.sums(root)
        status = index.status(root)
        sign = self.glyphs.statuses[status] + (self.glyphs.statuses["error"] if status == "ok" and sums.errors else "")
        begin = index.time(root)
        when = datetime.fromtimestamp(begin / 1e9).strftime("%d %b %H:%M:%S") if begin >= 0 else "?"
        failed = f" {sums.tools_failed}{self.glyphs.statuses['error']}" if sums.tools_failed else ""
        cost = money(sums.cost) if sums.priced else ""
        right = (
            f" {wording.duration(index.duration(root)):>9} {cost:>8} {sums.llm:>4} llm {sums.tools:>4} tools{failed} "
        )
        line = Text(f"{when}  ", style=QUIET, end="").append(
            wording.one_line(index.text(index.name[root])), style="bold magenta"
        )
        line.append(f"  {title(index, root)}")
        line.truncate(max(10, width - len(right) - 4), overflow="ellipsis", pad=True)
        return line.append(right, style=QUIET).append(sign, style=STATUS_STYLES[status])

    # Actions.

    def action_move(self, by: int) -> None:
        """Up or down."""
        self.lines.move_to(self.lines.cursor + by)

    def action_page(self, by: float) -> None:
        """By pages."""
        self.lines.move_to(self.lines.cursor + round(by * self.lines.page()))

    def action_edge(self, end: int) -> None:
        """To the first or the last."""
        self.lines.move_to(self.lines.count if end else 0)

    def action_open(self) -> None:
        """Open the run under the cursor."""
        if self.found:
            self.dismiss(self.found[self.lines.cursor])

    def on_lines_chosen(self) -> None:
        """A double click."""
        self.action_open()

    def action_out(self) -> None:
        """Leave the program."""
        self.app.exit()

    def action_order(self) -> None:
        """The next order."""
        self.order = (self.order + 1) % len(_ORDERS)
        measures = (self.index.time, lambda row: self.index.duration(row) or 0, lambda row: self.sums(row).cost)
        self.found.sort(key=measures[self.order], reverse=True)
        self.refresh_runs()

    def action_search(self) -> None:
        """Ask for a text."""
        entry = self.query_one("#entry", Input)
        entry.display = True
        self.set_focus(entry)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Only runs in which the text is."""
        rows = search(self.index, event.value) if event.value else range(0)
        roots = {([row, *self.index.ancestors(row)])[-1] for row in rows}
        self.found = [root for root in reversed(self.index.roots) if not event.value or root in roots]
        event.input.display = False
        self.set_focus(self.lines)
        self.refresh_runs()

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help((*keys.MOVING, *keys.RUNS), plain=self.plain))


def title(index: Index, root: int) -> str:
    """What was asked for: the first text of the user."""
    for message in asked(index.start_event(root)):
        if message.role == "user" and message.text:
            return wording.one_line(message.text[:_TITLE])
    return ""
