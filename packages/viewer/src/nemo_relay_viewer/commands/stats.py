# SPDX-License-Identifier: Apache-2.0
"""``stats``: tokens, cost, latency and errors over all files of a folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.cells import set_cell_size

from .. import wording
from ..source import DEFAULT_FILE, files
from ..stats import Figures, Statistics, of_folder, write_parquet

_NAME = 32  # cells


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    help_text = "a folder of ATOF files, or one (default: %(default)s)"
    parser.add_argument("folder", type=Path, nargs="?", default=DEFAULT_FILE.parent, help=help_text)
    parser.add_argument("--json", action="store_true", help="all of it as JSON")
    parser.add_argument("--parquet", type=Path, metavar="OUT", help="also one row a span as a Parquet file")


def run(options: argparse.Namespace) -> int:
    """Do it; 1 when a file could not be read."""
    found = of_folder(options.folder, _progress if sys.stderr.isatty() else None)
    if options.json:
        print(json.dumps(found.to_json()))
    else:
        _print(found)
    if options.parquet is not None:
        paths = files(options.folder) if options.folder.is_dir() else [options.folder]
        rows = write_parquet([path for path in paths if str(path) not in found.failed], options.parquet)
        print(f"wrote {options.parquet}: {rows:,} spans", file=sys.stderr)
    return 1 if found.failed else 0


def _progress(done: int, of: int) -> None:
    print(f"\r{done} of {of} files", end="\n" if done == of else "", file=sys.stderr, flush=True)


def _print(found: Statistics) -> None:
    print(f"{found.files} files, {found.bytes / 1e6:,.1f} MB, {found.events:,} events, {found.runs:,} runs")
    if found.unreadable:
        print(f"{found.unreadable:,} lines are no events")
    for path, why in found.failed.items():
        print(f"could not read {path}: {why}")
    for kind, groups in found.groups.items():
        if groups:
            head = ("calls", "errors", "in", "cached", "out", "cost", "p50", "p95", "p99")
            print(f"\n{f'by {kind}':<{_NAME}}" + "".join(f"{word:>10}" for word in head))
        for name, figures in sorted(groups.items(), key=lambda pair: -pair[1].calls):
            print(_line(name, figures))


def _line(name: str, figures: Figures) -> str:
    counts = (figures.calls, figures.errors, figures.tokens_in, figures.cached, figures.tokens_out)
    priced = figures.calls > figures.unpriced and (figures.cost or figures.unpriced == 0)
    cost = f"${figures.cost:,.4f}" if priced and figures.tokens_in else "-"
    times = [figures.percentile(part) for part in (0.5, 0.95, 0.99)]
    shown = [wording.duration(None if time is None else round(time * 1e9)) for time in times]
    cells = [*(f"{count:,}" for count in counts), cost, *shown]
    return set_cell_size(wording.one_line(name), _NAME) + "".join(f"{cell:>10}" for cell in cells)
