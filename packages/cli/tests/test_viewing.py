# SPDX-License-Identifier: Apache-2.0
"""The viewer's commands under `nemo-relay`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nemo_relay import ScopeType, scope
from nemo_relay.recording import record
from nemo_relay_cli import main


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    with record(tmp_path) as run, scope.scope("planner", ScopeType.Agent):
        pass
    return str(run.events_path)


@pytest.mark.parametrize("name", ["view", "page", "diff", "stats", "recover", "import"])
def test_the_help_is_that_of_the_viewer(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith(f"usage: nemo-relay {name} ")


def test_they_run(recorded: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, list(arguments))
        return done.exit_code, done.output

    page = str(tmp_path / "run.html")
    assert run("page", recorded, "-o", page) == (0, f"wrote {page}: 1 rows, {Path(page).stat().st_size / 1e6:.1f} MB\n")
    assert run("diff", recorded, recorded, "--fail-on", "any")[0] == 0
    assert run("stats", recorded)[0] == 0
    assert run("recover", recorded, "-o", str(tmp_path / "whole.jsonl"))[0] == 0
    assert run("diff", recorded, str(tmp_path / "none.jsonl"))[0] == 2
