# SPDX-License-Identifier: Apache-2.0
"""Text in blocks that open and close: messages, values and errors, wrapped for the width there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.text import Text

SHORT = 12  # lines of a block before it is opened
_MOST = 1 << 20  # characters of one value on the screen
TAB = "    "


@dataclass(slots=True)
class Block:
    """A heading, and what is below it.

    ``state`` is ``short`` (the first lines), ``open`` or ``closed``; ``rail`` stands in front of each line.
    """

    head: str = ""
    body: str = ""
    style: str = ""
    rail: str = ""
    state: str = "short"
    body_style: str = ""

    def turn(self) -> None:
        """Open it; closed again when it is."""
        self.state = "closed" if self.state == "open" else "open"


def safe(text: str) -> str:
    """The text with its lines; characters that command a terminal or turn the writing round are named."""
    shown = text[:_MOST].replace("\t", TAB).replace("\r\n", "\n")
    if shown.isprintable():
        return shown
    return "".join(sign if sign.isprintable() or sign == "\n" else _named(sign) for sign in shown)


def _named(sign: str) -> str:
    if sign == "\x1b":
        return "␛"
    return chr(0x2400 + ord(sign)) if ord(sign) < 32 else f"⟨U+{ord(sign):04X}⟩"


def laid_out(blocks: Iterable[Block], width: int) -> list[tuple[Text, int]]:
    """The lines of blocks, each with the number of its block."""
    lines: list[tuple[Text, int]] = []
    for number, block in enumerate(blocks):
        lines += [(line, number) for line in _lines(block, max(8, width))]
    return lines


def _lines(block: Block, width: int) -> Iterable[Text]:
    if block.head:
        yield Text(block.rail, style=block.style, end="").append(
            safe(block.head).replace("\n", " "), style=block.style or "bold"
        )
    if not block.body or block.state == "closed":
        return
    body = safe(block.body)
    wrapped = wrap(body, width - cell_len(block.rail), None if block.state == "open" else SHORT)
    for line in wrapped:
        yield Text(block.rail, style=block.style, end="").append(
            line, style=block.body_style or _line_style(block, line)
        )
    if block.state != "open" and (more := body.count("\n") + 1 - SHORT) > 0:
        yield Text(f"{block.rail}{more:,} lines more (space opens)", style="bright_black", end="")


def _line_style(block: Block, line: str) -> str:
    if block.rail != " " or block.style:
        return ""
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def wrap(text: str, width: int, most: int | None) -> list[str]:
    """The text in lines of at most so many cells, and at most so many of its lines."""
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if most is not None and number >= most:
            break
        lines += [line] if cell_len(line) <= width else _words(line, width)
    return lines


def _words(line: str, width: int) -> list[str]:
    found: list[str] = []
    indent = " " * min(len(line) - len(line.lstrip(" ")), width // 2)
    current = indent
    width = max(4, width)
    for word in line.strip(" ").split(" "):
        trial = f"{current} {word}" if current.strip(" ") else current + word
        if cell_len(trial) <= width:
            current = trial
            continue
        if current.strip(" "):
            found.append(current)
        pieces = chop_cells(word, max(2, width - len(indent)))
        found += [indent + piece for piece in pieces[:-1]]
        current = indent + (pieces[-1] if pieces else "")
    return [*found, current]
