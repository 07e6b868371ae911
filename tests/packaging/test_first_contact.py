# SPDX-License-Identifier: Apache-2.0
"""The README and the quick start, typed: their install line in a venv of its own, then their blocks in an empty folder,
with an empty home and no key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from doc_blocks import blocks_in
from workspace import ROOT

pytestmark = [pytest.mark.slow_install, pytest.mark.timeout(600)]


@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md"])
def test_a_page_as_typed(page: str, tmp_path: Path, wheels: dict[str, Path]) -> None:
    blocks = [block for block in blocks_in(ROOT / page) if block.language in ("bash", "python")]
    (install,) = (block for block in blocks if "make wheels" in block.code)
    (tmp_path / "dist").symlink_to(next(iter(wheels.values())).parent)
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: os.environ[key] for key in os.environ if key.startswith(("PIP_", "SSL_", "LANG"))}
    environment |= {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    if "PIP_CONFIG_FILE" not in environment:  # which index this machine has is no part of the test
        own = Path.home() / ".config" / "pip" / "pip.conf"
        environment |= {"PIP_CONFIG_FILE": str(own)} if own.exists() else {}

    def run(program: list[str], code: str) -> None:
        done = subprocess.run(
            [*program, code], cwd=tmp_path, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"

    run(["bash", "-euc"], install.code.replace("make wheels\n", ""))  # built once, for all tests
    for block in blocks[blocks.index(install) + 1 :]:
        if block.runs:
            program = ["bash", "-euc"] if block.language == "bash" else [".my-venv/bin/python", "-c"]
            run(program, block.code)
