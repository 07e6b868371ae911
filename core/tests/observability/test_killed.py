# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment of a run that a document records, and two runs that overwrite the same file at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

RUN = """
import os, sys
from nemo_relay import ScopeType, plugin, scope
document, name, count = sys.argv[1:4]
os.environ["NEMO_RELAY_PLUGINS"] = document
assert plugin.autoload() is not None
os.write(1, b"up\\n")
with scope.scope(name, ScopeType.Agent):
    for number in range(int(count)):
        handle = scope.push(f"{name}-{number}", ScopeType.Function, input={"text": "word " * 20})
        os.write(1, f"{handle.uuid}\\n".encode())
        scope.pop(handle)
"""
DOCUMENT = """
[[components]]
kind = "observability"
[components.config]
version = 4
[components.config.atof]
enabled = true
sinks = [{ type = "file", output_directory = "FOLDER", filename = "events.jsonl", mode = "MODE" }]
"""


def write(folder: Path, mode: str) -> Path:
    path = folder / "plugins.toml"
    path.write_text(DOCUMENT.replace("FOLDER", str(folder / "atof")).replace("MODE", mode))
    return path


def start(path: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def killed_after(path: Path, name: str, announced: int) -> list[bytes]:
    """Start a run of 5,000 events, kill it when it has announced so many starts; those that it did announce."""
    with start(path, name, 2_500) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        lines = [process.stdout.readline() for _ in range(announced)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.read().splitlines(keepends=True)
    return [line.strip() for line in lines if line.endswith(b"\n")]


def check(path: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    announced: list[bytes] = []
    for number in range(rounds):
        announced += killed_after(path, f"run{number}", chance.randrange(1, 2_000))
    with start(path, "last", 1) as process:  # what a restart finds, it mends
        process.communicate(timeout=60)
    content = (path.parent / "atof" / "events.jsonl").read_bytes()
    assert content.endswith(b"\n")
    events = [json.loads(line) for line in content.splitlines()]
    started = [event["uuid"] for event in events if event.get("scope_category") == "start"]
    assert len(started) == len(set(started))
    assert {uuid.decode() for uuid in announced} <= set(started)
    assert events[-1]["name"] == "last"


@pytest.mark.timeout(300)
def test_every_announced_start_is_on_disk_and_every_line_whole(tmp_path: Path) -> None:
    check(write(tmp_path, "append"), 4, 1)


@pytest.mark.fuzz
@pytest.mark.timeout(900)
def test_fifty_times(tmp_path: Path) -> None:
    check(write(tmp_path, "append"), 50, random.randrange(2**32))


@pytest.mark.timeout(120)
def test_two_runs_that_overwrite_the_same_file_are_both_whole(tmp_path: Path) -> None:
    path = write(tmp_path, "overwrite")
    runs = [start(path, name, 400) for name in ("a", "b")]
    threads = [threading.Thread(target=run.communicate) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.returncode for run in runs] == [0, 0]
    events: list[dict[str, Any]] = []
    for file in (tmp_path / "atof").iterdir():
        content = file.read_bytes()
        assert b"\0" not in content
        mine = [json.loads(line) for line in content.splitlines()]
        assert len({event["name"].partition("-")[0] for event in mine}) == 1, "a file holds one run"
        events += mine
    for name in ("a", "b"):
        assert sum(event["name"].partition("-")[0] == name for event in events) == 802
