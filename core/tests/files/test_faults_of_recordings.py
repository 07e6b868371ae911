# SPDX-License-Identifier: Apache-2.0
"""What was emitted is on disk, as events and as trajectories, whatever happens: one test for each fault's number."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pytest

from nemo_relay import LLMRequest, ScopeType, guardrails, llm, scope, tools
from nemo_relay._runtime.delivery import session, sessions
from nemo_relay.errors import GuardrailRejected, SinkError
from nemo_relay.recording import rebuild, record
from nemo_relay_projections import atif_stream
from nemo_relay_projections.atif import trajectory
from small_disk import fill, small_disk

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
quiet_fork = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def ask(text: str = "Hi") -> None:
    request = LLMRequest({}, {"messages": [{"role": "user", "content": text}]})
    llm.execute_sync("m", request, lambda _: {"choices": [{"message": {"role": "assistant", "content": f"re {text}"}}]})


def agent(number: int = 0, calls: int = 1, **metadata: str) -> str:
    with scope.scope("agent", ScopeType.Agent, metadata=metadata or None) as handle:
        for call in range(calls):
            ask(f"{number}.{call}")
    return handle.uuid


def documents(folder: Path) -> dict[str, dict[str, Any]]:
    """The trajectories below ``folder`` by id."""
    found = (json.loads(path.read_text()) for path in (folder / "atif").glob("trajectory-*.json"))
    return {document["trajectory_id"]: document for document in found}


def said(document: dict[str, Any]) -> list[str]:
    return [step["message"] for step in document["steps"] if step["source"] == "user"]


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_r3_a_burst_of_agents_leaves_a_trajectory_of_each(tmp_path: Path) -> None:
    with record(tmp_path) as recording:
        uuids = [agent(number) for number in range(300)]
    found = documents(tmp_path)
    assert list(found) and set(found) == set(uuids)
    assert [said(found[uuid]) for uuid in uuids] == [[f"{number}.0"] for number in range(300)]
    assert recording.trajectory_count == len(recording.trajectories) == 300
    assert (recording.missing, recording.error, recording.dropped) == ([], None, 0)


def test_r3_what_is_missing_is_named_and_made_by_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    take = sessions.Sessions.take

    def slow(self: sessions.Sessions, line: bytes) -> None:
        assert gate.wait(20)
        take(self, line)

    monkeypatch.setattr(sessions.Sessions, "take", slow)
    recording = record(tmp_path)
    uuids = [agent(number) for number in range(3)]
    with pytest.raises(SinkError, match=r"3 trajectories are missing .*rebuild\(\)"):
        recording.stop(timeout=0.01, strict=True)
    assert sorted(recording.missing) == sorted(uuids)
    monkeypatch.undo()
    gate.set()
    made = rebuild(tmp_path)
    assert set(documents(tmp_path)) == set(uuids)
    assert made.failed == {}
    assert rebuild(tmp_path).count == 0  # nothing is missing any more
    assert rebuild(tmp_path, everything=True).count == 3


def test_r3_rebuild_after_a_kill(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom nemo_relay import ScopeType, scope, tools\nfrom nemo_relay.recording import record\n"
        "record(sys.argv[1])\nscope.push('killed', ScopeType.Agent)\n"
        "tools.execute_sync('t', {}, lambda a: os.kill(os.getpid(), 9))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    made = rebuild(tmp_path)
    assert made.count == 1
    (document,) = documents(tmp_path).values()
    assert document["extra"]["nemo_relay"]["status"] == "incomplete"
    assert document["steps"][0]["tool_calls"][0]["function_name"] == "t"


@contextmanager
def pieces_of(count: int) -> Iterator[None]:
    before = atif_stream.PIECE_EVENTS
    atif_stream.PIECE_EVENTS = count
    try:
        yield
    finally:
        atif_stream.PIECE_EVENTS = before


def busy(depth: int = 0) -> None:
    """An agent with calls, tools and sub-agents."""
    with scope.scope(f"agent {depth}", ScopeType.Agent):
        for number in range(6):
            ask(f"{depth}.{number}")
            with scope.scope("between", ScopeType.Function):
                tools.execute_sync("add", {"a": number}, lambda args: args["a"] + 1)
            if depth < 2 and number % 3 == 1:
                busy(depth + 1)
        ask("last")


@pytest.mark.parametrize("size", [5, 20, 60])
def test_r5_a_long_run_is_projected_in_pieces_and_comes_out_the_same(tmp_path: Path, size: int) -> None:
    with pieces_of(size), record(tmp_path) as recording:
        busy()
    (document,) = documents(tmp_path).values()
    root = document["trajectory_id"]
    version = document["agent"]["version"]
    whole = trajectory(events(recording.events_path), session_id=root, agent_name="agent 0", agent_version=version)
    assert without_names_of_closed_scopes(document) == without_names_of_closed_scopes(whole)
    assert document["final_metrics"]["total_steps"] == len(document["steps"])


def without_names_of_closed_scopes(value: Any) -> Any:
    """A piece does not know the name of a scope that ended in an earlier one; everything else is the same."""
    if isinstance(value, dict):
        return {key: without_names_of_closed_scopes(item) for key, item in value.items() if key != "parent_name"}
    return [without_names_of_closed_scopes(item) for item in value] if isinstance(value, list) else value


def test_r5_memory_of_an_open_agent_is_bounded(tmp_path: Path) -> None:
    with pieces_of(50), record(tmp_path) as recording:
        with scope.scope("server", ScopeType.Agent) as server:
            for number in range(500):
                ask(str(number))
            deadline = threading.Event()
            while not (found := recording._files.sessions.open.get(server.uuid)) or found.events < 1_001:
                assert not deadline.wait(0.01)
            assert len(found.stream._events) <= 60
            assert len(found.stream._open) == 1
    (document,) = documents(tmp_path).values()
    assert said(document) == [str(number) for number in range(500)]
    assert [step["step_id"] for step in document["steps"]] == list(range(1, 1_001))


def test_r5_calls_that_overlap_for_ever_are_cut_all_the_same(tmp_path: Path) -> None:
    with pieces_of(20), record(tmp_path):
        with scope.scope("server", ScopeType.Agent):
            stuck = tools.call("stuck", {"a": 1}, tool_call_id="c1")
            for number in range(200):
                ask(str(number))
            tools.call_end(stuck, "late result")
    (document,) = documents(tmp_path).values()
    assert said(document) == [str(number) for number in range(200)]
    assert "late result" in json.dumps(document)


def test_r5_a_sub_agent_that_outlives_its_caller_is_in_the_document(tmp_path: Path) -> None:
    with pieces_of(10), record(tmp_path):
        with scope.scope("outer", ScopeType.Agent):
            caller = scope.push("caller", ScopeType.Agent)
            child = scope.push("child", ScopeType.Agent)
            scope.pop(caller)
            for number in range(30):
                llm.execute_sync("m", LLMRequest({}, {"prompt": f"{number}"}), lambda _: {"content": "x"}, handle=child)
            scope.pop(child)
            for number in range(30):
                ask(str(number))
    (document,) = documents(tmp_path).values()
    (nested,) = document["subagent_trajectories"]
    (inner,) = nested["subagent_trajectories"]
    assert (nested["agent"]["name"], inner["agent"]["name"]) == ("caller", "child")
    assert said(inner) == said(document) == [str(number) for number in range(30)]


def test_r5_finished_sessions_are_forgotten(tmp_path: Path) -> None:
    with record(tmp_path) as recording:
        for number in range(100):
            agent(number)
    assert recording._files._own == {}
    assert recording._files.sessions._finished == {}


@needs_fork
@quiet_fork
def test_r6_a_forked_child_leaves_its_parents_trajectories_alone_and_writes_its_own(tmp_path: Path) -> None:
    code = f"""
