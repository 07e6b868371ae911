# SPDX-License-Identifier: Apache-2.0
"""``NEMO_RELAY_PLUGINS``: a program that imports ``nemo_relay``, by itself or by an adapter, and nothing more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import threading
from nemo_relay import ScopeType, scope
with scope.scope("planner", ScopeType.Agent):
    pass
print(sorted(thread.name for thread in threading.enumerate()))
"""
DOCUMENT = """
[[components]]
kind = "observability"
[components.config.atof]
output_directory = "out"
filename = "events.jsonl"
"""


def run(folder: Path, value: str | None, **more: str) -> subprocess.CompletedProcess[str]:
    env = {name: text for name, text in os.environ.items() if not name.startswith("NEMO_RELAY")}
    env |= {"XDG_CONFIG_HOME": str(folder / "config"), **more}
    if value is not None:
        env["NEMO_RELAY_PLUGINS"] = value
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".nemo-relay").mkdir()
    (tmp_path / ".nemo-relay" / "plugins.toml").write_text(DOCUMENT)
    return tmp_path


@pytest.mark.parametrize("value", ["1", "true", ".nemo-relay/plugins.toml"])
def test_it_switches_the_files_on(project: Path, value: str) -> None:
    done = run(project, value)
    assert (done.returncode, done.stderr) == (0, "")
    assert len((project / "out" / "events.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("value", [None, "", "0", "off"])
def test_without_it_an_import_opens_no_file_and_starts_no_thread(project: Path, value: str | None) -> None:
    done = run(project, value)
    assert (done.stdout, done.stderr) == ("['MainThread']\n", "")
    assert not (project / "out").exists()


def test_a_file_that_is_missing_is_told_and_the_program_goes_on(project: Path) -> None:
    done = run(project, "no.toml")
    assert done.returncode == 0
    assert "NEMO_RELAY_PLUGINS is set and nothing is recorded: ConfigFileMissing" in done.stderr
    strict = run(project, "no.toml", NEMO_RELAY_PLUGINS_STRICT="1")
    assert strict.returncode == 1
    assert "ConfigFileMissing" in strict.stderr


def test_nothing_to_load_is_told_with_the_places_that_were_looked_at(tmp_path: Path) -> None:
    done = run(tmp_path, "1")
    assert done.returncode == 0
    assert f"no configuration in /etc/nemo-relay/plugins.toml, {tmp_path}/config/nemo-relay/plugins.toml" in done.stderr


def test_our_own_tools_record_nothing(project: Path) -> None:
    env = {**os.environ, "NEMO_RELAY_PLUGINS": "1"}
    command = [sys.executable, "-m", "nemo_relay.plugin", "schema"]
    assert subprocess.run(command, cwd=project, env=env, capture_output=True, timeout=60).returncode == 0
    assert not (project / "out").exists()
