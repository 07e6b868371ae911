# SPDX-License-Identifier: Apache-2.0
"""Where the published package is installed: in a venv of its own, since both packages are called ``nemo_relay``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VERSION = "0.10.4"
VARIABLE = "NEMO_RELAY_PUBLISHED_PYTHON"
VENV = Path(__file__).resolve().parent.parent / ".build" / "published"


def interpreter() -> Path | None:
    """The interpreter that has it: the one ``NEMO_RELAY_PUBLISHED_PYTHON`` names, else one made here; None (after a
    message) where it cannot be installed.
    """
    named = os.environ.get(VARIABLE)
    python = Path(named) if named else VENV / "bin" / "python"
    if _version(python) == VERSION:
        return python
    problem = f"{named!r} has no nemo-relay {VERSION}" if named else _install(python)
    if problem or _version(python) != VERSION:
        print(f"skipped: the comparison with nemo-relay {VERSION}: {problem}; only our side is shown", file=sys.stderr)
        print(f"         install it in a venv of its own and name its interpreter in {VARIABLE}", file=sys.stderr)
        return None
    return python


def _version(python: Path) -> str:
    if not python.exists():
        return ""
    code = "import importlib.metadata as m; print(m.version('nemo-relay'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def _install(python: Path) -> str:
    """Make the venv, on the interpreter that our own venv stands on; returns what went wrong."""
    base: str = getattr(sys, "_base_executable", sys.executable)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"nemo-relay=={VERSION}"]
    for command in ([base, "-m", "venv", str(VENV)], pip):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            return f"it cannot be installed ({(run.stderr.strip().splitlines() or ['no reason given'])[-1]})"
    return ""
