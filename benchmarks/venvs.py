# SPDX-License-Identifier: Apache-2.0
"""Venvs of their own for what is compared with us: under ``.build/``, made when they are first asked for."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / ".build"
VERSIONS = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"

# What an agent run is made of: everybody gets the versions that we have here.
FRAMEWORK = (
    "langchain",
    "langchain-core",
    "langgraph",
    "langgraph-checkpoint",
    "langgraph-prebuilt",
    "langsmith",
    "orjson",
    "pydantic",
)


def framework() -> tuple[str, ...]:
    """The framework's requirements, pinned to the versions of this venv; empty where it is not installed."""
    try:
        return tuple(f"{name}=={importlib.metadata.version(name)}" for name in FRAMEWORK)
    except importlib.metadata.PackageNotFoundError:
        return ()


def missing(python: Path, requirements: Iterable[str]) -> list[str]:
    """The pinned requirements that this interpreter does not have."""
    if not python.exists():
        return list(requirements)
    run = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True)
    found: dict[str, str] = json.loads(run.stdout) if run.returncode == 0 else {}
    pinned = {each: each.split("==") for each in requirements}
    return [each for each, (name, version) in pinned.items() if found.get(name.partition("[")[0]) != version]


def provide(name: str, requirements: Iterable[str]) -> tuple[Path, str]:
    """The interpreter of ``.build/<name>`` with these pinned requirements, and what went wrong (empty: nothing).

    The venv stands on the interpreter that our own venv stands on.
    """
    wanted, python = list(requirements), BUILD / name / "bin" / "python"
    if not missing(python, wanted):
        return python, ""
    base: str = getattr(sys, "_base_executable", sys.executable)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    for command in ([base, "-m", "venv", str(BUILD / name)], pip):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            return python, f"it cannot be installed ({(run.stderr.strip().splitlines() or ['no reason given'])[-1]})"
    lacking = missing(python, wanted)
    return python, f"it has no {', '.join(lacking)}" if lacking else ""
