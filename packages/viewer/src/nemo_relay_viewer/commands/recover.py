# SPDX-License-Identifier: Apache-2.0
"""``recover``: a whole file beside one whose program was killed."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..recovery import recover
from ..source import DEFAULT_FILE, located


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_FILE, help="an ATOF file (default: %(default)s)")
    parser.add_argument("-o", "--out", type=Path, help="default: NAME.recovered.jsonl beside it")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    report = recover(located(options.file), options.out)
    names = report.abandoned or []
    print(f"wrote {report.out}: {report.events:,} events, {len(names)} scopes ended as abandoned")
    for name in names[:20]:
        print(f"  {name}")
    if report.torn_path is not None:
        print(f"the torn last line, {report.torn} bytes, is in {report.torn_path}")
    if report.unreadable:
        print(f"{report.unreadable} lines are no events; they are kept")
    return 0