import os, sys, time, warnings
warnings.simplefilter("ignore")
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from test_faults_of_recordings import agent, ask, documents
from nemo_relay import ScopeType, scope
from nemo_relay.recording import record
from pathlib import Path
folder = Path(sys.argv[1])
recording = record(folder)
handle = scope.push("parent", ScopeType.Agent)
ask("before")
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.read(read, 1)  # until the parent has finished
    from contextvars import Context
    Context().run(agent, 7)
    sys.exit(0)
for number in range(5):
    ask(str(number))
scope.pop(handle)
recording.stop()
before = {{path.name: path.read_bytes() for path in (folder / "atif").iterdir()}}
os.write(write, b"x")
os.waitpid(child, 0)
assert len(before) == 1
after = {{path.name: path.read_bytes() for path in (folder / "atif").iterdir()}}
assert len(after) == 2, after.keys()
assert all(after[name] == content for name, content in before.items())
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(map(said, documents(tmp_path).values())) == [["7.0"], ["before", "0", "1", "2", "3", "4"]]


def test_r12_a_full_disk_never_replaces_the_applications_own_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "small", 128) as folder:
        recording = record(folder)
        with pytest.raises(KeyError, match="own"), recording:
            with scope.scope("agent", ScopeType.Agent):
                for _ in range(2_000):
                    scope.event("a", data={"pad": "x" * 200})
                raise KeyError("own")
        assert isinstance(recording.error, SinkError)
        assert "No space left" in str(recording.error)
        assert recording.counters.offered == 2_002 == recording.counters.written + recording.dropped
        with pytest.raises(SinkError, match="not complete"):
            recording.stop(strict=True)
        with record(folder):  # still full: a run that succeeds goes on doing so
            scope.event("a")
    assert capsys.readouterr().err.count(f"{folder}' is not complete") == 2


