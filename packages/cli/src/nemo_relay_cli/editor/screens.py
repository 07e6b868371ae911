# SPDX-License-Identifier: Apache-2.0
"""The editor on the terminal: pages as lists of rows, and what lies over them while a value is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rich.syntax import Syntax
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widget import AwaitMount
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from nemo_relay_cli.documents import Document
from nemo_relay_cli.editor.pages import Menu, Page, Row
from nemo_relay_cli.editor.schema import Field, parse
from nemo_relay_cli.errors import CommandError

KEYS = "↑↓ move · Enter choose · p preview · s save · r reset · u undo · ? keys · q back"
_HELP = """\
↑ k / ↓ j          move; from the last line to the first
PgUp PgDn Home End move further
Enter Space        switch, choose, or open
p                  preview the file
s                  save the file and leave
r Backspace Delete take the line's value out of the file: its default holds
u                  undo the last change
q Esc Ctrl-C       back; on the first page: leave without saving"""
_CSS = """
Screen { padding: 0 1; }
.title { text-style: bold; color: $accent; width: 1fr; }
.quiet { color: $text-muted; width: 1fr; }
.problems { color: $error; width: 1fr; }
#rows { height: 1fr; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1; }
#about { height: auto; max-height: 5; color: $text-muted; border-top: solid $panel; }
ModalScreen { align: center middle; }
.box { width: 90%; max-width: 90; height: auto; max-height: 90%; }
.box { border: round $accent; padding: 0 1; background: $surface; }
.box OptionList { height: auto; max-height: 16; border: none; }
"""


def _bound(keys: dict[str, str]) -> list[BindingType]:
    """Bindings that go before the focused widget's own: a screen then gets keys in the order in which they were typed,
    however many of them arrive at once.
    """
    return [Binding(key, action, priority=True) for key, action in keys.items()]


_MOVES = {
    "up,k": "listed('cursor_up')",
    "down,j": "listed('cursor_down')",
    "pageup": "listed('page_up')",
    "pagedown": "listed('page_down')",
    "home": "listed('first')",
    "end": "listed('last')",
    "enter,space": "select",
}


class _Listing(Screen[None]):
    """A screen with a list to move in and to choose from."""

    def action_listed(self, action: str) -> None:
        """Move in the list."""
        getattr(self.query_one(OptionList), f"action_{action}")()

    async def action_select(self) -> None:
        """Choose the line that is highlighted."""
        at = self.query_one(OptionList).highlighted
        if at is not None:
            await self.chosen(at)

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """The mouse chooses, too."""
        await self.chosen(event.option_index)

    async def chosen(self, at: int) -> None:
        """Do what a line does."""


class PageScreen(_Listing):
    """One page. It is what rows ask, see `nemo_relay_cli.editor.pages.Asks`."""

    BINDINGS: ClassVar[list[BindingType]] = _bound(
        {
            **_MOVES,
            "p": "preview",
            "s": "save",
            "r,backspace,delete": "reset",
            "u": "undo",
            "question_mark": "keys",
            "q,escape": "leave",
        }
    )
    app: Editor

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._rows = list(page.rows())
        self._message = ""
        self._opened: AwaitMount | None = None

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        yield Static(self._page.title, classes="title", markup=False)
        yield Static(id="problems", classes="problems", markup=False)
        yield OptionList(*self._options(), id="rows")
        yield Static(id="about", markup=False)
        yield Static(KEYS, classes="quiet", markup=False)

    def on_mount(self) -> None:
        """Begin at the top."""
        self.query_one(OptionList).highlighted = 0
        self._show_problems()

    def on_screen_resume(self) -> None:
        """The page may have been left for another, which has changed something."""
        self.refresh_rows()

    def refresh_rows(self) -> None:
        """Draw all lines anew; the highlight stays."""
        listed = self.query_one(OptionList)
        at = listed.highlighted or 0
        self._rows = list(self._page.rows())
        listed.clear_options()
        listed.add_options(self._options())
        listed.highlighted = min(at, len(self._rows) - 1)
        self._show_problems()

    def _options(self) -> list[Option]:
        width = max(len(row.label) + 2 * row.depth for row in self._rows)
        return [Option(_line(row, width)) for row in self._rows]

    def tell(self, text: str) -> None:
        """Say what went wrong, until something is changed."""
        self._message = text
        self._show_problems()

    def _show_problems(self) -> None:
        messages = [self._message] if self._message else self.app.document.problems()[:3]
        self.query_one("#problems", Static).update("\n".join(f"✗ {one}" for one in messages))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what the line is for."""
        row = self._rows[event.option_index]
        self.query_one("#about", Static).update(row.help or self._page.help)

    async def chosen(self, at: int) -> None:
        """Do what the line does, and wait until what it opens takes keys."""
        row = self._rows[at]
        self.change(lambda: row.act(self))
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await opened

    def change(self, act: Callable[[], None]) -> None:
        """Do something that may change the document; what goes wrong is told, and nothing is lost."""
        before, self._message = self.app.document.text, ""
        try:
            act()
        except CommandError as error:
            self.app.document.restore(before)
            self.tell(error.message)
        except (TypeError, ValueError) as error:  # a value that TOML does not have, such as null
            self.app.document.restore(before)
            self.tell(f"this value cannot be written: {error}")
        if self.app.document.text != before:
            self.app.undone.append(before)
        if self.is_current:
            self.refresh_rows()

    async def action_preview(self) -> None:
        """Show the file."""
        document = self.app.document
        content = Syntax(document.text, "toml", background_color="default")
        await self.app.push_screen(TextScreen(str(document.path), content))

    def action_save(self) -> None:
        """Write the file and leave."""
        self.save()

    async def action_leave(self) -> None:
        """Back, or out."""
        await self.chosen(len(self._rows) - 1)  # the last line of every page

    async def action_keys(self) -> None:
        """Say what the keys do."""
        await self.app.push_screen(TextScreen("Keys", Text(_HELP)))

    def action_undo(self) -> None:
        """Take the last change back."""
        if not self.app.undone:
            self.tell("there is nothing to undo")
            return
        self.app.document.restore(self.app.undone.pop())
        self.refresh_rows()

    def action_reset(self) -> None:
        """Take the line's value out of the file."""
        at = self.query_one(OptionList).highlighted
        path = None if at is None else self._rows[at].path
        if path is not None:
            self.change(lambda: _ignore(self.app.document.unset(path)))

    def ask(self, described: Field, text: str, done: Callable[[Any], None]) -> None:
        """See `Asks`."""
        typed = InputScreen(described, text, lambda value: self.change(lambda: done(parse(described, value))))
        self._opened = self.app.push_screen(typed)

    def choose(self, title: str, choices: list[str], current: int, done: Callable[[int], None]) -> None:
        """See `Asks`."""
        chosen = ChoiceScreen(title, choices, current, lambda index: self.change(lambda: done(index)))
        self._opened = self.app.push_screen(chosen)

    def open(self, page: Page) -> None:
        """See `Asks`."""
        self._opened = self.app.push_screen(PageScreen(page))

    def preview(self) -> None:
        """See `Asks`."""
        self.call_next(self.action_preview)

    def save(self) -> None:
        """See `Asks`."""
        try:
            self.app.document.save()
        except CommandError as error:
            self.tell(error.message)
            return
        self.app.exit(True)

    def leave(self) -> None:
        """See `Asks`."""
        if not isinstance(self._page, Menu):
            self.app.pop_screen()
        elif self.app.document.is_changed:
            self.choose("Leave without saving?", ["No", "Yes"], 0, self._left)
        else:
            self.app.exit(False)

    def _left(self, answer: int) -> None:
        if answer:
            self.app.exit(False)


