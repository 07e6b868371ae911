# SPDX-License-Identifier: Apache-2.0
"""What it costs to record an agent run: ours, the published package's and (``--competitors``) four others.

Every recorder has a process of its own, in a venv of its own, and runs the same agent on the same versions of the
framework (``agents.py``). A round asks each process, in alternating order, for runs without, with, with and without its
recorder; the difference is what the recorder adds. Shown is the median over the rounds, and the median of the rounds'
ratios to ours. ``--json`` prints everything that was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from machine import describe
from published import VERSION, interpreter
from recorders import PINNED, PUBLISHED
from venvs import framework, provide

PROGRAM = Path(__file__).with_name("agent_program.py")
SECONDS = 0.25  # about how long one measurement takes
MOST = 200
OURS = (
    "ours",
    "ours, file",
    "ours, middleware",
    "ours, middleware, file",
    "ours, repeating",
    "ours, repeating, file",
    "ours, silent",
)
ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "0"}


class Case(NamedTuple):
    """What is run: sync or async, with how many earlier messages, with how many calls of the tool."""

    mode: str
    history: int = 0
    turns: int = 1

    def title(self) -> str:
        """For a heading."""
        steps = f"{self.turns} tool call{'s' * (self.turns > 1)}, {2 * self.turns + 1} steps"
        return f"{self.mode}, {steps}" + (f", {self.history} messages of history" if self.history else "")


CASES = [Case(mode, history) for history in (0, 200) for mode in ("sync", "async")]
VOLUMES = [Case("sync", 0, turns) for turns in (10, 20, 40)]
VOLUME_KINDS = ("ours, file", "ours, repeating, file", "published, file")


class Process:
    """One process that runs the agent."""

    def __init__(self, python: Path, kind: str) -> None:
        self._process = subprocess.Popen(
            [python, PROGRAM, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            env=ENVIRONMENT,
        )

    def measure(self, case: Case, count: int, *, on: bool) -> dict[str, float]:
        """``count`` runs: what each took, in milliseconds, and what arrived."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({**case._asdict(), "count": count, "on": on}) + "\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended with {self._process.wait()} at {case!r}")
        numbers: dict[str, float] = json.loads(answer)
        return {key: value / count * (1e3 if key in ("wall", "cpu") else 1) for key, value in numbers.items()}

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


class Subject:
    """One recorder under measurement."""

    def __init__(self, kind: str, python: Path) -> None:
        self.kind = kind
        self._with = Process(python, kind)
        # What cannot be turned off again has a twin to compare with: the same venv, and nothing that records.
        reversible = kind not in ("openinference", "openllmetry")
        self._without = self._with if reversible else Process(python, "nothing")

    def suitable(self, case: Case) -> int:
        """How many runs take about ``SECONDS``; warms the process up on the way."""
        self._without.measure(case, 3, on=False)
        self._with.measure(case, 3, on=True)
        return max(3, min(MOST, int(SECONDS * 1e3 / self._with.measure(case, 3, on=True)["wall"])))

    def measure(self, case: Case, count: int) -> dict[str, float]:
        """Without, with, with, without: what a run takes without, and what the recorder adds to it."""
        without, with_ = [self._without.measure(case, count, on=False)], []
        with_ = [self._with.measure(case, count, on=True) for _ in range(2)]
        without.append(self._without.measure(case, count, on=False))
        found = {"heard": with_[0]["heard"], "size": with_[0]["size"]}
        for key in ("cpu", "wall"):
            found[key] = sum(run[key] for run in without) / 2
            found[f"{key}_added"] = sum(run[key] for run in with_) / 2 - found[key]
        return found

    def close(self) -> None:
        """End its processes."""
        for process in {self._with, self._without}:
            process.close()


def compare(subjects: list[Subject], case: Case, rounds: int) -> list[dict[str, Any]]:
    """One table: a row for each recorder."""
    counts = {subject.kind: subject.suitable(case) for subject in subjects}
    taken: dict[str, list[dict[str, float]]] = {subject.kind: [] for subject in subjects}
    for number in range(rounds):
        for subject in subjects[:: -1 if number % 2 else 1]:
            taken[subject.kind].append(subject.measure(case, counts[subject.kind]))
    rows = []
    for kind, runs in taken.items():
        row: dict[str, Any] = {"kind": kind, **{key: median(run[key] for run in runs) for key in runs[0]}}
        reference = taken.get("ours, file" if kind.endswith("file") else "ours")
        for key in ("cpu_added", "wall_added") if reference else ():
            pairs = zip(runs, reference or [], strict=True)
            row[f"{key}_ratio"] = median(run[key] / own[key] for run, own in pairs)
        rows.append(row)
    return rows


HEAD = """\
| recorder | events | run without, ms CPU | added per run, ms CPU | per step | per pair of events | of the run | \
added, ms time | CPU against ours |
|---|---|---|---|---|---|---|---|---|"""


