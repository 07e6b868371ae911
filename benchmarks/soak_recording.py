# SPDX-License-Identifier: Apache-2.0
"""Is every trajectory there, and the process no bigger, after very many agents under ``record()``?

Two kinds of load: many short agents of one model call, and one agent of as many calls. Either on a disk with room, or
(``--disk-full``) on one that is full in the middle, for as long as what waits has room in memory. Prints the CPU time
of an agent and resident memory as it goes, and what is on disk in the end. Exit code 1 when a trajectory is missing or
not valid, an event or a step is missing, the last fifth of the agents cost more than twice what the second did, or
memory grows by more than the allowed slope.

    python benchmarks/soak_recording.py                               # 100,000 short agents
    python benchmarks/soak_recording.py --load long --disk-full       # as root: the disk is a tmpfs of its own
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from nemo_relay import LLMRequest, ScopeType, llm, scope
from nemo_relay.atif import read_events
from nemo_relay.recording import Recording, record
from soak import resident_bytes, slope

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
from small_disk import fill, small_disk

PARTS = 20  # the work is looked at so often
FULL_FOR = 2_000  # agents or calls: 8,000 events at the most, of the 10,000 that may wait for the disk
BEHIND = 500  # trajectories that may wait for their writer when memory is looked at
ALLOWED_SLOPE = 200.0  # bytes an agent, or a call of the long one
ALLOWED_COST = 2.0  # the last fifth of the work against the second
KILOBYTES = 6.0  # an agent's events and trajectory take no more on a disk


class Sample(NamedTuple):
    """After a part of the work."""

    done: int
    cpu: float  # seconds of the process for one agent, or one call, of this part
    resident: int


def ask(number: int) -> None:
    """One model call."""
    request = LLMRequest({}, {"messages": [{"role": "user", "content": f"question {number}"}]})
    llm.execute_sync("m", request, lambda _: {"choices": [{"message": {"role": "assistant", "content": f"{number}"}}]})


def agent(number: int) -> None:
    """One short agent."""
    with scope.scope("agent", ScopeType.Agent):
        ask(number)


def catch_up(recording: Recording) -> None:
    """Wait until few trajectories wait for their writer, or no more of them are written: the disk may be full."""
    before = -1
    while len(recording.missing) not in (before, *range(BEHIND)):
        before = len(recording.missing)
        time.sleep(0.5)


def work(recording: Recording, load: str, count: int, at: dict[int, Any]) -> Iterator[Sample]:
    """Do it, and tell of each part; ``at`` says what happens before which agent or call."""
    step = agent if load == "short" else ask
    size = count // PARTS
    for part in range(PARTS):
        before = time.process_time()
        for number in range(part * size, (part + 1) * size):
            if number in at:
                at[number]()
            step(number)
        catch_up(recording)
        gc.collect()
        yield Sample((part + 1) * size, (time.process_time() - before) / size, resident_bytes())


@contextmanager
def disk(full: bool, count: int) -> Iterator[Path]:
    """A folder; one of a disk of its own where it is to be filled."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "disk"
        if not full:
            yield folder
            return
        with small_disk(folder, int(count * KILOBYTES) + 4_000) as mounted:
            yield mounted


def run(load: str, count: int, folder: Path, *, full: bool) -> tuple[Recording, list[Sample]]:
    """The work under one recording."""
    ballast: list[Path] = []
    middle = count // 2
    at = {middle: lambda: ballast.append(fill(folder)), middle + FULL_FOR: lambda: ballast.pop().unlink()}
    with record(folder) as recording:
        if load == "short":
            return recording, list(work(recording, load, count, at if full else {}))
        with scope.scope("agent", ScopeType.Agent):
            return recording, list(work(recording, load, count, at if full else {}))


def answers_of(document: dict[str, Any]) -> list[str]:
    """What the model said in a trajectory, which must be a valid one."""
    steps = document["steps"]
    assert document["schema_version"].startswith("ATIF-v1.")
    assert document["session_id"]
    assert [step["step_id"] for step in steps] == list(range(1, len(steps) + 1))
    assert {step["source"] for step in steps} == {"user", "agent"}
    return [str(step["message"]) for step in steps if step["source"] == "agent"]


def faults_of(recording: Recording, load: str, count: int) -> list[str]:
    """What is not as it should be on the disk."""
    found = []
    if recording.error is not None or recording.dropped or recording.missing:
        found.append(f"{recording.error!r}, {recording.counters}, {len(recording.missing)} missing")
    with recording.events_path.open("rb") as lines:
        written = sum(len(read_events([line])) for line in lines)  # a line that the full disk tore stands there again
    expected = 4 * count if load == "short" else 2 * count + 2
    if written != expected:
        found.append(f"{written} events instead of {expected}")
    answers: list[str] = []
    for path in (recording.directory / "atif").iterdir():
        answers += answers_of(json.loads(path.read_bytes()))
    if sorted(answers, key=float) != [f"{number}" for number in range(count)]:
        found.append(f"{len(answers)} answers, {len(set(answers))} different ones, instead of {count}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the soak; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--load", choices=("short", "long"), default="short")
    parser.add_argument("--count", type=int, default=100_000, help="short agents, or calls of the long one")
    parser.add_argument("--disk-full", action="store_true")
    parser.add_argument("--slope", type=float, default=ALLOWED_SLOPE, help="bytes each that memory may grow by")
    options = parser.parse_args(arguments)
    count = options.count // PARTS * PARTS
    with disk(options.disk_full, count) as folder:
        started = time.monotonic()
        recording, samples = run(options.load, count, folder, full=options.disk_full)
        took = time.monotonic() - started
        for sample in samples[:: PARTS // 10]:
            print(f"{sample.done:>8}  {sample.cpu * 1e6:7.1f} us each  {sample.resident / 1e6:7.1f} MB")
        found = faults_of(recording, options.load, count)
    growth = slope((sample.done, sample.resident) for sample in samples[PARTS // 3 :])
    fifth = PARTS // 5
    early, late = (sum(sample.cpu for sample in part) for part in (samples[fifth : 2 * fifth], samples[-fifth:]))
    ratio = late / early
    print(f"{count} in {took:.1f} s; memory {growth:+.1f} bytes each; last fifth against the second: {ratio:.2f}")
    found += [f"memory grows by {growth:.1f} bytes each"] * (growth > options.slope)
    found += [f"the last fifth costs {ratio:.2f} times the second"] * (ratio > ALLOWED_COST)
    print("\n".join(found) or "every event and trajectory is there, and valid")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
