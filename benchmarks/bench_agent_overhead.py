# SPDX-License-Identifier: Apache-2.0
"""What recording to the file costs a short agent: CPU of the same run with and without us, in turn, in one process.

An agent of five tool calls, 11 steps, on a model that answers at once: the least that a run can do beside being
recorded. Each round measures both, and the median of the rounds' ratios counts.
"""

from __future__ import annotations

import argparse
import statistics

from agent_program import measure
from recorders import RECORDERS

TURNS = 5  # tool calls: 11 steps


def rounds(mode: str, count: int, runs: int) -> list[tuple[float, float]]:
    """Milliseconds of processor time per run, without and with us, of each round."""
    recorder = RECORDERS["ours, file"]()
    made = []
    for number in range(count + 1):
        taken = {on: measure(recorder, mode, 0, TURNS, runs, on)["cpu"] for on in (number % 2 == 0, number % 2 != 0)}
        made.append((taken[False] / runs * 1_000, taken[True] / runs * 1_000))
    return made[1:]  # the first one loads and compiles


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=5, help="runs of the agent each time")
    options = parser.parse_args()
    print("| run | without, ms CPU | with, ms CPU | ratio |\n|---|---|---|---|")
    for mode in ("sync", "async"):
        pairs = rounds(mode, options.rounds, options.runs)
        without, recorded = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(on / off for off, on in pairs)
        print(f"| {mode} | {without:.1f} | {recorded:.1f} | **{ratio:.2f}x** |", flush=True)


if __name__ == "__main__":
    main()