def test_r3_the_disk_is_full_for_a_while_and_everything_is_there_afterwards(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 3_000) as folder, record(folder) as recording:
        uuids = [agent(number) for number in range(20)]
        ballast = fill(folder)
        uuids += [agent(number) for number in range(20, 60)]
        deadline = threading.Event()
        while not recording.counters.waiting:
            assert not deadline.wait(0.01)
        ballast.unlink()
        uuids += [agent(number) for number in range(60, 80)]
        recording.stop()
        assert (recording.dropped, recording.missing, recording.error) == (0, [], None)
        assert recording.counters.retried > 0
        found = documents(folder)
        assert [said(found[uuid]) for uuid in uuids] == [[f"{number}.0"] for number in range(80)]


def test_r3_what_the_disk_did_not_take_of_a_long_run_is_made_from_its_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(BytesIO):
        """Takes nothing, and is of no use afterwards; as a spool whose disk is full."""

        def write(self, _: Any) -> int:
            self.close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    spools: Iterator[IO[bytes]] = iter([Full(), Full()])
    monkeypatch.setattr(session, "_spool", lambda folder: next(spools, None) or BytesIO())
    with record(tmp_path) as recording, scope.scope("agent", ScopeType.Agent) as handle:
        for number in range(2 * atif_stream.PIECE_EVENTS):
            ask(str(number))
    assert (recording.error, recording.missing) == (None, [])
    assert said(documents(tmp_path)[handle.uuid]) == [str(number) for number in range(2 * atif_stream.PIECE_EVENTS)]


def test_r12_a_folder_that_cannot_be_written_is_named_and_nothing_raises(tmp_path: Path) -> None:
    (tmp_path / "atif").write_text("in the way")
    with record(tmp_path) as recording:
        uuid = agent()
    assert recording.missing == [uuid]
    assert "1 trajectories are missing" in str(recording.error)
    (tmp_path / "atif").unlink()
    assert recording.rebuild().count == 1


def test_async_with(tmp_path: Path) -> None:
    async def main() -> str:
        async with record(tmp_path) as recording:
            agent()
        return repr(recording)

    assert asyncio.run(main()) == f"<Recording {str(tmp_path)!r} stopped: 4 events, 1 trajectories>"


def test_two_recordings_of_one_folder_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with record(tmp_path), record(tmp_path / "other" / ".."):
        agent()
    assert "2 recordings write to" in capsys.readouterr().err
    assert [said(document) for document in documents(tmp_path).values()] == [["0.0"]]


def test_a_recording_of_nothing_is_a_warning(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="0 events were recorded"):
        with record(tmp_path):
            pass


def test_a_recording_of_nothing_raises_nothing_where_warnings_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(action="error"):
        with record(tmp_path):
            pass
    assert "0 events were recorded" in capsys.readouterr().err


def test_a_recording_that_promises_nothing_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with record(tmp_path, warn_if_empty=False):
        pass
    assert capsys.readouterr().err == ""


