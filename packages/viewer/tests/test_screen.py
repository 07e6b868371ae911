# SPDX-License-Identifier: Apache-2.0
"""The interactive screen in a real pseudo-terminal (no `subprocess`, but slow all the same)."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from .streams import conversation, scope, span, weather
from .terminal import Terminal


def written(path: Path, events: list[dict]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    return written(tmp_path / "events.jsonl", weather())


def test_a_run_side_by_side(recorded: Path) -> None:
    with Terminal("view", str(recorded)) as terminal:
        terminal.until("get_time")
        shown = terminal.settle()
        assert "1 llm 1.2k→30 tok" in shown
        assert "2 tools, 1 failed" in shown
        assert "why  get_weather failed: TimeoutError: the station did not answer, not recovered" in shown
        assert "[1 Talk]" in shown
        assert "model:route" not in shown
        terminal.type(".")
        assert "model:route" in terminal.until("steps of the framework shown")


def test_e_goes_to_the_failure_and_its_error(recorded: Path) -> None:
    with Terminal("view", str(recorded)) as terminal:
        terminal.until("get_time")
        terminal.type("e")
        terminal.until("tool get_weather")
        assert "▌ TimeoutError: the station did not answer" in terminal.settle()


def test_one_pane_where_there_is_no_room_for_two(recorded: Path) -> None:
    with Terminal("view", str(recorded), columns=80) as terminal:
        terminal.until("get_time")
        assert "[1 Talk]" not in terminal.settle()
        terminal.type("\r")
        terminal.until("[1 Talk]")
        assert "get_time" not in terminal.settle()
        terminal.type("\x1b")
        terminal.until("get_time")


@pytest.mark.parametrize("columns", [20, 40, 80, 119, 120, 200])
def test_every_width_shows_the_failure(recorded: Path, columns: int) -> None:
    with Terminal("view", str(recorded), columns=columns, rows=20) as terminal:
        terminal.until("✗")
        row = next(line for line in terminal.settle().splitlines() if "■" in line and "✗" in line)
        assert "■ get" in row


def test_filter_search_and_fold(recorded: Path) -> None:
    with Terminal("view", str(recorded)) as terminal:
        terminal.until("get_time")
        terminal.ask("f", "kind:tool error")
        terminal.until("1 of")
        terminal.without("get_time")
        terminal.type("F")
        terminal.until("get_time")
        terminal.ask("f", "colour:red")
        terminal.until("there is kind:")
        terminal.ask("/", "did not ANSWER")
        terminal.until("1 of 1")
        terminal.type("gzM")
        terminal.without("get_time")
        terminal.type("zR")
        terminal.until("get_time")


def test_the_conversation_shows_what_is_new(tmp_path: Path) -> None:
    file = written(tmp_path / "events.jsonl", conversation(3))
    with Terminal("view", str(file), rows=40) as terminal:
        terminal.until("gpt-x")
        terminal.type("G")
        shown = terminal.until("= 4 earlier messages")
        assert "turn 3" in shown
        assert "turn 2" not in shown
        terminal.type("4")
        terminal.until("+++ this request")
        assert "+  turn 3" in terminal.settle()
        terminal.type("gc")
        assert "turn 2" in terminal.until("answer 3")


def test_cost_help_and_out(recorded: Path) -> None:
    with Terminal("view", str(recorded)) as terminal:
        terminal.until("get_time")
        terminal.type("$")
        terminal.until("1 calls without a price")
        terminal.type("?")
        terminal.until("next error")
        terminal.settle()
        terminal.type("slow")
        assert "ten slowest" in terminal.without("next error")
        terminal.type("\x1b")
        terminal.until("by agent")
        terminal.type("\x1b")
        terminal.settle()
        terminal.type("q")
        assert terminal.exit_code() == 0


def test_several_runs_are_a_list(tmp_path: Path) -> None:
    second = [
        {**e, "uuid": f"b{e['uuid']}", "parent_uuid": "ba" if e["parent_uuid"] else None} for e in conversation(1)
    ]
    file = written(tmp_path / "events.jsonl", [*weather(), *second])
    with Terminal("view", str(file)) as terminal:
        shown = terminal.until("2 runs")
        assert "turn 1" in shown
        terminal.ask("/", "station did not")
        terminal.without("turn 1")
        terminal.type("\r")
        terminal.until("run 1/2")
        terminal.type("L")
        terminal.until("2 runs")


def test_a_growing_file_is_followed(tmp_path: Path) -> None:
    file = written(tmp_path / "events.jsonl", [scope("start", 0, "a", "planner", "agent")])
    with Terminal("view", str(file)) as terminal:
        terminal.until("1 spans are open")
        with file.open("a") as out:
            out.write(json.dumps(scope("start", 5, "t", "look_up", "tool", "a"))[:-9])
            out.flush()
            terminal.settle()
            assert "look_up" not in terminal.text
            out.write(json.dumps(scope("start", 5, "t", "look_up", "tool", "a"))[-9:] + "\n")
        terminal.until("look_up")
        written(file, weather())
        terminal.until("get_time")
        written(file, [scope("start", 0, "z", "other", "agent")])
        terminal.until("read anew")
        assert "other" in terminal.settle()


_KINDS = [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}]


@pytest.mark.parametrize("environment", _KINDS)
def test_terminals_of_all_kinds(recorded: Path, environment: dict[str, str]) -> None:
    with Terminal("view", str(recorded), **environment) as terminal:
        terminal.until("get_time")
        terminal.settle()
        coloured = [char for line in terminal.screen.buffer.values() for char in line.values() if char.fg != "default"]
        if "LC_ALL" in environment:
            assert "✗" not in terminal.text
        else:
            assert not [char for char in coloured if char.data in "✗■◆"]


def test_what_comes_from_a_run_does_nothing_to_the_terminal(tmp_path: Path) -> None:
    evil = "x\x1b]0;owned\x07\x1b[2J\u202e[bold]y[/bold]"
    events = [
        scope("start", 0, "a", evil, "agent", data={"messages": [{"role": "user", "content": evil}]}),
        *span(1, 2, "t", evil, "tool", "a", data={evil: evil}),
    ]
    with Terminal("view", str(written(tmp_path / "events.jsonl", events))) as terminal:
        terminal.until("[bold]y[/bold]")
        terminal.type("G")
        terminal.settle()
        assert "owned" in terminal.text
        assert b"\x1b]0;owned" not in terminal.raw
        assert "\u202e" not in terminal.text
        terminal.type("6")
        terminal.until("[6 Raw]")


def test_copy_says_where(recorded: Path) -> None:
    with Terminal("view", str(recorded), TMPDIR=str(recorded.parent)) as terminal:
        terminal.until("get_time")
        terminal.type("Gu")
        terminal.until("also in")
        (copy,) = recorded.parent.glob("nemo-relay-*.txt")
        assert copy.read_text() == "t2"
        assert b"\x1b]52;" in terminal.raw


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with Terminal("view", str(tmp_path / "no.jsonl")) as terminal:
        terminal.until("Record a run first")
        assert terminal.exit_code() == 2


def test_hangup_ends_it(recorded: Path) -> None:
    with Terminal("view", str(recorded)) as terminal:
        terminal.until("get_time")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.exit_code() is not None
