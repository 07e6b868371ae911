# SPDX-License-Identifier: Apache-2.0
"""Do the small programs that once showed a fault of the runtime still run as they should, again and again?

The programs stand beside the repository (``../shared/data/faults/runtime``) and are run as they are, but for what has
moved since they were written. Each run has a folder and a time-out of its own. Exit code 1 when one showed its fault.

    python scripts/fault_programs.py --times 20 --stress 4      # with `stress-ng --cpu 4` beside it
    python scripts/fault_programs.py --times 1 g1 r4
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from workspace import ROOT

PROGRAMS = ROOT.parent / "shared" / "data" / "faults" / "runtime"
TIMEOUT = 300.0  # seconds: a hang, not a measure
GROWTH_MB = 400  # what waits is bounded to less
QUADRATIC = 2.5  # the last part of the work costs no more than that many times the first
R5 = (
    (
        "nemo_relay._runtime.trajectories import TrajectoryFiles",
        "nemo_relay._runtime.delivery.sessions import Sessions",
    ),
    ("f=TrajectoryFiles(Path(d))", "f=Sessions(Path(d),lambda uuid: True)"),
    ("f.hear(e)", "f.take(e.to_json().encode())"),
)


@dataclass(frozen=True)
class Program:
    """One of them.

    Attributes:
        faults: their numbers in the list.
        arguments: ``DIR`` stands for its folder.
        is_well: whether the output of a run is as it should be.
        edits: what is put in the place of what has moved.
    """

    faults: str
    arguments: tuple[str, ...]
    is_well: Callable[[str], bool]
    edits: tuple[tuple[str, str], ...] = ()


def says(*texts: str) -> Callable[[str], bool]:
    """Whether the output has each of these."""
    return lambda output: all(text in output for text in texts)


def numbers(output: str) -> list[float]:
    """The numbers in it, in order."""
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", output)]


def has_grown_little(output: str) -> bool:
    """Whether ``rss 10 -> 300`` is within bounds."""
    found = re.search(r"(\d+) -> (\d+)", output)
    return found is not None and int(found[2]) - int(found[1]) < GROWTH_MB


def is_linear(output: str) -> bool:
    """Whether no part of the work cost much more than the one before all others."""
    costs = [float(found) for found in re.findall(r"agents CPU (\d+\.\d+)", output)]
    return len(costs) == 4 and costs[-1] <= QUADRATIC * max(costs[0], 0.05)


def kept_its_steps(output: str) -> bool:
    """Whether the parent's document is the same before and after the end of the child."""
    found = numbers(output)
    return len(found) == 2 and found[0] == found[1] == 100


CASES = {
    "g1": Program("R1", ("DIR",), says("still open: True size of its file: 9", "application can still write")),
    "g2": Program("R2", ("DIR", "2"), says("victim files that got event lines 0")),
    "g3": Program("R12", ("DIR",), says("application error survives", "success survives")),
    "g4": Program("R6", ("DIR",), kept_its_steps),
    "g5": Program("R27", ("3000",), says("pushed 3000", "s for one call")),
    "g8": Program("R13", ("DIR",), says("mode 0o600 dir 0o700 victim bytes 9", "refusing symlinked")),
    "h1": Program("R8", ("20000",), has_grown_little, (("import sys,", "import tempfile, sys,"),)),
    "h3b": Program("R10", (), says("survived"), (("<25:", "<5:"),)),
    "l1": Program("R21", ("blocked_big", "DIR"), has_grown_little),
    "p3": Program("R20", ("DIR", "3"), lambda output: output.count("{'opened':") == 2 and "SinkError" not in output),
    "r4": Program("R3", ("DIR", "2000"), says("told 2000 dropped 0", "files on disk 2000 drafts 0 rc 0")),
    "r5": Program("R5", (), is_linear, R5),
}


def run(key: str, folder: Path) -> str | None:
    """One run of a program; what it said where that is not as it should be."""
    case = CASES[key]
    text = (PROGRAMS / f"{key}.py").read_text(encoding="utf-8")
    for before, after in case.edits:
        assert before in text, f"{key}.py has no {before!r}"
        text = text.replace(before, after)
    program, home = folder / f"{key}.py", folder / "files"
    program.write_text(text, encoding="utf-8")
    arguments = [str(home) if argument == "DIR" else argument for argument in case.arguments]
    command = [sys.executable, str(program), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=folder)
    except subprocess.TimeoutExpired as error:
        return f"no end within {TIMEOUT:.0f} s: {error.stdout!r}"
    well = done.returncode == 0 and case.is_well(done.stdout + done.stderr)
    return None if well else f"exit code {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}"


@contextmanager
def busy(processors: int) -> Iterator[None]:
    """A machine that has other things to do as well."""
    if not processors:
        yield
        return
    other = subprocess.Popen(["stress-ng", "--cpu", str(processors), "--quiet"])
    try:
        yield
    finally:
        other.terminate()
        other.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run them; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("programs", nargs="*", default=[], help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--stress", type=int, default=0, help="processors that stress-ng keeps busy meanwhile")
    parser.add_argument("--parallel", type=int, default=4, help="programs at a time")
    parser.add_argument("--seconds", type=float, default=570.0, help="no run begins after that")
    options = parser.parse_args(arguments)
    if not PROGRAMS.is_dir():
        print(f"there are no programs here: {PROGRAMS} is missing")
        return 0
    runs, wrong, until = Counter[str](), Counter[str](), monotonic() + options.seconds

    def one(key: str) -> None:
        if monotonic() > until:
            return
        folder = Path(tempfile.mkdtemp())
        try:
            complaint = run(key, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        runs[key] += 1
        if complaint is not None:
            wrong[key] += 1
            print(f"{key} ({CASES[key].faults}) shows its fault: {complaint}", flush=True)

    with busy(options.stress), ThreadPoolExecutor(options.parallel) as pool:
        list(pool.map(one, (options.programs or list(CASES)) * options.times))
    for key in options.programs or CASES:
        print(f"{key:4} {CASES[key].faults:4} {runs[key]:3} runs, {wrong[key]} with the fault")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
