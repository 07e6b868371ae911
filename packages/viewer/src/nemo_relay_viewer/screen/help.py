# SPDX-License-Identifier: Apache-2.0
"""The keys of a screen; what is typed filters them."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from .entry import Entry
from .keys import Key
from .lines import Lines


class Help(Screen[None]):
    """A list of keys above the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "back")]
    DEFAULT_CSS = """
    Help #help { height: 1fr; }
    """

    def __init__(self, table: tuple[Key, ...], *, plain: bool) -> None:
        super().__init__()
        self.table, self.plain = table, plain

    def compose(self) -> ComposeResult:
        """The entry, and the keys."""
        yield Entry(
            id="wanted", placeholder="type to filter, esc closes; Shift and drag selects text in most terminals"
        )
        yield Lines(id="help", plain=self.plain)

    def on_mount(self) -> None:
        """All keys."""
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Those with the text."""
        self._show(event.value.lower())

    def on_input_submitted(self) -> None:
        """Enough seen."""
        self.dismiss()

    def _show(self, wanted: str) -> None:
        found = [key for key in self.table if wanted in f"{key.shown} {key.text}".lower()]
        lines = [Text(f" {key.shown:<8}", style="bold", end="").append(key.text) for key in found]
        self.query_one("#help", Lines).show(len(lines), lambda number, width: lines[number].copy())

    def action_leave(self) -> None:
        """Back."""
        self.dismiss()
