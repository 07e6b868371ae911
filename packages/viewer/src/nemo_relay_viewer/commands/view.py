# SPDX-License-Identifier: Apache-2.0
"""``view``: the interactive screen."""

from __future__ import annotations

import argparse
import locale
import sys
from pathlib import Path

from ..source import DEFAULT_FILE, plain


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    help_text = "an ATOF file, which may still grow, or a folder of them (default: %(default)s)"
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_FILE, help=help_text)
    parser.add_argument("--mono", action="store_true", help="no colours (also with NO_COLOR)")
    parser.add_argument("--ascii", action="store_true", help="no signs beyond ASCII")


def run(options: argparse.Namespace) -> int:
    """Do it.

    Raises:
        ValueError: there is no terminal.
    """
    if not sys.stdout.isatty():
        raise ValueError("view needs a terminal; show prints the tree")
    from ..screen.app import Viewer

    with plain(options.file) as file:
        file.open("rb").close()  # a file that cannot be read is told before the screen is taken
        viewer = Viewer(file, ascii_only=options.ascii or not _unicode(), plain=options.mono or None)
        viewer.run()
        return viewer.return_code or 0


def _unicode() -> bool:
    return "utf" in (sys.stdout.encoding or locale.getpreferredencoding()).lower()
