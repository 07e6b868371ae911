# SPDX-License-Identifier: Apache-2.0
"""`.ci/run`: what fails is run once more, alone; what fails twice fails the run; no suite is left out."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from workspace import ROOT

RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
FUNCTIONS = "\n".join(re.findall(r"^(?:step|suite)\(\) \{\n.*?^\}\n", RUN, re.MULTILINE | re.DOTALL))
# Stands for make: notes what it was asked for, and fails as often as the file says.
MAKE = """#!/usr/bin/env bash
echo "$*" >>asked
left=$(cat failures)
[ "$left" -gt 0 ] || exit 0
echo $((left - 1)) >failures
exit 1
"""
AGAIN = "test ARGS=-q --last-failed --last-failed-no-failures=none"


@pytest.mark.parametrize(
    ("failures", "asked", "code"),
    [(0, ["test", "docs"], 0), (1, ["test", AGAIN, "docs"], 0), (2, ["test", AGAIN], 1)],
)
def test_what_fails_is_run_once_more(tmp_path: Path, failures: int, asked: list[str], code: int) -> None:
    (tmp_path / "make").write_text(MAKE, encoding="utf-8")
    (tmp_path / "make").chmod(0o755)
    (tmp_path / "failures").write_text(str(failures), encoding="utf-8")
    program = f"set -euo pipefail\n{FUNCTIONS}\nsuite test make test\nstep make docs\n"
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (tmp_path / "asked").read_text(encoding="utf-8").splitlines() == asked
    assert bool(done.returncode) == bool(code), done.stderr


@pytest.mark.parametrize(
    "target", ["check", "test-marked", "test-langsmith", "test-stack-$stack", "docs", "test-$version"]
)
def test_it_runs_every_target_that_a_change_must_pass(target: str) -> None:
    assert re.search(rf'^ *(step|suite "?[\w$-]+"?) "?make "?{re.escape(target)}"?', RUN, re.MULTILINE)
