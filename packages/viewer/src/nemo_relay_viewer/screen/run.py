# SPDX-License-Identifier: Apache-2.0
"""One run on the screen: what its keys do."""

from __future__ import annotations

import json
import tempfile
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.widgets import Input

from ..index.filters import FilterError, parse, search
from ..index.table import MARK
from ..index.verdict import failure_text
from ..talk.newness import agent_of, calls_of
from . import keys
from .blocks import laid_out
from .detail import details
from .help import Help
from .lines import Lines
from .money import cost_blocks
from .panes import Panes


class Run(Panes):
    """A run with its keys."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings(keys.MOVING, keys.RUN)

    # Moving.

    @property
    def lines(self) -> Lines:
        """The pane with the focus."""
        return self.detail_lines if self.in_detail else self.tree_lines

    def on_key(self, event: events.Key) -> None:
        """`z` and the key after it, before anything else sees them."""
        if self.asking or not (self.pending or event.key == keys.LEVEL):
            return
        event.stop()
        self.pending, second = (keys.LEVEL, "") if not self.pending else ("", event.character or "")
        if second.isdigit() or (second and second in "RM"):
            row = self.row
            self.outline.to_level(None if second == "R" else 1 if second == "M" else int(second))
            self.show_tree(0 if row is None else self._nearest(row))

    def _nearest(self, row: int) -> int:
        seen = {shown: position for position, (shown, _) in enumerate(self.outline.entries)}
        return next((seen[above] for above in (row, *self.index.ancestors(row)) if above in seen), 0)

    def action_move(self, by: int) -> None:
        """Up or down."""
        self.lines.move_to(self.lines.cursor + by)

    def action_page(self, by: float) -> None:
        """By pages."""
        self.lines.move_to(self.lines.cursor + round(by * self.lines.page()))

    def action_edge(self, end: int) -> None:
        """To the first or the last line."""
        self.lines.move_to(self.lines.count if end else 0)

    def action_unfold(self) -> None:
        """Open the row, else go to its first child."""
        row = self.row
        if self.in_detail or (row is not None and not self.outline.is_open(row)):
            self.action_turn()
        else:
            self.action_move(1)

    def action_fold(self) -> None:
        """Close the row, else go to the one above."""
        row, at = self.row, self.tree_lines.cursor
        if self.in_detail:
            self.action_out()
        elif row is not None and self.outline.is_open(row) and self.outline.children(row):
            self.action_turn()
        else:
            self.tree_lines.move_to(self.outline.parent_position(at))

    def action_turn(self) -> None:
        """Open or close the row, or the block."""
        if not self.in_detail:
            if self.outline.entries and self.outline.toggle(self.tree_lines.cursor):
                self.show_tree()
        elif self.laid:
            number = self.laid[self.detail_lines.cursor][1]
            self.blocks[number].turn()
            self._lay_detail()
            self.detail_lines.move_to(next(at for at, (_, block) in enumerate(self.laid) if block == number))

    def action_into(self) -> None:
        """Into the details."""
        self.into_detail()

    def action_other_pane(self) -> None:
        """From one pane to the other."""
        self.action_out() if self.in_detail else self.action_into()

    def action_out(self) -> None:
        """Back to the tree, to the list of runs, out."""
        if self.in_detail:
            self.tree_lines.display = True
            self.set_focus(self.tree_lines)
            self.call_after_refresh(self._arrange)
        elif self.outline.kept is not None:
            self._apply_filter("")
        elif self.root is not None:
            self.action_runs()
        else:
            self.app.exit()

    def action_tab(self, name: str) -> None:
        """Another tab of the details."""
        self.tab = name
        self.show_detail()
        if not self.wide and not self.in_detail:
            self.action_into()

    def action_talk(self) -> None:
        """The conversation of the agent."""
        self.action_tab("conversation")

    def action_cost(self) -> None:
        """Tokens and cost."""
        if (root := self._root()) is not None:
            self.action_into()
            self.blocks = cost_blocks(self.index, root)
            self.call_after_refresh(self._lay_detail, top=True)

    def action_runs(self) -> None:
        """The list of runs."""
        self.app.pop_screen()
        self.viewer.choose()

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help((*keys.MOVING, *keys.RUN), plain=self.plain))

    def action_divide(self, by: int) -> None:
        """Move the divider."""
        self.share = max(20, min(80, self.share + by))
        self._arrange()

    def action_everything(self) -> None:
        """Framework steps shown or hidden."""
        row = self.row
        self.outline.everything = not self.outline.everything
        self.outline.refresh()
        self.show_tree(0 if row is None else self._nearest(row))
        shown = "shown" if self.outline.everything else f"hidden: {self.outline.hidden:,}"
        self.note(f"steps of the framework {shown}")

    def action_follow(self) -> None:
        """To the end, and stay there."""
        self.following = True
        self.tree_lines.move_to(self.tree_lines.count - 1)
        self.summarise()

    # Jumping.

    def go(self, row: int) -> None:
        """Put the cursor on a row."""
        position = self.outline.reveal(row)
        if position is None:
            self.note("that row is hidden (. shows the steps of the framework, F takes the filter off)")
            return
        self.show_tree()
        self.tree_lines.move_to(position)
        self.show_detail()

    def _jump(self, rows: list[int], by: int, none: str) -> None:
        here = self.row
        if not rows or here is None:
            self.note(none)
            return
        order = {row: number for number, row in enumerate(self._order())}
        placed = sorted((order[row], row) for row in rows if row in order)
        place = order.get(here, -1)
        ahead = [pair for pair in placed if (pair[0] > place if by > 0 else pair[0] < place)]
        ahead = ahead or placed
        if ahead:
            found = ahead[0 if by > 0 else -1]
            self.go(found[1])
            self.note(f"{placed.index(found) + 1} of {len(placed)}")

    def _order(self) -> list[int]:
        tops = self.index.roots if self.root is None else [self.root]
        return [row for top in tops for row in self.index.below(top)]

    def action_error(self, by: int) -> None:
        """The next row that failed."""
        failed = {row for row in self._order() if self.index.status(row) == "error"}
        leaves = [row for row in failed if failed.isdisjoint(self.index.children.get(row, ()))]
        self._jump(leaves, by, "no errors")

    def action_why(self) -> None:
        """To what the verdict is about."""
        self.go(self.why.row) if self.why else self.note("no verdict: nothing failed")

    def action_slowest(self) -> None:
        """The next of the ten slowest leaves."""
        leaves = [row for row in self._order() if not self.index.children.get(row) and not self.index.flags[row] & MARK]
        leaves = sorted(leaves, key=lambda row: self.index.duration(row) or 0, reverse=True)[:10]
        if leaves:
            self.slow_at = (self.slow_at + 1) % len(leaves)
            self.go(leaves[self.slow_at])

    def action_sibling(self, by: int) -> None:
        """The next model call of this agent, or call of this tool."""
        row = self.row
        if row is None:
            return
        if self.index.text(self.index.category[row]) == "tool":
            rows = [other for other in self._order() if self.index.name[other] == self.index.name[row]]
        else:
            rows = calls_of(
                self.index, row if self.index.text(self.index.category[row]) == "agent" else agent_of(self.index, row)
            )
        self._jump(rows, by, "no others")

    # Search and filter.

    def action_search(self) -> None:
        """Ask for a text."""
        self._ask("search", "search names; enter looks through all text")

    def action_filter(self) -> None:
        """Ask for a filter."""
        self._ask("filter", keys.RUN[[key.action for key in keys.RUN].index("filter")].text, self.filter_text)

    def action_filter_off(self) -> None:
        """Filter off, and on again."""
        if self.outline.kept is None:
            self._apply_filter(self.kept_filter)
        else:
            self.kept_filter = self.filter_text
            self._apply_filter("")

    def _ask(self, what: str, placeholder: str, value: str = "") -> None:
        self.asking = what
        entry = self.query_one("#entry", Input)
        entry.placeholder, entry.value, entry.display = placeholder, value, True
        self.set_focus(entry)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Names are searched while one types."""
        if self.asking == "search" and event.value:
            wanted = event.value.lower()
            numbers = {number for number, word in enumerate(self.index.words) if wanted in word.lower()}
            rows = [row for row, _ in self.outline.entries if self.index.name[row] in numbers]
            self.note(f"{len(rows):,} names")
            if rows and self.row not in rows:
                self.tree_lines.move_to(next(at for at, (row, _) in enumerate(self.outline.entries) if row == rows[0]))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search or filter."""
        what, self.asking = self.asking, ""
        event.input.display = False
        self.set_focus(self.tree_lines)
        self._arrange()
        if what == "filter":
            self._apply_filter(event.value)
        elif event.value:
            self.run_worker(lambda: self._search(event.value), thread=True, exclusive=True)

    def key_escape(self) -> None:
        """Leave the entry."""
        if self.asking:
            self.asking = ""
            self.query_one("#entry").display = False
            self.set_focus(self.tree_lines)

    def _search(self, needle: str) -> None:
        def progress(part: float) -> bool:
            self.app.call_from_thread(self.note, f"searching, {part:.0%}")
            return not self.asking

        rows = search(self.index, needle, progress)
        self.app.call_from_thread(self._found, needle, rows)

    def _found(self, needle: str, rows: list[int]) -> None:
        wanted = set(self._order())
        self.hits = [row for row in rows if row in wanted]
        self.action_found(1) if self.hits else self.note(f"{needle!r} is nowhere in this run")

    def action_found(self, by: int) -> None:
        """The next place of the text that was searched."""
        self._jump(self.hits, by, "nothing was searched for: / searches")

    def _apply_filter(self, text: str) -> None:
        row = self.row
        try:
            wanted = parse(text, self.index)
        except FilterError as error:
            self.note(str(error))
            return
        count = self.outline.keep(wanted)
        self.filter_text = text
        self.summarise()
        self.show_tree(0 if row is None else self._nearest(row))
        self.note(f"{count:,} of {len(self.index):,} rows: {text}" if text else "")

    # Copying.

    def action_copy(self, what: str) -> None:
        """To the clipboard where the terminal does it, and to a file in any case."""
        row = self.row
        if row is None:
            return
        if what == "uuid":
            text = self.index.uuids[row]
        elif what == "json":
            events_of_row = [self.index.start_event(row), self.index.end_event(row)]
            text = "\n".join(json.dumps(event) for event in events_of_row if event)
        else:
            text = "\n".join(line.plain for line, _ in laid_out(details(self.index, row, self.tab), 10_000))
            text = text or failure_text(self.index, row)
        self.app.copy_to_clipboard(text)
        with tempfile.NamedTemporaryFile(
            "w", prefix="nemo-relay-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
        self.note(f"sent to the terminal's clipboard; also in {file.name}")
