# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay show``: the last run, the list of them, one that is going on, for people and for machines."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .conftest import COMMAND, Home
from .terminal import Terminal

RUNS = """
import sys, time
from nemo_relay import ScopeType, scope, tools
from nemo_relay.recording import record
with record(".nemo-relay"):
    for name in ("first", "second"):
        with scope.scope(name, ScopeType.Agent):
            tools.execute_sync("search", {"q": name}, lambda args: "found")
    if "wait" in sys.argv:
        with scope.scope("third", ScopeType.Agent):
            print("ready", flush=True)
            sys.stdin.readline()
            tools.execute_sync("late", {}, lambda args: "found")
"""


@pytest.fixture
def recorded(home: Home) -> Home:
    subprocess.run([sys.executable, "-c", RUNS], cwd=home.project, env=home.environment, check=True)
    return home


def test_the_last_run_is_shown(recorded: Home) -> None:
    shown = recorded.run("show").stdout
    assert ("second" in shown, "first" in shown) == (True, False)
    assert "\x1b" not in shown  # piped output is plain
    assert "first" in recorded.run("show", "--run", "2").stdout
    assert recorded.run("show", "--run", "3").returncode == 1
    full = recorded.run("show", "--full").stdout
    assert "first" in full and "second" in full


def test_runs_are_listed_the_newest_first(recorded: Home) -> None:
    lines = recorded.run("show", "--list").stdout.splitlines()
    assert [("second" in line, "ok" in line, "0 LLM, 1 tool" in line) for line in lines[1:2]] == [(True, True, True)]
    assert len(lines) == 3
    listed = json.loads(recorded.run("show", "--list", "--json").stdout)
    found = [(run["name"], run["status"], run["tool_calls"]) for run in listed]
    assert found == [("second", "ok", 1), ("first", "ok", 1)]


def test_a_run_for_a_machine(recorded: Home) -> None:
    shown = json.loads(recorded.run("show", "--json").stdout)
    (root,) = shown["roots"]
    assert (root["name"], root["status"], root["children"][0]["input"]) == ("second", "ok", {"q": "second"})


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_run_that_is_going_on_is_followed_to_its_end(home: Home, words: tuple[str, ...]) -> None:
    with home.popen([sys.executable, "-c", RUNS, "wait"], stdin=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        with home.popen([*COMMAND, "show", "--follow", *words]) as follower:
            assert follower.stdout is not None
            while "third" not in follower.stdout.readline():
                pass
            process.stdin.write("\n")
            process.stdin.flush()
            rest = follower.stdout.read()
            assert follower.wait(60) == 0
    assert "late" in rest


def test_a_run_is_redrawn_on_a_terminal(home: Home) -> None:
    with home.popen([sys.executable, "-c", RUNS, "wait"], stdin=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        terminal = Terminal([*COMMAND, "show", "--follow"], home.project, home.environment)
        try:
            terminal.until("third")
            process.stdin.write("\n")
            process.stdin.flush()
            terminal.until("late")
            assert terminal.wait() == 0
        finally:
            terminal.close()
