# SPDX-License-Identifier: Apache-2.0
"""The runtime against the published package, pair by pair: ``make bench`` or ``python benchmarks/bench_runtime.py``.

Two workers, one per package, run the same ``program.py``. Each round asks both for the same case, in alternating
order, so that a busy machine disturbs both alike; what counts is the median of the rounds' ratios of processor time
(of the whole process, until the last event is delivered). ``--json`` prints everything that was measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import startup
from machine import describe
from published import VERSION, interpreter

PROGRAM = Path(__file__).with_name("program.py")
SECONDS = 0.1  # about how long one measurement takes
MOST = 30_000  # repetitions in one measurement: their events fit our queue
CASES = (
    *("scope", "mark", "tool", "llm", "llm in agent", "llm 40 KB", "llm 40 KB codec", "llm 40 KB codec, fresh"),
    *("tool 3+3", "stream chunk"),
)
AUDIENCES = ("bare", "subscriber", "reader", "file")

# How many times faster we want to be, by case and audience.
TARGETS: dict[tuple[str, str], float] = {
    **{(case, audience): 3 for case in ("scope", "mark") for audience in ("bare", "subscriber")},
    **{(case, "file"): 2 for case in ("scope", "mark")},
    **{(case, "bare"): 100 for case in ("tool", "llm", "tool 3+3")},
    **{(case, audience): 40 for case in ("tool", "llm") for audience in ("subscriber", "file")},
    ("llm 40 KB", "bare"): 5,
    ("llm 40 KB", "subscriber"): 5,
    ("llm 40 KB", "file"): 5,
    ("stream chunk", "bare"): 20,
}


class Worker:
    """One process that runs the program."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def measure(self, case: str, audience: str, count: int) -> dict[str, float]:
        """Run a case ``count`` times: ``wall`` and ``cpu`` in microseconds and ``heard`` in events, each per run."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"case": case, "audience": audience, "count": count}) + "\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended with {self._process.wait()} at {case!r} with {audience!r}")
        numbers: dict[str, float] = json.loads(answer)
        return {key: value / count * (1 if key == "heard" else 1e6) for key, value in numbers.items()}

    def suitable(self, case: str, audience: str) -> int:
        """How many repetitions take about ``SECONDS``; warms the process up on the way."""
        count = 20
        while count < MOST:
            taken = self.measure(case, audience, count)["wall"] * count / 1e6
            if taken > SECONDS / 2:
                break
            count = min(MOST, int(count * min(20.0, 1.2 * SECONDS / max(taken, 1e-6))))
        return count

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def compare(ours: Worker, theirs: Worker | None, case: str, audience: str, rounds: int) -> dict[str, Any]:
    """One row: what ``rounds`` paired measurements gave."""
    sides = {"ours": ours} if theirs is None else {"ours": ours, "published": theirs}
    counts = {name: worker.suitable(case, audience) for name, worker in sides.items()}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            taken[name].append(sides[name].measure(case, audience, counts[name]))
    row: dict[str, Any] = {"case": case, "audience": audience, "target": TARGETS.get((case, audience))}
    for name, runs in taken.items():
        row[name] = {key: median(run[key] for run in runs) for key in ("wall", "cpu", "heard")}
    if theirs is not None:
        for key in ("cpu", "wall"):
            pairs = zip(taken["published"], taken["ours"], strict=True)
            row[f"{key}_ratio"] = median(published[key] / own[key] for published, own in pairs)
    return row


def show(row: dict[str, Any]) -> str:
    """A row of the table, in Markdown."""
    ours, published = row["ours"], row.get("published")
    cells = [row["case"], row["audience"], f"{ours['cpu']:.2f}"]
    if published is None:
        return f"| {' | '.join([*cells, '', '', '', ''])} |"
    target = row["target"]
    goal = "" if target is None else f"{target:g}x {'met' if row['cpu_ratio'] >= target else 'MISSED'}"
    cells += [f"{published['cpu']:.1f}", f"**{row['cpu_ratio']:.2f}x**", f"{row['wall_ratio']:.2f}x", goal]
    if abs(ours["heard"] - published["heard"]) > 0.05:  # the one scope around a series of calls is less
        cells[0] += f" ({ours['heard']:.2f} events, published {published['heard']:.2f})"
    return f"| {' | '.join(cells)} |"


HEAD = """\
| case | audience | ours, µs CPU | published, µs CPU | ratio of CPU | ratio of time | target |
|---|---|---|---|---|---|---|"""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs per row (default 9)")
    parser.add_argument("--case", action="append", choices=CASES, help="only this case; may be repeated")
    parser.add_argument("--audience", action="append", choices=AUDIENCES, help="only this audience; may be repeated")
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    parser.add_argument(
        "--beside", type=Path, help="the interpreter of another version of ours, instead of the published"
    )
    return parser.parse_args()


def main() -> None:
    """Measure, and print."""
    options = parse()
    if options.beside:
        TARGETS.clear()  # they are about the published package
    python = options.beside or interpreter()
    head = HEAD.replace("published", "the other") if options.beside else HEAD
    quiet = options.json
    if not quiet:
        other = f"the one of {options.beside}" if options.beside else f"nemo-relay {VERSION}"
        against = "our side alone" if python is None else f"against {other}"
        print(f"{describe()}; {against}; median of {options.rounds} rounds\n\n{head}", flush=True)
    ours, theirs = Worker(Path(sys.executable)), None if python is None else Worker(python)
    rows: list[dict[str, Any]] = []
    for case in options.case or CASES:
        for audience in options.audience or AUDIENCES:
            rows.append(compare(ours, theirs, case, audience, options.rounds))
            if not quiet:
                print(show(rows[-1]), flush=True)
    for worker in (ours, theirs):
        if worker is not None:
            worker.close()
    rest = {} if options.case or options.audience else startup.measure(python, options.rounds)
    if quiet:
        print(json.dumps({"machine": describe(), "rounds": options.rounds, "rows": rows, **rest}, indent=2))
    elif rest:
        print(f"\n{startup.show(rest)}")


if __name__ == "__main__":
    main()
