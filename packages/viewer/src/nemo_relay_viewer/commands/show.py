# SPDX-License-Identifier: Apache-2.0
"""``show``: the tree of a run on the terminal, or as a picture file."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from ..loading import load
from ..show import default_console, export_svg, render
from ..source import DEFAULT_FILE, plain


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    help_text = "an ATOF file, a folder of them, or - (default: %(default)s)"
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_FILE, help=help_text)
    parser.add_argument("--svg", type=Path, metavar="OUT", help="write a picture instead")
    parser.add_argument("--all", action="store_true", help="also what the framework does for itself, and every mark")
    parser.add_argument("--width", type=_width, metavar="N", help="columns (default: those of the terminal)")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    with plain(options.file) as file:
        forest = load(file)
    if options.svg is None:
        render(forest, _console(options.width), everything=options.all)
    else:
        size = {} if options.width is None else {"width": options.width}
        print(f"wrote {export_svg(forest, options.svg, everything=options.all, **size)}")
    return 0


def _width(text: str) -> int:
    number = int(text)
    if number < 20:
        raise argparse.ArgumentTypeError(f"{number} columns are too few, give at least 20")
    return number


def _console(width: int | None) -> Console:
    console = default_console()
    if width is not None:
        console.width = width
    return console
