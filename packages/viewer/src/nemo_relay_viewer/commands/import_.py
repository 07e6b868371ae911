# SPDX-License-Identifier: Apache-2.0
"""``import``: what another tool wrote, as a file of events."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from nemo_relay.convert import ImportReport, read


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("file", type=Path, help="a transcript, spans or runs")
    parser.add_argument("--format", default="auto", help="what it is, e.g. claude-code (default: looks at it)")
    parser.add_argument("-o", "--out", type=Path, default=Path("events.jsonl"), help="default: %(default)s")


def run(options: argparse.Namespace) -> int:
    """Do it.

    Raises:
        ValueError: the file would be written over itself.
    """
    if options.out.exists() and options.out.samefile(options.file):
        raise ValueError(f"{str(options.file)!r} would be written over itself: name another file with -o")
    report = ImportReport()
    events = read(options.file, options.format, report=report)
    count = 0
    with options.out.open("w", encoding="ascii") as out:
        for event in events:
            out.write(json.dumps(event, separators=(",", ":")) + "\n")
            count += 1
    print(f"wrote {options.out}: {count:,} events of {report.read:,} records ({report.format})")
    for reason, times in report.skipped.most_common():
        print(f"  {times:,} left out: {reason}")
    return 0