def show(row: dict[str, Any], case: Case) -> str:
    """A row of a table, in Markdown."""
    added, events = row["cpu_added"], row["heard"]
    pair = f"{added / (events / 2):.2f}" if events and "langsmith" not in row["kind"] else ""
    cells = [row["kind"], f"{events:.0f}" if pair else "", f"{row['cpu']:.2f}", f"**{added:.2f}**"]
    cells += [f"{added / (2 * case.turns + 1):.2f}", pair, f"{added / row['cpu']:.0%}", f"{row['wall_added']:.2f}"]
    cells.append(f"{row['cpu_added_ratio']:.1f}x")
    return f"| {' | '.join(cells)} |"


VOLUME_HEAD = """\
| tool calls | recorder | events | kB | kB per tool call | added per run, ms CPU |
|---|---|---|---|---|---|"""


def show_volume(row: dict[str, Any], case: Case) -> str:
    """A row of the table of volumes, in Markdown."""
    size = row["size"] / 1e3
    cells = [f"{case.turns}", row["kind"], f"{row['heard']:.0f}", f"{size:.0f}", f"{size / case.turns:.1f}"]
    cells.append(f"{row['cpu_added']:.1f}")
    return f"| {' | '.join(cells)} |"


def verdict(tables: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What we set ourselves, and whether it is met; one line each."""
    lines = []
    for title, rows in tables.items():
        added = {row["kind"]: row["cpu_added"] for row in rows}
        others = {kind: taken for kind, taken in added.items() if not kind.startswith("ours")}
        if others:
            least = min(others, key=lambda kind: others[kind])
            lines.append(_goal(f"{title}: least of all (next: {least})", added["ours"] / others[least], 1))
        for kind in ("ours", "ours, middleware") if "published" in others else ():
            if kind in added:
                lines.append(_goal(f"{title}: {kind}, of the published", added[kind] / others["published"], 0.5))
        row = next(row for row in rows if row["kind"] == "ours")
        lines.append(_goal(f"{title}: under 1 ms per pair of events", added["ours"] / (row["heard"] / 2), 1))
        if "history" in title:
            lines.append(_goal(f"{title}: under 10 % of the run", added["ours"] / row["cpu"], 0.1))
    return lines


def _goal(text: str, value: float, most: float) -> str:
    return f"* {text}: {value:.2f}, {'met' if value <= most else 'MISSED'}"


def subjects_for(options: argparse.Namespace) -> list[Subject]:
    """A process for each recorder that can be had here; what cannot is named on standard error."""
    pythons = dict.fromkeys(OURS, Path(sys.executable))
    theirs = interpreter(framework())
    if theirs is not None:
        pythons.update(dict.fromkeys(PUBLISHED, theirs))
    for kind, competitor in PINNED.items() if options.competitors else ():
        python, problem = provide(f"bench-{kind}", [*competitor.requirements, *framework()])
        if problem:
            print(f"skipped: {kind}: {problem}", file=sys.stderr)
        else:
            pythons[kind] = python
    wanted = {"ours", "ours, file", *options.kind} if options.kind else set(pythons)
    return [Subject(kind, python) for kind, python in pythons.items() if kind in wanted]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds per table (default 5)")
    parser.add_argument("--competitors", action="store_true", help="install and measure other recorders, too")
    parser.add_argument("--kind", action="append", choices=[*OURS, *PUBLISHED, *PINNED], help="only this; repeatable")
    parser.add_argument("--mode", choices=("sync", "async"), help="only this mode")
    parser.add_argument("--history", type=int, choices=(0, 200), help="only with so many messages of history")
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    return parser.parse_args()


def main() -> None:
    """Measure, and print."""
    options = parse()
    if not framework():
        sys.exit("bench_adapters.py needs langchain and langgraph here: run it with the workspace's venv")
    subjects = subjects_for(options)

    def say(text: str) -> None:
        if not options.json:
            print(text, flush=True)

    about = f"{' '.join(framework()[:3])}, nemo-relay {VERSION} as the published"
    say(f"{describe()}; {about}; median of {options.rounds} rounds")
    tables: dict[str, list[dict[str, Any]]] = {}
    for case in CASES:
        if options.mode in (None, case.mode) and options.history in (None, case.history):
            tables[case.title()] = compare(subjects, case, options.rounds)
            say(f"\n**{case.title()}**\n\n{HEAD}")
            for row in tables[case.title()]:
                say(show(row, case))
    say("\n" + "\n".join(verdict(tables)))
    writers, volumes = [subject for subject in subjects if subject.kind in VOLUME_KINDS], {}
    say(f"\n**Volume of the file**\n\n{VOLUME_HEAD}")
    for case in VOLUMES:
        volumes[case.turns] = compare(writers, case, min(3, options.rounds))
        for row in volumes[case.turns]:
            say(show_volume(row, case))
    for subject in subjects:
        subject.close()
    if options.json:
        print(json.dumps({"machine": describe(), "about": about, "tables": tables, "volume": volumes}, indent=2))


if __name__ == "__main__":
    main()
