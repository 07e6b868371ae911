# SPDX-License-Identifier: Apache-2.0
"""The list of faults beside the repository: each numbered one has a test of its name, and no input shows its fault."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from workspace import ROOT

SHARED = ROOT.parent / "shared"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the list of faults is not beside the repository")
FOLDERS = ("core", "integrations", "packages", "tests")


def test_each_numbered_fault_has_a_test_of_its_name() -> None:
    listed = re.findall(r"^\| ([A-Z]\d+) \|", (SHARED / "faults.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(listed) > 30
    files = (file for folder in FOLDERS for file in (ROOT / folder).rglob("test_*.py"))
    tested = {name for file in files for name in re.findall(r"def test_([a-z]\d+)_", file.read_text(encoding="utf-8"))}
    assert [number for number in listed if number.lower() not in tested] == []


def test_the_inputs_for_codecs_show_no_fault() -> None:
    faults = SHARED / "data" / "faults"
    inputs = sorted(str(file) for file in (faults / "codecs").glob("*.json"))
    assert inputs
    command = [sys.executable, str(faults / "check_codecs.py"), *inputs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170)
    assert (done.returncode, "FAIL" in done.stdout) == (0, False), done.stdout + done.stderr
    assert done.stdout.count("PASS") == len(inputs)
