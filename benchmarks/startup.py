# SPDX-License-Identifier: Apache-2.0
"""What it costs to have the package at all: the time of ``import nemo_relay``, and the size of the core's wheel.

Ours is measured as a user has it: the wheel, unpacked into a venv with nothing but the core and msgspec, bytecode
written. In the workspace's own venv the import would find more to look at (``typing_extensions``, editable paths).
"""

from __future__ import annotations

import compileall
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path
from statistics import median
from typing import Any

CORE = Path(__file__).resolve().parent.parent / "core"
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
STARTS = 3  # fresh processes per round and side
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def measure(published: Path | None, rounds: int) -> dict[str, Any]:
    """``import``: milliseconds beyond the bare interpreter, per side, and their ratios; ``wheel_bytes``."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = _wheel(Path(folder))
        sides = {"ours": _installed(wheel, Path(folder) / "venv")}
        if published is not None:
            sides["published"] = published
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for python in sides.values():
            _start(python, "import nemo_relay")  # into the page cache
        for number in range(rounds):
            for name in list(sides)[:: -1 if number % 2 else 1]:
                taken[name].append(_beyond_bare(sides[name]))
        size = wheel.stat().st_size
    row: dict[str, Any] = {
        name: {key: median(run[key] for run in runs) for key in ("cpu", "wall")} for name, runs in taken.items()
    }
    if published is not None:
        for key in ("cpu", "wall"):
            pairs = zip(taken["published"], taken["ours"], strict=True)
            row[f"{key}_ratio"] = median(their[key] / own[key] for their, own in pairs)
    return {"import": row, "wheel_bytes": size}


def _beyond_bare(python: Path) -> dict[str, float]:
    """Milliseconds of processor time and of time, beyond what the interpreter alone takes."""
    cpu = wall = 0.0
    for _ in range(STARTS):
        for code, sign in (("import nemo_relay", 1), ("pass", -1)):
            more_cpu, more_wall = _start(python, code)
            cpu, wall = cpu + sign * more_cpu, wall + sign * more_wall
    return {"cpu": cpu / STARTS * 1e3, "wall": wall / STARTS * 1e3}


def _start(python: Path, code: str) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([python, "-c", code], check=True, env=ENVIRONMENT)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def _wheel(folder: Path) -> Path:
    """The core's wheel, built now."""
    command = [sys.executable, "-c", BUILD, str(folder)]
    run = subprocess.run(command, cwd=CORE, capture_output=True, text=True, check=True)
    return folder / run.stdout.split()[-1]


def _installed(wheel: Path, target: Path) -> Path:
    """The interpreter of a venv with the wheel and msgspec; made without a package index."""
    venv.create(target, symlinks=True)
    packages = next((target / "lib").glob("python3.*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    spec = importlib.util.find_spec("msgspec")
    assert spec is not None and spec.submodule_search_locations
    shutil.copytree(next(iter(spec.submodule_search_locations)), packages / "msgspec")
    compileall.compile_dir(packages, quiet=2)
    return target / "bin" / "python"


def show(found: dict[str, Any]) -> str:
    """Both as text."""
    row = found["import"]
    line = f"import nemo_relay: {row['ours']['cpu']:.1f} ms CPU, {row['ours']['wall']:.1f} ms"
    if "published" in row:
        their = row["published"]
        line += f"; published {their['cpu']:.1f} ms CPU, {their['wall']:.1f} ms"
        line += f"; we take 1/{row['cpu_ratio']:.1f} of the CPU, 1/{row['wall_ratio']:.1f} of the time (target 1/3)"
    return f"{line}\ncore wheel: {found['wheel_bytes'] / 1000:.0f} kB (target: under 300 kB)"
