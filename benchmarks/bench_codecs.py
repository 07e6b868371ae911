# SPDX-License-Identifier: Apache-2.0
"""The codecs against the published package, pair by pair: ``make bench`` or ``python benchmarks/bench_codecs.py``.

Two workers, one per package, run the same ``codec_cases.py``; each round asks both for the same case, in alternating
order, and what counts is the median of the rounds' ratios of processor time. ``README.md`` says why each case is what
it is: the two packages do their work at different moments, so narrow cases and whole jobs are shown side by side.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe
from published import VERSION, interpreter

WORKER = Path(__file__).with_name("codec_cases.py")
SIZES = {"1 KB": 1_000, "40 KB": 40_000, "1 MB": 1_000_000}
NARROW = ("decode", "encode", "encode edited", "decode_response")
WHOLE = ("request read", "request edited", "response read")
CODECS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate_content", "oci_genai")


class Worker:
    """One process that runs the cases on its package."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def measure(self, case: dict[str, Any]) -> float:
        """Processor time of one run of ``case``, in microseconds."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended with {self._process.wait()} at {case}")
        return float(json.loads(answer))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def compare(ours: Worker, theirs: Worker | None, case: dict[str, Any], rounds: int) -> dict[str, Any]:
    """One row: medians in microseconds, and how many times faster we are."""
    sides = [("ours", ours)] + ([] if theirs is None else [("published", theirs)])
    taken: dict[str, list[float]] = {name: [] for name, _ in sides}
    for number in range(rounds):
        for name, worker in sides if number % 2 else sides[::-1]:
            taken[name].append(worker.measure(case))
    row = {**case, **{name: median(values) for name, values in taken.items()}}
    if theirs is not None:
        row["ratio"] = median(p / o for o, p in zip(taken["ours"], taken["published"], strict=True))
    return row


def cases(codecs: list[str], operations: list[str]) -> list[dict[str, Any]]:
    """Every case of these codecs and operations."""
    out: list[dict[str, Any]] = [
        {"codec": codec, "operation": operation, "size": size}
        for codec in codecs
        for operation in operations
        for size in SIZES.values()
        if operation != "stream"
    ]
    if "stream" in operations and "openai_chat" in codecs:
        out.append({"codec": "openai_chat", "operation": "stream", "size": 0})
    return out


HEAD = """\
| codec | case | payload | ours, µs CPU | published, µs CPU | ratio |
|---|---|---|---|---|---|"""


def show(row: dict[str, Any]) -> str:
    """A row of the table, in Markdown."""
    size = next((name for name, size in SIZES.items() if size == row["size"]), "chunk")
    cells = [row["codec"], row["operation"], size, f"{row['ours']:.2f}"]
    if "published" not in row:
        return f"| {' | '.join([*cells, '', ''])} |"
    slower = "" if row["ratio"] >= 1 else " SLOWER"
    cells += [f"{row['published']:.1f}", f"**{row['ratio']:.2f}x**{slower}"]
    return f"| {' | '.join(cells)} |"


def parse() -> argparse.Namespace:
    """The command line."""
    operations = (*NARROW, *WHOLE, "stream")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs per row (default 9)")
    parser.add_argument("--case", action="append", choices=operations, help="only this case; may be repeated")
    parser.add_argument("--codec", action="append", choices=CODECS, help="only this codec; may be repeated")
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    options = parser.parse_args()
    options.case = options.case or list(operations)
    options.codec = options.codec or list(CODECS)
    return options


def main() -> None:
    """Measure, and print."""
    options = parse()
    python = interpreter()
    if not options.json:
        against = "our side alone" if python is None else f"against nemo-relay {VERSION}"
        print(f"{describe()}; {against}; median of {options.rounds} rounds\n\n{HEAD}", flush=True)
    ours, theirs = Worker(Path(sys.executable)), None if python is None else Worker(python)
    rows = []
    for case in cases(options.codec, options.case):
        rows.append(compare(ours, theirs, case, options.rounds))
        if not options.json:
            print(show(rows[-1]), flush=True)
    for worker in (ours, theirs):
        if worker is not None:
            worker.close()
    if options.json:
        print(json.dumps({"machine": describe(), "rounds": options.rounds, "rows": rows}, indent=2))
    elif python is not None:
        slower = sum(row["ratio"] < 1 for row in rows)
        print(f"\n{len(rows) - slower} of {len(rows)} rows at least as fast")


if __name__ == "__main__":
    main()
