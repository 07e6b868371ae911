# SPDX-License-Identifier: Apache-2.0
"""Every program in `examples/` runs as it is, warns about nothing, and talks to nobody but itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nat.atif.trajectory import Trajectory

import reference_validator
from nemo_relay.testing import check_lifecycles, expect_tree
from workspace import ROOT

DEMO = ROOT / "examples" / "demo.py"
PROGRAMS = sorted(set((ROOT / "examples").glob("*.py")) - {DEMO})
pytestmark = pytest.mark.timeout(120)

# Loaded by the child before anything else: a connection to another machine, or the wish to find one, ends it.
GUARD = """
import os, sys
def guard(event, args):
    if event in ("socket.connect", "socket.sendto"):
        target = args[1]
        loopback = not isinstance(target, tuple) or target[0] in ("127.0.0.1", "::1")
    elif event == "socket.getaddrinfo":
        loopback = args[0] in (None, "", "127.0.0.1", "::1", "localhost", b"127.0.0.1")
    else:
        return
    if not loopback:
        sys.stderr.write(f"{event} {args[0 if event == 'socket.getaddrinfo' else 1]}\\n")
        sys.stderr.flush()
        os._exit(77)
sys.addaudithook(guard)
"""
# What a developer's shell may have set, each pointing somewhere where nobody answers.
HOSTILE = {
    "LANGSMITH_TRACING": "true",
    "LANGCHAIN_TRACING_V2": "true",
    "LANGSMITH_API_KEY": "x",
    "LANGSMITH_ENDPOINT": "http://192.0.2.1",
    "OPENAI_API_KEY": "x",
    "OPENAI_BASE_URL": "http://192.0.2.1/v1",
    "OPENAI_PROXY": "http://192.0.2.1:3128",
    "HTTP_PROXY": "http://192.0.2.1:3128",
    "https_proxy": "http://192.0.2.1:3128",
    "ALL_PROXY": "socks5://192.0.2.1:1080",
}


def run(program: Path, folder: Path, *arguments: str, **environment: str) -> str:
    (folder / "guard").mkdir(exist_ok=True)
    (folder / "guard" / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "guard"), "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_the_guard_stops_a_program_that_talks_to_others(tmp_path: Path) -> None:
    program = tmp_path / "chatty.py"
    program.write_text("import socket; socket.socket().connect(('192.0.2.1', 80))", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"192\.0\.2\.1"):
        run(program, tmp_path)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_it_runs_and_says_something(program: Path, tmp_path: Path) -> None:
    assert run(program, tmp_path)


def test_the_demo_leaves_a_run_on_disk_and_shows_it(tmp_path: Path) -> None:
    shown = run(DEMO, tmp_path, "--svg", "tree.svg", COLUMNS="110", **HOSTILE)
    for part in ("◆ agent day-assistant", "━━━", "✗ error", "TimeoutError: ", "3 tool calls, 1 failed"):
        assert part in shown

    events = tmp_path / ".nemo-relay" / "atof" / "events.jsonl"
    lines = events.read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line)["atof_version"] == "0.1" for line in lines)
    check_lifecycles(lines)
    expect_tree(
        lines,
        """
        agent:day-assistant {ok}
          function:model {ok, kind=node}
            llm:* {ok, usage, model=gpt-4.1-mini, streaming}
              <llm.first_token>
          ~ function:tools
              tool:get_weather {error, tool_call_id}
          ~ function:tools {ok}
              tool:get_local_time {ok, tool_call_id}
          function:model
            llm:* {ok, usage}
          function:tools
            tool:get_weather {ok, tool_call_id}
          function:model
            llm:* {ok, usage}
        """,
    )

    (trajectory,) = (tmp_path / ".nemo-relay" / "atif").glob("trajectory-*.json")
    for path in (events, trajectory):
        assert str(path.relative_to(tmp_path)) in shown
    told = Trajectory.model_validate_json(trajectory.read_bytes())  # the published validator
    assert str(told.steps[-1].message).startswith("Take the umbrella")
    assert str(tmp_path) not in (tmp_path / "tree.svg").read_text(encoding="utf-8")

    # A second run starts a fresh stream, and keeps the trajectory of the first.
    run(DEMO, tmp_path)
    assert len(events.read_text(encoding="utf-8").splitlines()) == len(lines)
    assert len(list(trajectory.parent.glob("*.json"))) == 2


@pytest.mark.slow_install
@pytest.mark.timeout(600)
def test_the_demo_s_trajectory_is_valid_for_the_reference_validator(tmp_path: Path) -> None:
    run(DEMO, tmp_path)
    documents = tmp_path / ".nemo-relay" / "atif"
    assert list(documents.glob("trajectory-*.json"))
    try:
        assert reference_validator.complaints(documents) == ""
    except reference_validator.Unavailable as error:
        pytest.skip(str(error))
