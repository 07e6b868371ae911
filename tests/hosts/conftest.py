# SPDX-License-Identifier: Apache-2.0
"""Hosts that nobody here wrote, each in a venv of its own with our core wheel, and run as they come."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uv

import wheels as wheel_builder
from workspace import ROOT, read_toml

HERMES = "hermes-agent==0.19.0"
RUN_SECONDS = 120
ATOF = Path("atof", "events.jsonl")
WITNESS = Path(__file__).parent / "hermes_witness"
# How uv says that it did not get through to the registry; any other failure is ours.
UNREACHABLE = re.compile(r"error sending request|failed to fetch|network was disabled", re.IGNORECASE)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A file of one JSON object a line; no file is no lines."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


@dataclass(frozen=True)
class HostRun:
    """What one run of a host left behind."""

    code: int
    stdout: str
    stderr: str
    log: str
    home: Path
    events: list[dict[str, Any]]
    hooks: list[dict[str, Any]]

    def told(self, hook: str) -> list[dict[str, Any]]:
        """What the host told its plugins under that name."""
        return [entry for entry in self.hooks if entry["hook"] == hook]

    def scopes(self, category: str, phase: str) -> list[dict[str, Any]]:
        """The start or end events of one category."""
        return [e for e in self.events if e["category"] == category and e.get("scope_category") == phase]


class HermesHome:
    """A throw-away home: hermes knows one provider, on loopback, and two plugins, Relay's and ours."""

    def __init__(self, venv: Path, home: Path, provider_url: str, plugins_toml: str = "") -> None:
        self.venv = venv
        self.home = home
        self.plugins_toml = plugins_toml  # when there is one, Relay is set up by it and by nothing else
        self.work = home / "work"
        self.work.mkdir(parents=True)
        shutil.copytree(WITNESS, home / "plugins" / "witness", ignore=shutil.ignore_patterns("__pycache__"))
        model = {"provider": "custom", "base_url": provider_url, "api_key": "none"}
        config = {
            "model": {**model, "default": "scripted-1"},
            "delegation": {**model, "model": "scripted-1", "max_spawn_depth": 2},
            "plugins": {"enabled": ["observability/nemo_relay", "witness"]},
            # The plugin reports its failures at this level and nowhere else.
            "logging": {"level": "DEBUG"},
        }
        (home / "config.yaml").write_text(json.dumps(config), encoding="utf-8")

    def run(self, *args: str) -> HostRun:
        """Runs `hermes` with these arguments to its end."""
        command = [str(self.venv / "bin" / "hermes"), *args, "--provider", "custom", "-m", "scripted-1"]
        ended = subprocess.run(
            command,
            cwd=self.work,
            env=self._environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=RUN_SECONDS,
        )
        log = self.home / "logs" / "agent.log"
        return HostRun(
            ended.returncode,
            ended.stdout,
            ended.stderr,
            log.read_text(encoding="utf-8") if log.exists() else "",
            self.home,
            read_lines(self.home / ATOF),
            read_lines(self.home / "witness.jsonl"),
        )

    def _environment(self) -> dict[str, str]:
        # Nothing listens on the discard port: whatever hermes would fetch from outside fails at once.
        nowhere = "http://127.0.0.1:9"
        return {
            "HOME": str(self.home),
            "HERMES_HOME": str(self.home),
            "PATH": f"{self.venv / 'bin'}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1",
            "WITNESS_FILE": str(self.home / "witness.jsonl"),
            **(self._managed() if self.plugins_toml else self._direct()),
        }

    def _managed(self) -> dict[str, str]:
        path = self.home / "plugins.toml"
        path.write_text(self.plugins_toml.replace("HOME", str(self.home)), encoding="utf-8")
        return {"HERMES_NEMO_RELAY_PLUGINS_TOML": str(path)}

    def _direct(self) -> dict[str, str]:
        return {
            "HERMES_NEMO_RELAY_ATOF_ENABLED": "1",
            "HERMES_NEMO_RELAY_ATOF_OUTPUT_DIRECTORY": str(self.home / ATOF.parent),
            "HERMES_NEMO_RELAY_ATOF_FILENAME": ATOF.name,
            "HERMES_NEMO_RELAY_ATIF_ENABLED": "1",
            "HERMES_NEMO_RELAY_ATIF_OUTPUT_DIRECTORY": str(self.home / "atif"),
            "HERMES_NEMO_RELAY_ATIF_FILENAME_TEMPLATE": "{session_id}.json",
        }


@pytest.fixture(scope="session")
def hermes_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with hermes as the registry has it, and with our core wheel as the `nemo-relay` it asks for."""
    if sys.version_info >= (3, 14):
        pytest.skip(f"{HERMES} needs a Python older than 3.14, this is {sys.version.split()[0]}")
    folder = tmp_path_factory.mktemp("hermes")
    # HOSTS_RELAY="nemo-relay==0.10.4" shows what these tests say of another package.
    parts = ("core", *(f"packages/{name}" for name in ("codecs", "configuration", "projections", "records")))
    ours = [wheel_builder.build(ROOT / path, folder / "wheels") for path in parts]
    relay = [os.environ["HOSTS_RELAY"]] if os.environ.get("HOSTS_RELAY") else [str(wheel) for wheel in ours]
    venv = folder / "venv"
    _uv("venv", "--python", sys.executable, str(venv))
    name, _, version = HERMES.partition("==")
    _uv("pip", "install", "--python", str(venv / "bin" / "python"), f"{name}[nemo-relay]=={version}", *relay)
    return venv


def _uv(*args: str) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env["UV_EXCLUDE_NEWER"] = read_toml(ROOT / "pyproject.toml")["tool"]["uv"]["exclude-newer"]
    command = [uv.find_uv_bin(), *args, "--quiet", "--no-config"]
    run = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if run.returncode and UNREACHABLE.search(run.stderr):
        pytest.skip(f"the package registry is out of reach: {run.stderr.splitlines()[-1].strip()}")
    assert run.returncode == 0, f"uv {' '.join(args)} failed:\n{run.stdout}{run.stderr}"


@pytest.fixture(scope="session")
def hermes_home() -> type[HermesHome]:
    return HermesHome
