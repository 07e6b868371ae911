# SPDX-License-Identifier: Apache-2.0
"""Build the wheel of every distribution into one folder: `python scripts/wheels.py dist`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from workspace import Distribution, distributions

# The build hook of a distribution's own back end, called as a front end would, in a process of its own.
BUILD = "import sys; from hatchling.build import build_{0}; print(build_{0}(sys.argv[1]))"


def build(source: Path, target: Path, kind: str = "wheel") -> Path:
    """Build `kind` ("wheel" or "sdist") of the distribution in `source`; returns the file it made."""
    target = target.resolve()
    target.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", BUILD.format(kind), str(target)]
    run = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"hatchling could not build {source}:\n{run.stdout}{run.stderr}")
    return target / run.stdout.split()[-1]


def build_all(target: Path, dists: list[Distribution] | None = None) -> dict[str, Path]:
    """Distribution name -> its wheel."""
    return {dist.name: build(dist.path, target) for dist in dists or distributions()}


if __name__ == "__main__":
    for wheel in build_all(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")).values():
        print(wheel)
