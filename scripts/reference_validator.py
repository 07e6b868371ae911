# SPDX-License-Identifier: Apache-2.0
"""Harbor's own validator of trajectories, in a venv of its own: it needs Python 3.12 and many packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from workspace import ROOT

HARBOR = "harbor==0.24.0"
VENV = ROOT / ".build" / "harbor"

PROGRAM = """
import sys
from pathlib import Path
from harbor.utils.trajectory_validator import TrajectoryValidator

bad = 0
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    validator = TrajectoryValidator()
    if not validator.validate(path, validate_images=path.name not in sys.argv[2:]):
        bad += 1
        print(path.name, *validator.errors, sep="\\n  ")
sys.exit(bool(bad))
"""


class Unavailable(Exception):
    """There is no validator here; the message says why."""


def complaints(folder: Path, *without_images: str) -> str:
    """What the validator has against the documents in ``folder``; empty when all are valid.

    The images that the documents named in ``without_images`` refer to need not be there.

    Raises:
        Unavailable: there is no Python 3.12, or harbor cannot be installed.
    """
    done = subprocess.run([_python(), "-c", PROGRAM, str(folder), *without_images], capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


def _python() -> str:
    """A Python with harbor: the one that the environment names, else that of a venv made for it once."""
    named = os.environ.get("NEMO_RELAY_HARBOR_PYTHON")
    if named:
        return named
    python, ready = VENV / "bin" / "python", VENV / ".ready"
    if not ready.exists():
        _install(python)
        ready.touch()
    return str(python)


def _install(python: Path) -> None:
    base = shutil.which("python3.12")
    if base is None or subprocess.run([base, "-c", ""], capture_output=True).returncode:
        raise Unavailable("harbor needs Python 3.12: there is no python3.12, and NEMO_RELAY_HARBOR_PYTHON names none")
    subprocess.run([base, "-m", "venv", "--clear", str(VENV)], check=True)
    done = subprocess.run([str(python), "-m", "pip", "install", "-q", HARBOR], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{HARBOR} cannot be installed here: {done.stderr[-300:]}")
