# SPDX-License-Identifier: Apache-2.0
"""``record``: events and trajectories on disk, and nothing left behind."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_relay import LLMRequest, ScopeType, llm, scope, subscribers, tools
from nemo_relay.recording import Recording, record


def run(name: str = "planner") -> str:
    with scope.scope(name, ScopeType.Agent) as agent:
        llm.execute_sync(
            "openai", LLMRequest({}, {"messages": [{"role": "user", "content": "Hi"}]}), lambda _: {"content": "Yes"}
        )
        tools.execute_sync("add", {"a": 1}, lambda args: args["a"] + 1)
        return agent.uuid


def test_a_run_leaves_its_events_and_its_trajectory(tmp_path: Path) -> None:
    with record(tmp_path) as recording:
        session = run()
    events = [json.loads(line) for line in recording.events_path.read_text().splitlines()]
    assert [event["name"] for event in events] == ["planner", "openai", "openai", "add", "add", "planner"]
    (path,) = recording.trajectories
    assert path == tmp_path / "atif" / f"trajectory-{session}.json"
    document = json.loads(path.read_text())
    assert document["session_id"] == session
    assert document["agent"]["name"] == "planner"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]  # no draft left


def test_each_top_level_agent_has_a_trajectory_and_nested_ones_are_in_it(tmp_path: Path) -> None:
    with record(tmp_path) as recording:
        sessions = {run(), run()}
        with scope.scope("outer", ScopeType.Agent) as outer:
            run("inner")
        with scope.scope("no agent", ScopeType.Function):
            pass
    written = {path.stem.removeprefix("trajectory-") for path in recording.trajectories}
    assert written == {*sessions, outer.uuid}
    document = json.loads((tmp_path / "atif" / f"trajectory-{outer.uuid}.json").read_text())
    assert [sub["trajectory_id"] is not None for sub in document["subagent_trajectories"]] == [True]


def test_an_unfinished_run_is_written_when_the_recording_stops(tmp_path: Path) -> None:
    recording = record(tmp_path)
    agent = scope.push("planner", ScopeType.Agent)
    recording.stop()
    assert len(recording.trajectories) == 1
    scope.pop(agent)
    recording.stop()


def test_an_event_that_comes_after_the_end_of_its_run_is_in_the_trajectory(tmp_path: Path) -> None:
    with record(tmp_path) as recording:
        with scope.scope("planner", ScopeType.Agent):
            call = tools.call("slow", {"a": 1}, tool_call_id="c")
        assert subscribers.flush(50)
        tools.call_end(call, "late result")
    assert "late result" in recording.trajectories[0].read_text()


def test_two_recordings_at_once_both_hear_everything(tmp_path: Path) -> None:
    with record(tmp_path / "a") as first, record(tmp_path / "b") as second:
        run()
    assert first.events_path.read_bytes() == second.events_path.read_bytes() != b""


def test_a_recording_that_nobody_stops_is_complete_at_exit(tmp_path: Path) -> None:
    program = (
        "import sys; from nemo_relay import ScopeType, scope; from nemo_relay.recording import record\n"
        "record(sys.argv[1])\nwith scope.scope('planner', ScopeType.Agent): pass"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=30)
    assert len((tmp_path / "atof" / "events.jsonl").read_text().splitlines()) == 2
    assert len(list((tmp_path / "atif").glob("trajectory-*.json"))) == 1


def test_trajectories_that_cannot_be_written_disturb_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "atif").write_text("a file where the folder should be")
    with record(tmp_path) as recording:
        run()
        run()
    assert recording.trajectories == []
    assert len(recording.events_path.read_text().splitlines()) == 12
    assert capsys.readouterr().err.count("atif_file_write_failed") == 1


def test_the_document_of_an_open_agent_is_there_after_each_turn(tmp_path: Path) -> None:
    with record(tmp_path) as recording, scope.scope("host", ScopeType.Agent, metadata={"session_id": "s-9"}):
        for turn in range(4):
            llm.execute_sync("m", LLMRequest({}, {"prompt": f"q{turn}"}), lambda _: {"content": "a"})
            assert wait_for(lambda: steps_so_far(recording) == 2 * (turn + 1))  # noqa: B023
        assert recording.trajectory_count == 1
    assert json.loads(recording.trajectories[0].read_text())["session_id"] == "s-9"


def steps_so_far(recording: Recording) -> int:
    return sum(len(json.loads(path.read_text())["steps"]) for path in recording.trajectories)


def wait_for(is_so: Callable[[], bool]) -> bool:
    for _ in range(3_000):
        if is_so():
            return True
        time.sleep(0.01)
    return False