class _Over(ModalScreen[None]):
    """What lies over a page."""

    BINDINGS: ClassVar[list[BindingType]] = _bound({"escape": "leave"})

    def action_leave(self) -> None:
        """Go, with nothing done."""
        self.app.pop_screen()


class InputScreen(_Over):
    """A line to type a value on. What is no such value is told, and the line stays."""

    def __init__(self, described: Field, text: str, done: Callable[[str], None]) -> None:
        super().__init__()
        self._described, self._text, self._done = described, text, done

    def compose(self) -> ComposeResult:
        """The parts of the box."""
        with Vertical(classes="box"):
            yield Static(self._described.name, classes="title", markup=False)
            yield Static(self._described.help, classes="quiet", markup=False)
            yield Input(self._text, password=self._described.is_secret, select_on_focus=False)
            yield Static("Enter takes it, Esc leaves it", id="told", classes="quiet", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the value, when it is one."""
        if not self.is_current:  # a second Enter before the first was heard
            return
        try:
            parse(self._described, event.value)
        except CommandError as error:
            messages = self.query_one("#told", Static)
            messages.update(f"✗ {error.message}")
            messages.set_classes("problems")
            return
        self.app.pop_screen()
        self._done(event.value)


class ChoiceScreen(_Over, _Listing):
    """One of several."""

    BINDINGS: ClassVar[list[BindingType]] = _bound({**_MOVES, "q": "leave"})

    def __init__(self, title: str, choices: list[str], current: int, done: Callable[[int], None]) -> None:
        super().__init__()
        self._title, self._choices, self._current, self._done = title, choices, current, done

    def compose(self) -> ComposeResult:
        """The parts of the box."""
        with Vertical(classes="box"):
            yield Static(self._title, classes="title", markup=False)
            yield OptionList(*(Option(Text(choice)) for choice in self._choices))

    def on_mount(self) -> None:
        """Stand on what holds now."""
        self.query_one(OptionList).highlighted = self._current

    async def chosen(self, at: int) -> None:
        """Take it."""
        if self.is_current:
            self.app.pop_screen()
            self._done(at)


class TextScreen(_Over):
    """Something to read."""

    BINDINGS: ClassVar[list[BindingType]] = _bound({"q,enter,p": "leave"})

    def __init__(self, title: str, content: Text | Syntax) -> None:
        super().__init__()
        self._title, self._content = title, content

    def compose(self) -> ComposeResult:
        """The parts of the box."""
        with Vertical(classes="box"):
            yield Static(self._title, classes="title", markup=False)
            with VerticalScroll():
                yield Static(self._content)
            yield Static("↑↓ scroll · Esc back", classes="quiet", markup=False)


class Editor(App[bool]):
    """The editor of one document. Its result is whether the document was saved.

    Args:
        document: what is edited.
    """

    CSS = _CSS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c,ctrl+q", "leave", priority=True, show=False)]

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document
        self.undone: list[str] = []

    def on_mount(self) -> None:
        """Begin with the menu."""
        self.push_screen(PageScreen(Menu(self.document)))

    async def action_leave(self) -> None:
        """Ctrl-C does what Escape does, also while something is typed."""
        await self.screen.run_action("leave")


def _line(row: Row, width: int) -> Text:
    label = "  " * row.depth + row.label
    line = Text(f"{'✓' if row.is_set else ' '} {label:<{width}}  ", no_wrap=True, overflow="ellipsis")
    is_stated = row.is_set or row.path is None
    return line.append(row.value, style="bold" if is_stated else "dim")


def _ignore(value: object) -> None:
    """For a call whose result says nothing new."""
