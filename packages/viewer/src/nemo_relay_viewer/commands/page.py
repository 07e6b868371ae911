# SPDX-License-Identifier: Apache-2.0
"""``page``: a run as one HTML file to open or to mail."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..index import Index, open_index
from ..page import write_page
from ..source import DEFAULT_FILE, plain


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    help_text = "an ATOF file, a folder of them, or - (default: %(default)s)"
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_FILE, help=help_text)
    parser.add_argument("-o", "--out", type=Path, default=Path("run.html"), help="default: %(default)s")
    parser.add_argument("--only", metavar="#UUID", help="the tree of this span (the beginning of its uuid is enough)")
    parser.add_argument("--title", help="default: the name of the first run")
    parser.add_argument("--without-content", action="store_true", help="no requests, answers, arguments and results")
    parser.add_argument("--no-redact", action="store_true", help="do not mask secrets once more")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    with plain(options.file) as file:
        index = open_index(file)
        made = write_page(
            index,
            options.out,
            roots=None if options.only is None else [_span(index, options.only)],
            title=options.title,
            redact=not options.no_redact,
            content=not options.without_content,
        )
    masked = f", {made.redacted} values redacted" if made.redacted else ""
    print(f"wrote {made.path}: {made.rows:,} rows, {made.bytes / 1e6:.1f} MB{masked}")
    return 0


def _span(index: Index, wanted: str) -> int:
    found = [row for uuid, row in index.rows.items() if uuid.startswith(wanted.removeprefix("#"))]
    if len(found) != 1:
        raise ValueError(
            f"--only {wanted!r} is the beginning of {len(found)} uuids of the file, it must be that of one"
        )
    return found[0]
