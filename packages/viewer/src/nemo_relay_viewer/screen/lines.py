# SPDX-License-Identifier: Apache-2.0
"""The one widget: any number of lines, of which only those in sight are drawn."""

from __future__ import annotations

from collections.abc import Callable

from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

Draw = Callable[[int, int], Text]
"""The text of line ``n`` for a width of so many cells."""


class Lines(ScrollView, can_focus=True):
    """Lines with a cursor."""

    DEFAULT_CSS = "Lines { overflow-x: hidden; scrollbar-size-vertical: 1; background: ansi_default; }"

    class Moved(Message):
        """The cursor stands on another line."""

        def __init__(self, lines: Lines) -> None:
            super().__init__()
            self.lines = lines

    class Chosen(Message):
        """A line was clicked twice."""

        def __init__(self, lines: Lines) -> None:
            super().__init__()
            self.lines = lines

    def __init__(self, *, id: str, plain: bool) -> None:
        super().__init__(id=id)
        self.count = 0
        self.cursor = 0
        self._plain = plain
        self._draw: Draw = lambda number, width: Text()

    def show(self, count: int, draw: Draw, cursor: int = 0, *, stay: bool = False) -> None:
        """Show other lines; with ``stay`` the place in them is kept."""
        self.count, self._draw = count, draw
        self.virtual_size = Size(1, count)  # a width of its own would come and go with the scroll bar
        self.cursor = max(0, min(cursor, count - 1))
        if not stay:
            self.scroll_to(y=0, animate=False, immediate=True)
        self._to_sight()
        self.refresh()

    def move_to(self, line: int) -> None:
        """Put the cursor on a line, and the line into sight."""
        line = max(0, min(line, self.count - 1))
        if line != self.cursor:
            self.cursor = line
            self.post_message(self.Moved(self))
        self._to_sight()
        self.refresh()

    def _to_sight(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, immediate=True, force=True)

    def page(self) -> int:
        """Lines in sight."""
        return max(1, self.size.height)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        number = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if number >= self.count:
            return Strip.blank(width)
        text = self._draw(number, width)
        text.no_wrap = True
        text.truncate(width, overflow="ellipsis")
        if self._plain:
            text = _without_colour(text)
        strip = Strip(text.render(self.app.console)).adjust_cell_length(width)
        if number == self.cursor:
            strip = strip.apply_style(Style(reverse=True) if self.has_focus else Style(underline=True))
        return strip

    def on_focus(self) -> None:
        """The cursor looks different."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor looks different."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click is the cursor, a second one goes in."""
        line = event.y + self.scroll_offset.y
        self.focus()
        if line < self.count:
            self.move_to(line)
            if event.chain == 2:
                self.post_message(self.Chosen(self))


def _without_colour(text: Text) -> Text:
    spans = [span._replace(style=span.style.without_color) for span in _styled(text)]
    return Text(text.plain, spans=spans, no_wrap=True, end="")


def _styled(text: Text) -> list:  # type: ignore[type-arg]
    return [
        span._replace(style=Style.parse(span.style) if isinstance(span.style, str) else span.style)
        for span in text.spans
    ]
