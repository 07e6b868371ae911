# SPDX-License-Identifier: Apache-2.0
"""Wheels built once a session, and clean venvs outside the checkout to install them in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uv

import wheels as wheel_builder
from workspace import ROOT, distributions, read_toml


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dist" in metafunc.fixturenames:
        metafunc.parametrize("dist", distributions(), ids=lambda dist: dist.name)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Distribution name -> its wheel."""
    return wheel_builder.build_all(tmp_path_factory.mktemp("wheels"))


class CleanVenv:
    """A venv that sees our wheels and the package registry, and nothing of the checkout."""

    def __init__(self, path: Path, wheels: Path) -> None:
        self.path = path
        ours = ("PYTHON", "VIRTUAL_ENV")
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self.env["UV_FIND_LINKS"] = str(wheels)
        self.env["UV_EXCLUDE_NEWER"] = read_toml(ROOT / "pyproject.toml")["tool"]["uv"]["exclude-newer"]
        self.uv("venv", "--python", sys.executable, str(path))

    @property
    def python(self) -> str:
        return str(self.path / "bin" / "python")

    def install(self, *requirements: str) -> None:
        self.uv("pip", "install", "--python", self.python, *requirements)

    def uv(self, *args: str) -> None:
        self.run(uv.find_uv_bin(), "--quiet", "--no-config", *args)

    def execute(self, program: str, *args: str) -> str:
        """Run Python code there, isolated and with warnings as errors; returns what it prints."""
        return self.run(self.python, "-I", "-W", "error", "-c", program, *args)

    def run(self, *command: str) -> str:
        run = subprocess.run(
            command,
            cwd=self.path.parent,
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert run.returncode == 0, f"{command[:3]} failed:\n{run.stdout}{run.stderr}"
        return run.stdout


@pytest.fixture
def clean_venv(tmp_path: Path, wheels: dict[str, Path]) -> Callable[[], CleanVenv]:
    folder = next(iter(wheels.values())).parent
    return lambda: CleanVenv(tmp_path / "venv", folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker builds the wheels, and uses them."""
    for item in items:
        if "wheels" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("wheels"))
