# SPDX-License-Identifier: Apache-2.0
"""Comparing two runs, adding up many files, and making a file whole whose program was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import ScopeType
from nemo_relay import scope as relay
from nemo_relay.recording import record
from nemo_relay_viewer import diff, open_index, recover
from nemo_relay_viewer.command_line import main
from nemo_relay_viewer.comparison import Rules, RulesError, RunDiff
from nemo_relay_viewer.stats import Statistics, measure, of_folder

from .streams import Event, conversation, scope, span, stamp, usage, weather


def written(path: Path, events: list[Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


def compared(tmp_path: Path, before: list[Event], after: list[Event]) -> RunDiff:
    files = (written(tmp_path / "before.jsonl", before), written(tmp_path / "after.jsonl", after))
    return diff(*map(open_index, files))


def run(*steps: Event, **agent: Any) -> list[Event]:
    return [scope("start", 0, "a", "agent", "agent", **agent), *steps, scope("end", 900, "a", "agent", "agent")]


def tool(at: float, name: str, data: Any, result: Any = "ok", length: float = 5, **more: Any) -> list[Event]:
    return span(at, at + length, f"{name}{at}", name, "tool", "a", data=data, ending={"data": result}, **more)


def renamed(events: list[Event]) -> list[Event]:
    """The same run another time: other ids, other times."""
    made = []
    for event in events:
        parent = event["parent_uuid"]
        made.append({**event, "uuid": f"x{event['uuid']}", "parent_uuid": parent and f"x{parent}"})
        made[-1]["timestamp"] = event["timestamp"].replace("2026-01-01", "2026-02-02")
    return made


@pytest.mark.parametrize("events", [weather(), conversation(4)])
def test_the_same_run_again_is_no_difference(tmp_path: Path, events: list[Event]) -> None:
    found = compared(tmp_path, events, renamed(events))
    assert (found.same, found.changes) == (True, [])
    assert found.equal > 1


def test_parallel_calls_have_no_order(tmp_path: Path) -> None:
    first = [*tool(1, "x", {"n": 1}, length=50), *tool(2, "y", {"n": 2}, length=50)]
    second = [*tool(1, "y", {"n": 2}, length=50), *tool(2, "x", {"n": 1}, length=50)]
    assert compared(tmp_path, run(*first), run(*second)).same
    one_by_one = [*tool(1, "y", {"n": 2}), *tool(20, "x", {"n": 1})]
    assert (
        len(compared(tmp_path, run(*tool(1, "x", {"n": 1}), *tool(20, "y", {"n": 2})), run(*one_by_one)).reordered) == 1
    )


def test_one_argument_is_one_change(tmp_path: Path) -> None:
    before = run(*tool(1, "x", {"city": "Lisbon", "id": "1"}), *tool(20, "y", {}))
    after = run(*tool(1, "x", {"id": "2", "city": "Porto"}), *tool(20, "y", {}))
    found = compared(tmp_path, before, after)
    assert [(c.what, c.name, list(c.fields)) for c in found.changes] == [("changed", "x", ["arguments"])]
    assert (found.added, found.removed, found.equal) == ([], [], 2)


def test_added_removed_failed_and_answers(tmp_path: Path) -> None:
    failed = {"otel.status_code": "ERROR", "otel.status_description": "TimeoutError: no"}
    ask = {"content": {"model": "m", "messages": [{"role": "system", "content": "Be brief."}], "temperature": 0}}
    tell = {"content": {"model": "m", "messages": [{"role": "system", "content": "Be long."}], "temperature": 1}}
    before = run(
        *tool(1, "x", {}), *tool(20, "gone", {}), *span(40, 50, "l", "m", "llm", "a", data=ask, ending={"data": "yes"})
    )
    after = run(
        *tool(1, "x", {}, metadata=failed),
        *span(40, 50, "l", "m", "llm", "a", data=tell, ending={"data": "no"}),
        *tool(60, "new", {"q": 1}),
    )
    found = compared(tmp_path, before, after)
    assert [change.name for change in found.removed] == ["gone"]
    assert [change.name for change in found.added] == ["new"]
    fields = {change.name: set(change.fields) for change in found.changed}
    assert fields == {"x": {"outcome", "error"}, "m": {"system prompt", "parameters", "answer"}}
    assert Rules("tools,answers,errors,prompts").broken(found) == [
        "tools: gone removed, new added",
        "answers: m changed",
        "errors: 0 -> 1",
        "prompts: m changed",
    ]
    assert Rules("models").broken(found) == ["models: m changed"]
    assert not Rules("arguments,cost>10%").broken(found)


def test_steps_of_the_framework_are_no_steps(tmp_path: Path) -> None:
    inner = [
        scope("start", 1, "n", "node", "function", "a"),
        *span(1, 6, "t", "x", "tool", "n"),
        scope("end", 7, "n", "node", "function", "a"),
    ]
    assert compared(tmp_path, run(*span(1, 6, "t", "x", "tool", "a")), run(*inner)).same


def test_the_command_and_its_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cost = usage(10, 1)
    cost["category_profile"]["annotated_response"]["usage"]["cost"] = {"total": 1.0, "currency": "USD"}
    dear = json.loads(json.dumps(cost).replace("1.0", "1.5"))
    before = written(tmp_path / "b.jsonl", run(*span(1, 2, "l", "m", "llm", "a", ending=cost)))
    after = written(tmp_path / "a.jsonl", run(*span(1, 2, "l", "m", "llm", "a", ending=dear), *tool(20, "new", {})))
    assert main(["diff", str(before), str(before)]) == 0
    assert "= 2 steps are equal" in capsys.readouterr().out
    assert main(["diff", str(before), str(after)]) == 1
    shown = capsys.readouterr().out
    assert "+ added     tool new   in agent   <- first difference" in shown
    assert "cost        1 -> 1.5  +50 %" in shown
    assert main(["diff", str(before), str(after), "--fail-on", "cost>60%"]) == 0
    assert main(["diff", str(before), str(after), "--fail-on", "cost>10%,tools", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["failed"] == ["cost>10%: 1 -> 1.5, +50 %", "tools: new added"]
    assert main(["diff", str(before), str(after), "--fail-on", "none"]) == 0
    assert main(["diff", str(before), str(after), "--fail-on", "colour"]) == 2
    assert "--fail-on 'colour'" in capsys.readouterr().err
    assert main(["diff", str(before), str(tmp_path / "no.jsonl")]) == 2
    (tmp_path / "empty.jsonl").touch()
    assert main(["diff", str(before), str(tmp_path / "empty.jsonl")]) == 2
    with pytest.raises(RulesError):
        Rules("cost>ten%")


EVIL = "</span><script>alert(1)</script>\n::error::forged\n```\x1b[31m"


@pytest.mark.parametrize("format_", ["text", "md", "html"])
def test_reports_of_hostile_runs(tmp_path: Path, format_: str) -> None:
    before = written(tmp_path / "b.jsonl", run(*tool(1, EVIL, {"x": EVIL})))
    after = written(tmp_path / "a.jsonl", run(*tool(1, EVIL, {"x": EVIL + "!"}, EVIL)))
    out = tmp_path / "out"
    assert main(["diff", str(before), str(after), "--format", format_, "-o", str(out)]) == 1
    text = out.read_text()
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("::error::")]
    if format_ == "html":
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
    if format_ == "md":
        assert "````" in text


def test_statistics_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "1.jsonl", weather())
    (tmp_path / "deep").mkdir()
    written(tmp_path / "deep" / "2.jsonl", [*conversation(3), "no event"])
    (tmp_path / "bad.jsonl.gz").write_bytes(b"not gzip")
    seen: list[tuple[int, int]] = []
    found = of_folder(tmp_path, lambda done, of: seen.append((done, of)))
    assert seen[-1] == (3, 3)
    assert (found.files, found.runs, found.unreadable, list(found.failed)) == (
        3,
        2,
        1,
        [str(tmp_path / "bad.jsonl.gz")],
    )
    model = found.groups["model"]["gpt-x"]
    assert (model.calls, model.tokens_in, model.tokens_out, model.unpriced) == (4, 1260, 36, 4)
    assert found.groups["tool"]["get_weather"].errors == 1
    assert found.groups["tool"]["get_weather"].percentile(0.5) == pytest.approx(0.4, rel=0.02)
    assert set(found.groups["agent"]) == {"weather", "chat"}
    assert list(found.groups["day"]) == ["2026-01-01"]
    together = Statistics()
    for path in (tmp_path / "1.jsonl", tmp_path / "deep" / "2.jsonl", tmp_path / "bad.jsonl.gz"):
        together.add(measure(path))
    assert together.to_json()["groups"] == found.to_json()["groups"]
    assert main(["stats", str(tmp_path)]) == 1
    assert "get_weather" in capsys.readouterr().out
    assert main(["stats", str(tmp_path / "1.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"]["tool"]["get_time"]["calls"] == 1
    assert main(["stats", str(tmp_path / "none")]) == 2


def test_spans_in_a_parquet_file(tmp_path: Path) -> None:
    import pyarrow.parquet

    file = written(tmp_path / "1.jsonl", weather())
    assert main(["stats", str(file), "--parquet", str(tmp_path / "spans.parquet")]) == 0
    rows = pyarrow.parquet.read_table(tmp_path / "spans.parquet").to_pylist()
    (failed,) = [row for row in rows if row["outcome"] == "error"]
    assert (failed["name"], failed["error"], failed["duration_ns"]) == (
        "get_weather",
        "TimeoutError: the station did not answer",
        400_000_000,
    )
    (call,) = [row for row in rows if row["kind"] == "llm"]
    assert (call["tokens_in"], call["root_uuid"], call["cost_usd"]) == (1200, "a", None)


KILLED = """
import os, signal
from nemo_relay import ScopeType, scope, tools
from nemo_relay.recording import record
with record("out"), scope.scope("planner", ScopeType.Agent):
    tools.execute_sync("quick", {}, lambda args: 1)
    with scope.scope("inner", ScopeType.Function):
        tools.execute_sync("slow", {}, lambda args: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_run_that_was_killed_is_made_whole(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    (file,) = tmp_path.rglob("*.jsonl")
    with file.open("a") as out:
        out.write('{"kind": "sco')
    before = file.read_bytes()
    report = recover(file)
    assert report.abandoned == ["slow", "inner", "planner"]
    assert (report.torn, report.torn_path and report.torn_path.read_text()) == (13, '{"kind": "sco')
    assert file.read_bytes() == before
    index = open_index(report.out)
    assert {index.text(index.outcome[row]) for row in index.below(index.roots[0])} == {"ok", "abandoned"}
    assert index.unreadable_count == 0
    again = recover(report.out, tmp_path / "again.jsonl")
    assert (again.abandoned, again.torn) == ([], 0)
    assert again.out.read_bytes() == report.out.read_bytes()


def test_ends_stand_at_the_time_of_the_last_event_below(tmp_path: Path) -> None:
    events = [
        scope("start", 0, "a", "outer", "agent"),
        scope("start", 1, "b", "inner", "function", "a", metadata={"k": 1}),
        *span(5, 7, "t", "t", "tool", "b"),
        scope("start", 9, "c", "late", "tool", "a"),
    ]
    report = recover(written(tmp_path / "run.jsonl", [*events, "damaged"]))
    ends = [json.loads(line) for line in report.out.read_text().splitlines()[-3:]]
    assert [(end["uuid"], end["timestamp"]) for end in ends] == [("c", stamp(9)), ("b", stamp(7)), ("a", stamp(9))]
    assert ends[1]["metadata"] == {"k": 1, "relay.outcome": "abandoned"}
    assert report.unreadable == 1
    with pytest.raises(ValueError, match="written over itself"):
        recover(report.out, report.out)
    assert main(["recover", str(tmp_path / "run.jsonl")]) == 0
    assert main(["recover", str(tmp_path / "no.jsonl")]) == 2


def test_large_texts_beside_a_chained_log_are_shown_and_recovered(tmp_path: Path) -> None:
    text = "a long answer " * 100
    with (
        record(tmp_path, hash_chain=True, blob_bytes=500) as recording,
        relay.scope("planner", ScopeType.Agent, input=text),
    ):
        pass
    assert text not in recording.events_path.read_text()
    index = open_index(recording.events_path)
    assert index.start_event(0)["data"] == text
    report = recover(recording.events_path, tmp_path / "whole.jsonl")
    events = [json.loads(line) for line in report.out.read_bytes().splitlines()]
    assert (events[0]["data"], [event for event in events if "prev" in event]) == (text, [])