def test_events_step_aside_and_trajectories_are_whole(tmp_path: Path) -> None:
    with record(tmp_path, max_bytes=5_000) as recording:
        with scope.scope("long", ScopeType.Agent):
            for number in range(60):
                ask(str(number))
    files = list((tmp_path / "atof").iterdir())
    assert len(files) > 5
    assert all(path.stat().st_size <= 5_000 for path in files)
    (document,) = documents(tmp_path).values()
    assert said(document) == [str(number) for number in range(60)]
    recording.trajectories[0].unlink()
    assert rebuild(tmp_path).count == 1
    assert list(documents(tmp_path).values()) == [document]


def test_a12_session_thread_and_user_are_in_the_head_and_in_the_name(tmp_path: Path) -> None:
    with record(tmp_path) as recording:
        uuid = agent(0, 1, session_id="s/../1", user_id="ann", thread_id="t")
    (path,) = recording.trajectories
    assert path.name == f"trajectory-s-1-ann-{uuid}.json"
    document = json.loads(path.read_text())
    assert (document["session_id"], document["trajectory_id"]) == ("s/../1", uuid)
    assert document["extra"]["nemo_relay"] == {
        "session_id": "s/../1", "thread_id": "t", "user_id": "ann", "session_instance_id": uuid,
    }  # fmt: skip


def test_a12_identities_that_come_with_the_end_of_the_run(tmp_path: Path) -> None:
    with record(tmp_path) as recording:
        handle = scope.push("late", ScopeType.Agent)
        ask("0.0")
        scope.pop(handle, metadata={"thread_id": "t-1", "user_id": 7})
    (path,) = recording.trajectories
    assert path.name == f"trajectory-t-1-7-{handle.uuid}.json"
    document = json.loads(path.read_text())
    assert document["session_id"] == "t-1"
    assert document["extra"]["nemo_relay"]["thread_id"] == "t-1"


def test_a12_a_run_without_an_agent_has_a_trajectory(tmp_path: Path) -> None:
    with record(tmp_path) as recording:
        with scope.scope("job", ScopeType.Function):
            ask("one")
        ask("two")
    (document,) = documents(tmp_path).values()
    assert said(document) == ["one", "two"]
    assert len(recording.trajectories) == 1


@pytest.mark.parametrize("between", [0, 50])
def test_a12_an_interrupted_and_a_resumed_run_refer_to_each_other(tmp_path: Path, between: int) -> None:
    with record(tmp_path):
        with scope.scope("graph", ScopeType.Agent, metadata={"thread_id": "t-1"}) as first:
            ask("first")
            scope.event("Graph Interrupt", data={"thread_id": "t-1"})
        for number in range(between):
            agent(number)
        with scope.scope("graph", ScopeType.Agent, metadata={"thread_id": "t-1"}) as second:
            scope.event("Graph Resume", data={"thread_id": "t-1", "resumed_run_uuid": first.uuid})
            ask("second")
    found = documents(tmp_path)
    one, two = found[first.uuid], found[second.uuid]
    assert one["continued_trajectory_ref"] == f"trajectory-t-1-{second.uuid}.json"
    assert one["extra"]["nemo_relay"]["continued_by"]["trajectory_id"] == second.uuid
    assert two["extra"]["nemo_relay"]["continues"] == {
        "trajectory_id": first.uuid,
        "trajectory_path": f"trajectory-t-1-{first.uuid}.json",
    }
    assert said(one) == ["first"]


def test_a13_a_refused_tool_call_is_an_observation(tmp_path: Path) -> None:
    guardrails.register_tool_conditional_execution("no", 0, lambda name, args: "not here")
    answer = {
        "choices": [
            {"message": {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "rm", "arguments": '{"path": "/"}'}}]}}
        ]
    }  # fmt: skip
    with record(tmp_path), scope.scope("agent", ScopeType.Agent):
        llm.execute_sync("m", LLMRequest({}, {"messages": [{"role": "user", "content": "go"}]}), lambda _: answer)
        with pytest.raises(GuardrailRejected):
            tools.execute_sync("rm", {"path": "/"}, lambda args: None, tool_call_id="c1")
    (document,) = documents(tmp_path).values()
    (result,) = document["steps"][1]["observation"]["results"]
    assert (result["source_call_id"], result["content"]) == ("c1", "not here")
    assert result["extra"]["status"] == "rejected"
