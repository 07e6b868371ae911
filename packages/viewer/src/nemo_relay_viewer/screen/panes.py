# SPDX-License-Identifier: Apache-2.0
"""What stands on the screen of a run: a summary, the tree, the details. It follows a growing file."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from .. import wording
from ..glyphs import Glyphs
from ..index import Index, update
from ..index.outline import Outline
from ..index.totals import Totals, total
from ..index.verdict import Verdict, verdict
from .blocks import Block, laid_out
from .detail import details
from .entry import Entry
from .lines import Lines
from .rowtext import RowText, extent, money, short

if TYPE_CHECKING:
    from .app import Viewer

_SPLIT = 120  # columns from which tree and details stand side by side
_POLL = 0.2  # seconds
_HINTS = "/ search  f filter  e error  c talk  $ cost  d new  . all  L runs  ? help"


class Panes(Screen[None]):
    """The tree of a run beside its details. Without a root it shows all of the file, as far as it is read."""

    def __init__(self, index: Index, root: int | None, glyphs: Glyphs, *, plain: bool) -> None:
        super().__init__()
        self.index, self.root, self.glyphs, self.plain = index, root, glyphs, plain
        self.outline = Outline(index, None if root is None else [root])
        self.tab = "talk"
        self.blocks: list[Block] = []
        self.laid: list[tuple[Text, int]] = []
        self.hits: list[int] = []
        self.filter_text, self.asking, self.pending = "", "", ""
        self.kept_filter = ""
        self.share = 55  # per cent of the tree
        self.following = False
        self.sums = Totals()
        self.why: Verdict | None = None
        self.slow_at = -1
        self._next_poll = 0.0  # a large file is looked at less often

    # Layout.

    def compose(self) -> ComposeResult:
        """Two lines of summary, the panes, an entry, a note, the foot."""
        yield Static(id="head", markup=False)
        yield Static(id="why", markup=False)
        with Horizontal(id="panes"):
            yield Lines(id="tree", plain=self.plain)
            yield Lines(id="detail", plain=self.plain)
        yield Entry(id="entry")
        yield Static(id="note", markup=False)
        yield Static(_HINTS, id="foot", markup=False)

    def on_mount(self) -> None:
        """Show what is there, and look for more."""
        self.query_one("#entry").display = False
        self.note("")
        self.set_focus(self.tree_lines)
        self._arrange()
        if self.viewer.loading_done:
            self.read()
        self._timer = self.set_interval(_POLL, self._poll)

    def on_screen_suspend(self) -> None:
        """Another screen lies above: a timer would have both drawn again and again."""
        self._timer.pause()

    def on_screen_resume(self) -> None:
        """Look for new events again."""
        self._timer.resume()

    @property
    def viewer(self) -> Viewer:
        """The program."""
        return self.app  # type: ignore[return-value]

    @property
    def tree_lines(self) -> Lines:
        """The left pane."""
        return self.query_one("#tree", Lines)

    @property
    def detail_lines(self) -> Lines:
        """The right pane, or the one above the tree."""
        return self.query_one("#detail", Lines)

    @property
    def wide(self) -> bool:
        """Whether both panes are seen."""
        return self.app.size.width >= _SPLIT

    @property
    def in_detail(self) -> bool:
        """Whether keys go to the details."""
        return self.focused is self.detail_lines

    def _arrange(self) -> None:
        tree, detail = self.tree_lines, self.detail_lines
        tree.display = self.wide or not self.in_detail
        detail.display = self.wide or self.in_detail
        tree.styles.width = f"{self.share}fr" if self.wide else "1fr"
        detail.styles.width = f"{100 - self.share}fr" if self.wide else "1fr"
        detail.styles.border_left = ("vkey", "ansi_bright_black") if self.wide else None

    def on_resize(self, event: events.Resize) -> None:
        """Another size of the terminal."""
        self._arrange()
        self.call_after_refresh(self._lay_detail)

    # Showing.

    def reading(self, done: int) -> None:
        """The file is being read: show what there is so far."""
        size = max(1, os.stat(self.index.path).st_size)
        self.query_one("#head", Static).update(f"{self._file()}  reading, {done * 100 // size} %")
        if len(self.outline.entries) < self.tree_lines.page() * 2:
            self.outline.refresh()
            self.show_tree()

    def read(self) -> None:
        """All that there is has been read."""
        self.outline.refresh()
        self.summarise()
        self.show_tree()
        self.show_detail()

    def summarise(self) -> None:
        """Sums and verdict for the two lines on top."""
        root = self._root()
        if root is None:
            self.query_one("#head", Static).update(f"{self._file()}  no events yet")
            return
        index = self.index
        self.sums = total(index, index.below(root))
        self.why = verdict(index, root)
        self.query_one("#head", Static).update(self._headline(root))
        text = self.why.text if self.why else ("" if not self.sums.open else f"{self.sums.open} spans are open")
        if index.unreadable_count:
            places = ", ".join(map(str, index.unreadable))
            text += f"  ({wording.counted(index.unreadable_count, 'line')} unreadable: {places})"
        self.query_one("#why", Static).update(
            Text(f"why  {wording.one_line(text)}" if text.strip() else "", no_wrap=True)
        )

    def _headline(self, root: int) -> Text:
        index, sums = self.index, self.sums
        number = f"  run {index.roots.index(root) + 1}/{len(index.roots)}" if len(index.roots) > 1 else ""
        state = self.glyphs.statuses[index.status(root)]
        tokens = f" {short(sums.tokens_in)}{self.glyphs.arrow}{short(sums.out)} tok" if sums.llm else ""
        hits = f" {sums.cached * 100 // sums.tokens_in}% cached" if sums.cached else ""
        unknown = f" + {sums.unpriced} without price" if sums.unpriced else ""
        cost = f" {money(sums.cost)}{unknown}" if sums.priced else ""
        failed = f", {sums.tools_failed} failed" if sums.tools_failed else ""
        parts = [
            f"{state} {wording.duration(index.duration(root)) or index.status(root)}",
            f"{sums.llm} llm{tokens}{hits}{cost}",
            f"{sums.tools} tools{failed}",
        ]
        if self.outline.kept is not None:
            parts.append(f"{len(self.outline.matches):,} of {len(index):,} rows")
        if self.following:
            parts.append("following")
        name = wording.one_line(index.text(index.name[root]))
        return Text(f"{name}{number}  " + " | ".join(parts), no_wrap=True, overflow="ellipsis", style="bold")

    def _file(self) -> str:
        return wording.one_line(self.index.path.name)

    def _root(self) -> int | None:
        if self.root is not None:
            return self.root
        return self.index.roots[0] if self.index.roots else None

    def show_tree(self, position: int | None = None) -> None:
        """Draw the tree anew; the cursor stays where it is."""
        root = self._root()
        span = extent(self.index, root) if root is not None else (0, 0)
        text = RowText(self.outline, self.glyphs, span)
        lines = self.tree_lines
        lines.show(len(self.outline.entries), text.line, lines.cursor if position is None else position, stay=True)

    @property
    def row(self) -> int | None:
        """The row under the cursor."""
        entries = self.outline.entries
        return entries[self.tree_lines.cursor][0] if self.tree_lines.cursor < len(entries) else None

    def show_detail(self) -> None:
        """Draw the details of the row under the cursor."""
        row = self.row
        self.blocks = [] if row is None else details(self.index, row, self.tab)
        self._lay_detail(top=True)

    def _lay_detail(self, *, top: bool = False) -> None:
        lines = self.detail_lines
        self.laid = laid_out(self.blocks, (lines.size.width or self.app.size.width) - 1)
        lines.show(
            len(self.laid), lambda number, width: self.laid[number][0].copy(), 0 if top else lines.cursor, stay=not top
        )

    def note(self, text: str) -> None:
        """Say something above the foot."""
        line = self.query_one("#note", Static)
        line.display = bool(text)
        line.update(Text(text, no_wrap=True, style="bold"))

    def on_lines_moved(self, event: Lines.Moved) -> None:
        """Another row: other details."""
        if event.lines is self.tree_lines:
            self.following = False if self.tree_lines.cursor < self.tree_lines.count - 1 else self.following
            if self.wide:
                self.show_detail()

    def on_lines_chosen(self, event: Lines.Chosen) -> None:
        """A double click."""
        if event.lines is self.tree_lines:
            self.into_detail()

    # Following.

    def _poll(self) -> None:
        began = time.monotonic()
        if self.viewer.loading_done and began >= self._next_poll:
            with suppress(OSError):
                self._take_new()
            self._next_poll = time.monotonic() + 5 * (time.monotonic() - began)

    def _take_new(self) -> None:
        if os.stat(self.index.path).st_size == self.index.read_to:
            return
        came = update(self.index)
        if came < 0:
            self._read_anew()
        elif came:
            below = self.outline.entries[-1][0] if self.outline.entries else None
            self.outline.refresh()
            self.summarise()
            self.show_tree(len(self.outline.entries) - 1 if self.following else None)
            if self.following or self.row == below:
                self.show_detail()
            else:
                self.note(f"{came} new events")

    def _read_anew(self) -> None:
        fresh = Index(self.index.path)
        update(fresh)
        self.index = self.viewer.index = fresh
        self.root = None
        self.outline = Outline(fresh, everything=self.outline.everything)
        self.read()
        self.note("the file was replaced or cut: read anew")

    def into_detail(self) -> None:
        """Go into the details."""
        self.show_detail()
        self.detail_lines.display = True
        self.set_focus(self.detail_lines)
        self.call_after_refresh(self._arrange)
        self.call_after_refresh(self._lay_detail)
