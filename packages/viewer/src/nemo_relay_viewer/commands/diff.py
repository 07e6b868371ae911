# SPDX-License-Identifier: Apache-2.0
"""``diff``: what is different between two runs. Exit code 1 when a rule of ``--fail-on`` is broken, else 0."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..comparison import Rules, diff
from ..comparison.report import as_markdown, as_page, as_text
from ..index import Index, open_index
from ..source import plain


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("before", type=Path, help="an ATOF file, or a folder of them; its last run is compared")
    parser.add_argument("after", type=Path, help="the other one")
    parser.add_argument(
        "--fail-on",
        default="any",
        metavar="RULES",
        help="any, tools, arguments, results, answers, prompts, models, errors, steps, cost>10%%, tokens>10%%, "
        "time>20%%, llm>0%%, or none (default: %(default)s)",
    )
    parser.add_argument("--format", choices=("text", "json", "md", "html"), default="text")
    parser.add_argument("-o", "--out", type=Path, help="write it there instead of printing it")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    rules = Rules("" if options.fail_on == "none" else options.fail_on)
    with plain(options.before) as first, plain(options.after) as second:
        found = diff(_opened(first), _opened(second))
        broken = rules.broken(found)
    if options.format == "json":
        text = json.dumps({**found.to_json(), "failed": broken})
    else:
        text = {"text": as_text, "md": as_markdown, "html": as_page}[options.format](found, broken)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 1 if broken else 0


def _opened(path: Path) -> Index:
    index = open_index(path)
    if not index.roots:
        raise ValueError(f"there is no run in {str(path)!r}")
    return index
