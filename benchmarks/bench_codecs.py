# SPDX-License-Identifier: Apache-2.0
"""The codecs against the published package, pair by pair: ``python benchmarks/bench_codecs.py``.

Both packages run the same cases in a process each, in alternating rounds; what counts is the median of the rounds'
ratios of processor time. The published package is a compiled extension that converts every payload at its boundary,
so a case is given twice where that matters: ``decode`` of a request object that exists already, and ``decode+`` from
the application's own objects to the messages in the reader's hands, which is what a call costs.

It has no stream assembler. ``stream`` compares our whole assembly of a chunk with its managed stream handing that
chunk to a collector that does nothing but keep it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
# This file must not stand in for the standard library's `codecs` in the processes it starts.
sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != HERE] + [str(HERE)]

from machine import describe  # noqa: E402
from published import VERSION, interpreter  # noqa: E402

WORKER = HERE / "codec_cases.py"
SIZES = {"1 KB": 1_000, "40 KB": 40_000, "1 MB": 1_000_000}
OPERATIONS = ("decode", "decode+", "encode", "encode edited", "decode_response")
CODECS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate_content", "oci_genai")


class Worker:
    """One process that runs the cases on its package."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-P", str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
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


def cases(only: str | None) -> list[dict[str, Any]]:
    """Every case, or those whose codec contains ``only``."""
    out: list[dict[str, Any]] = [
        {"codec": codec, "operation": operation, "size": size}
        for codec in CODECS
        for operation in OPERATIONS
        for size in SIZES.values()
    ]
    out.append({"codec": "openai_chat", "operation": "stream", "size": 1_000})
    return [case for case in out if only is None or only in case["codec"]]


def show(row: dict[str, Any]) -> None:
    """Print one row."""
    size = next((name for name, size in SIZES.items() if size == row["size"]), "")
    size = "chunk" if row["operation"] == "stream" else size
    text = f"{row['codec']:24} {row['operation']:16} {size:>6} {row['ours']:12.2f} us"
    if "published" in row:
        text += f" {row['published']:12.2f} us {row['ratio']:8.2f} x"
    print(text, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="codecs whose id contains this text")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON lines, too")
    arguments = parser.parse_args()
    python = interpreter()
    print(f"{describe()}; published package: {VERSION if python else 'not installed'}")
    ours, theirs = Worker(sys.executable), None if python is None else Worker(str(python))
    rows = []
    for case in cases(arguments.only):
        rows.append(compare(ours, theirs, case, arguments.rounds))
        show(rows[-1])
    for worker in (ours, theirs):
        if worker is not None:
            worker.close()
    slower = [row for row in rows if row.get("ratio", 1.0) < 1.0]
    if python:
        print(f"{len(rows) - len(slower)} of {len(rows)} cases at least as fast")
    if arguments.json:
        print("\n".join(json.dumps(row) for row in rows))


if __name__ == "__main__":
    main()
