# SPDX-License-Identifier: Apache-2.0
"""`python -m nemo_relay_viewer FILE`: the tree of a recorded run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from .loading import load
from .show import default_console, export_svg, render

DEFAULT_FILE = Path(".nemo-relay/atof/events.jsonl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, 2 for a file that cannot be shown."""
    options = _parser().parse_args(arguments)
    try:
        forest = load(options.file)
        if options.svg is None:
            render(forest, _console(options.width), everything=options.all)
        else:
            size = {} if options.width is None else {"width": options.width}
            print(f"wrote {export_svg(forest, options.svg, everything=options.all, **size)}")
    except (OSError, ValueError) as error:
        print(f"nemo_relay_viewer: {_described(error)}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nemo_relay_viewer", description="Show a recorded run as a tree.")
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_FILE, help="an ATOF file (default: %(default)s)")
    parser.add_argument("--svg", type=Path, metavar="OUT", help="write a picture instead")
    parser.add_argument("--all", action="store_true", help="also what the framework does for itself, and every mark")
    parser.add_argument("--width", type=_width, metavar="N", help="columns (default: those of the terminal)")
    return parser


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


def _described(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {error.filename!r}. Record a run first, or name its events.jsonl."
    if isinstance(error, OSError):
        return f"cannot use {error.filename!r}: {error.strerror}"
    return str(error)


if __name__ == "__main__":
    raise SystemExit(main())
