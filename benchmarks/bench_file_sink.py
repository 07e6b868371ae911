# SPDX-License-Identifier: Apache-2.0
"""Events into a file by a plugin document, against the published package: ``python benchmarks/bench_file_sink.py``.

Each package runs the same program in a process of its own, in alternating order: it activates the ``observability``
component with one file of events, emits ``--events`` (marks with a payload, in one agent), and closes. Counted are the
seconds and the processor time from the first event until ``close`` has returned, and the lines on disk. Ours masks
secrets in what it writes, which the published one does not; the pair without that is shown too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe
from published import VERSION, interpreter

PROGRAM = """
import asyncio, json, sys, time
from nemo_relay import ScopeType, plugin, scope

folder, count, more = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
sink = {"type": "file", "output_directory": folder, "filename": "events.jsonl", "mode": "overwrite", **more}
config = {"version": 4, "atof": {"enabled": True, "sinks": [sink]}}
data = {"city": "Lisbon", "units": "metric", "days": 3, "note": "word " * 20}

async def main():
    activation = await plugin.initialize({"components": [{"kind": "observability", "config": config}]})
    wall, cpu = time.perf_counter(), time.process_time()
    with scope.scope("agent", ScopeType.Agent):
        for _ in range(count - 2):
            scope.event("checkpoint", data=data)
    await activation.close()
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))

asyncio.run(main())
"""


def measure(python: Path, count: int, more: dict[str, Any]) -> dict[str, float]:
    """One run of one package; ``more`` are further fields of the sink."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), "-c", PROGRAM, folder, str(count), json.dumps(more)]
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        taken: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
        with open(Path(folder, "events.jsonl"), "rb") as file:
            lines = sum(1 for _ in file)
    if lines != count:
        raise RuntimeError(f"{python}: {lines} lines in the file, {count} events were emitted")
    return taken


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5, help="pairs (default 5)")
    options = parser.parse_args()
    published = interpreter()
    ours = Path(sys.executable)
    sides: dict[str, tuple[Path, dict[str, Any]]] = {"ours": (ours, {})}
    sides["ours, redact = false"] = (ours, {"redact": False})
    if published is not None:
        sides[f"nemo-relay {VERSION}"] = (published, {})
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for number in range(options.rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            runs[name].append(measure(sides[name][0], options.events, sides[name][1]))
    print(f"{describe()}; {options.events} events into a file; median of {options.rounds} rounds\n")
    print("| | events a second | µs CPU an event |" + (" events a second | CPU |" if published else ""))
    print("|---|---|---|" + ("---|---|" if published else ""))
    theirs = None if published is None else runs[f"nemo-relay {VERSION}"]
    for name, taken in runs.items():
        rate = options.events / median(run["wall"] for run in taken)
        cells = [name, f"{rate:,.0f}", f"{_cpu(taken, options.events):.1f}"]
        if theirs is not None:
            cells += [f"{_ratio(theirs, taken, key):.1f}x" for key in ("wall", "cpu")]
        print(f"| {' | '.join(cells)} |")


def _ratio(theirs: list[dict[str, float]], ours: list[dict[str, float]], key: str) -> float:
    return median(other[key] / own[key] for other, own in zip(theirs, ours, strict=True))


def _cpu(taken: list[dict[str, float]], events: int) -> float:
    return 1e6 * median(run["cpu"] for run in taken) / events


if __name__ == "__main__":
    main()
