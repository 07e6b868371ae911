# SPDX-License-Identifier: Apache-2.0
"""The trajectories of every scenario: valid for both published validators, with every model and tool call in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nat.atif import Trajectory

import reference_validator
from keep_events import FOLDER
from nemo_relay import convert
from nemo_relay.atif import completeness
from workspace import ROOT

SCENARIOS = " or ".join(f"test_s{tens}" for tens in range(6))  # the names of tests; modules begin with it, too
pytestmark = [pytest.mark.slow_install, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", params=["langchain", "langgraph", "deepagents"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The streams of the numbered scenarios of an adapter: its own tests play them."""
    folder = tmp_path_factory.mktemp(request.param)
    environment = {**os.environ, FOLDER: str(folder), "PYTHONPATH": str(ROOT / "scripts")}
    tests = f"integrations/{request.param}/tests"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "keep_events", "-n", "2", "-k", SCENARIOS, tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1000)
    assert done.returncode == 0, done.stdout[-3000:]
    assert any(folder.iterdir())
    return folder


def streams(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    for path in sorted(folder.glob("*.jsonl")):
        yield path, [json.loads(line) for line in path.read_bytes().splitlines()]


def test_they_are_valid_and_complete(kept: Path, tmp_path: Path) -> None:
    documents = tmp_path / "all"
    documents.mkdir()
    calls = 0
    for path, events in streams(kept):
        made = convert.to_atif(path, tmp_path / path.stem)
        assert not made.torn and not made.failed, path.name
        found = [json.loads(written.read_bytes()) for written in made.written]
        for number, document in enumerate(found):
            Trajectory.model_validate(document)
            (documents / f"{path.stem}-{number}.json").write_text(json.dumps(document))
        report = completeness(events, found)
        assert report.missing == [], path.name
        calls += report.llm + report.tool
    assert calls > 20
    try:
        assert reference_validator.complaints(documents) == ""
    except reference_validator.Unavailable as error:
        pytest.skip(str(error))
