# SPDX-License-Identifier: Apache-2.0
"""What it costs to have the package at all: the time of ``import nemo_relay``, and the size of the core's wheel."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

CORE = Path(__file__).resolve().parent.parent / "core"
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
STARTS = 3  # fresh processes per round and side


def measure(published: Path | None, rounds: int) -> dict[str, Any]:
    """``import``: milliseconds beyond the bare interpreter, per side, and their ratios; ``wheel_bytes``."""
    sides = {"ours": Path(sys.executable)} | ({} if published is None else {"published": published})
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for name, python in sides.items():
        _start(python, "import nemo_relay")  # its bytecode is written now
        for _ in range(rounds):
            taken[name].append(_beyond_bare(python))
    row: dict[str, Any] = {
        name: {"cpu": median(cpu for cpu, _ in runs), "wall": median(wall for _, wall in runs)}
        for name, runs in taken.items()
    }
    if published is not None:
        for index, key in enumerate(("cpu", "wall")):
            pairs = zip(taken["published"], taken["ours"], strict=True)
            row[f"{key}_ratio"] = median(their[index] / own[index] for their, own in pairs)
    return {"import": row, "wheel_bytes": wheel_bytes()}


def _beyond_bare(python: Path) -> tuple[float, float]:
    """Milliseconds of processor time and of time, beyond what the interpreter alone takes."""
    cpu = wall = 0.0
    for _ in range(STARTS):
        for code, sign in (("import nemo_relay", 1), ("pass", -1)):
            more_cpu, more_wall = _start(python, code)
            cpu, wall = cpu + sign * more_cpu, wall + sign * more_wall
    return cpu / STARTS * 1e3, wall / STARTS * 1e3


def _start(python: Path, code: str) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([python, "-c", code], check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def wheel_bytes() -> int:
    """The size of the core's wheel, built now."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", BUILD, folder]
        run = subprocess.run(command, cwd=CORE, capture_output=True, text=True, check=True)
        return (Path(folder) / run.stdout.split()[-1]).stat().st_size


def show(found: dict[str, Any]) -> str:
    """Both as text."""
    row = found["import"]
    line = f"import nemo_relay: {row['ours']['cpu']:.1f} ms CPU, {row['ours']['wall']:.1f} ms"
    if "published" in row:
        their = row["published"]
        line += f"; published {their['cpu']:.1f} ms CPU, {their['wall']:.1f} ms"
        line += f"; we take 1/{row['cpu_ratio']:.1f} of the CPU, 1/{row['wall_ratio']:.1f} of the time (target 1/3)"
    return f"{line}\ncore wheel: {found['wheel_bytes'] / 1000:.0f} kB (target: under 300 kB)"
