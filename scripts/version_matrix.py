# SPDX-License-Identifier: Apache-2.0
"""Run the adapters' tests on the oldest and the newest frameworks that their metadata admits.

    python scripts/version_matrix.py lowest [pytest arguments]

Each entry of the matrix is a venv under ``.build/``, made anew each time: what is new in the registry counts for
``newest``, the day of ``exclude-newer`` only for the others. Where the registry is out of reach it says so and exits
with 75.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import uv

from workspace import ROOT, read_toml

OUT_OF_REACH = 75
# How uv says that it did not get through to the registry; any other failure is ours.
UNREACHABLE = re.compile(r"error sending request|failed to fetch|network was disabled", re.IGNORECASE)
ADAPTERS = ("integrations/langchain[agents]", "integrations/langgraph", "integrations/deepagents")


class Entry(NamedTuple):
    """Which adapters, resolved how, and which tests they must pass."""

    adapters: tuple[str, ...]
    resolution: str
    tests: tuple[str, ...]


_WITHOUT_AGENTS = tuple(
    f"integrations/langchain/tests/test_{name}.py" for name in ("chains", "context", "ends", "safety")
)
MATRIX = {
    # LangChain's agents ask for a newer langchain-core than plain runnables need.
    "lowest-plain": Entry(("integrations/langchain",), "lowest-direct", _WITHOUT_AGENTS),
    "lowest": Entry(ADAPTERS, "lowest-direct", ("integrations", "tests/parentage")),
    "newest": Entry(ADAPTERS, "highest", ("integrations", "tests/parentage")),
}


class RegistryOutOfReach(RuntimeError):
    """uv did not get through to the package registry."""


def provide(name: str) -> dict[str, str]:
    """Make the venv of an entry; returns what is installed in it, by name."""
    entry, folder = MATRIX[name], ROOT / ".build" / name
    _uv("venv", "--clear", "--python", sys.executable, str(folder))
    editable = [word for path in ("core", *entry.adapters) for word in ("--editable", str(ROOT / path))]
    _install(name, "--resolution", entry.resolution, *editable)
    # The tools come afterwards and as they are everywhere, without moving what is under test.
    pins = [f"{package}=={version}" for package, version in _installed(name).items() if "nemo-relay" not in package]
    tools = [tool for tool in _tools() if entry.adapters == ADAPTERS or not tool.startswith("langchain")]
    _install(name, *pins, *tools, "--editable", str(ROOT / "packages/provider"))
    return _installed(name)


def run(name: str, *arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """The tests of an entry, in its venv, on two processes."""
    command = [str(_python(name)), "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", *arguments, *MATRIX[name].tests]
    return subprocess.run(
        command, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, text=True, capture_output=capture
    )


def _tools() -> list[str]:
    group: list[str] = read_toml(ROOT / "pyproject.toml")["dependency-groups"]["dev"]
    return group


def _python(name: str) -> Path:
    return ROOT / ".build" / name / "bin" / "python"


def _install(name: str, *arguments: str) -> None:
    fresh = MATRIX[name].resolution == "highest"
    day = "" if fresh else read_toml(ROOT / "pyproject.toml")["tool"]["uv"]["exclude-newer"]
    _uv("pip", "install", "--python", str(_python(name)), *arguments, day=day)


def _installed(name: str) -> dict[str, str]:
    lines = _uv("pip", "list", "--python", str(_python(name)), "--format", "freeze").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def _uv(*arguments: str, day: str = "") -> str:
    env = _environment() | ({"UV_EXCLUDE_NEWER": day} if day else {})
    command = [uv.find_uv_bin(), *arguments, "--quiet", "--no-config"]
    if arguments[:2] == ("pip", "list"):
        command.remove("--quiet")  # it silences the list, too
    ended = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ended.returncode and UNREACHABLE.search(ended.stderr):
        raise RegistryOutOfReach(ended.stderr.strip().splitlines()[-1].strip())
    if ended.returncode:
        raise RuntimeError(f"uv {' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def _environment() -> dict[str, str]:
    """Ours, without what an interpreter or a pytest around us put there."""
    foreign = ("PYTHON", "PYTEST", "VIRTUAL_ENV", "UV_EXCLUDE_NEWER", "UV_PROJECT", "UV_RESOLUTION")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)}


def main() -> int:
    """Build one entry, say what it consists of, run its tests."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in MATRIX:
        sys.exit(f"version_matrix.py: {name!r} is none of {', '.join(MATRIX)}")
    try:
        found = provide(name)
    except RegistryOutOfReach as error:
        print(f"skipped: the package registry is out of reach: {error}", file=sys.stderr)
        return OUT_OF_REACH
    shown = ("langchain-core", "langchain", "langgraph", "deepagents", "msgspec")
    print(f"{name}:", ", ".join(f"{each} {found[each]}" for each in shown if each in found), flush=True)
    return run(name, *arguments).returncode


if __name__ == "__main__":
    sys.exit(main())
