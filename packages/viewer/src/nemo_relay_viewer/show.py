# SPDX-License-Identifier: Apache-2.0
"""The two ways to show a run: on a console, and as a picture file."""

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from nemo_relay.tree import Eventlike, Forest, build

from . import wording
from .glyphs import ASCII, QUIET, UNICODE, Glyphs
from .picture import Picture
from .svg import SVG_FORMAT, THEME

_SVG_WIDTH = 96


def render(events: Iterable[Eventlike] | Forest, console: Console | None = None, *, everything: bool = False) -> None:
    """Print the tree of a run.

    Colours are left out when the console is no terminal or `NO_COLOR` is set, signs beyond ASCII when its
    encoding does not know them, and columns when it is too narrow.

    Args:
        events: dicts, event objects or lines of an ATOF file; or a forest made of them.
        console: where to print; standard output when left out.
        everything: show also what a framework does for itself, and each mark by itself.

    Example:
        >>> from nemo_relay import ScopeType, scope
        >>> from nemo_relay.testing import capture_events
        >>> with capture_events() as captured, scope.scope("planner", ScopeType.Agent):
        ...     pass
        >>> render(captured.events)  # doctest: +ELLIPSIS
        ◆ agent planner...
    """
    console = console or default_console()
    forest = events if isinstance(events, Forest) else build(events)
    glyphs = ASCII if console.options.ascii_only else UNICODE
    for line in _lines(forest, console.width, glyphs, everything):
        line.plain = _encodable(line.plain, console.encoding)
        console.print(line, highlight=False, crop=False, soft_wrap=True)


def _encodable(text: str, encoding: str) -> str:
    """``text`` with a question mark for each character that the terminal's encoding does not know."""
    return text.encode(encoding, "replace").decode(encoding)


def export_svg(
    events: Iterable[Eventlike] | Forest,
    path: str | os.PathLike[str],
    *,
    title: str = "nemo-relay",
    width: int = _SVG_WIDTH,
    everything: bool = False,
) -> Path:
    """Write the picture of a run as an SVG file, which names no font and no address of anybody else.

    Args:
        events: as for `render`.
        path: the file; an existing one is replaced.
        title: what stands above the picture.
        width: in cells of text.
        everything: as for `render`.

    Returns:
        The path.

    Raises:
        OSError: the file cannot be written.
    """
    console = Console(
        width=width,
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
    )
    forest = events if isinstance(events, Forest) else build(events)
    for line in _lines(forest, width, UNICODE, everything):
        console.print(line, highlight=False, crop=False, soft_wrap=True)
    target = Path(path)
    picture = console.export_svg(title=title, theme=THEME, code_format=SVG_FORMAT, unique_id="nemo-relay")
    target.write_text(picture, encoding="utf-8")
    return target


def default_console() -> Console:
    """Standard output; with `NO_COLOR` not even bold or dim."""
    return Console(color_system=None if os.environ.get("NO_COLOR") else "auto")


def _lines(forest: Forest, width: int, glyphs: Glyphs, everything: bool) -> Iterator[Text]:
    for number, root in enumerate(forest.roots):
        if number:
            yield Text()
        yield from Picture(root, width, glyphs, everything=everything).lines()
    for mark in forest.marks:
        yield Text(f"{glyphs.mark} {wording.one_line(mark.name)}", style=QUIET)
    if not forest.roots and not forest.marks:
        yield Text("no events", style=QUIET)
    if forest.unreadable:
        places = ", ".join(map(str, forest.unreadable[:5])) + (glyphs.ellipsis if len(forest.unreadable) > 5 else "")
        yield Text(f"{wording.counted(len(forest.unreadable), 'line')} could not be read: {places}", style="yellow")
