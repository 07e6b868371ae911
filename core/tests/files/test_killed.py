# SPDX-License-Identifier: Apache-2.0
"""kill -9, with real processes: what was announced before is on disk, and the file ends in a whole line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from nemo_relay import scope
from nemo_relay.recording import record

PROGRAM = """
import sys, time
from nemo_relay import ScopeType, scope, tools
from nemo_relay.recording import record

record(sys.argv[1])

def slow(args):
    print("running", flush=True)
    time.sleep(60)

with scope.scope("agent", ScopeType.Agent):
    tools.execute_sync("search", {"q": "x" * 10_000}, slow, tool_call_id="call-1")
"""


def test_a_tool_call_in_progress_is_in_the_file(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == b"running\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(50)
    content = (tmp_path / "atof" / "events.jsonl").read_bytes()
    assert content.endswith(b"\n")
    events = [json.loads(line) for line in content.splitlines()]
    assert [(event["name"], event["scope_category"]) for event in events] == [("agent", "start"), ("search", "start")]
    assert events[1]["category_profile"] == {"tool_call_id": "call-1"}
    assert events[1]["parent_uuid"] == events[0]["uuid"]


BURST = """
import sys
from nemo_relay import ScopeType, scope
from nemo_relay.recording import record

record(sys.argv[1])
print("running", flush=True)
while True:
    with scope.scope("turn", ScopeType.Function, input={"text": "y" * 3000}):
        pass
"""


def test_killed_in_a_burst_at_most_the_last_line_is_torn_and_the_next_run_mends_it(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", BURST, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    path = tmp_path / "atof" / "events.jsonl"
    with process, process.stdout:
        process.stdout.readline()
        while path.stat().st_size < 1_000_000:
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait(50)
    # The kernel checks for a fatal signal between the pages of one write: a line of several kB can end early.
    torn = 0 if path.read_bytes().endswith(b"\n") else 1
    with record(tmp_path):
        scope.event("next run")
    lines = path.read_bytes().splitlines()
    events = [json.loads(line) for line in lines if line != lines[-1 - torn] or not torn]
    assert len(events) == len(lines) - torn
    assert events[-1]["name"] == "next run"
