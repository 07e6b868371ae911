# SPDX-License-Identifier: Apache-2.0
"""Small commands: what is here, what is wrong, what a shell completes; a gateway that runs by itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from .conftest import Home


def test_agents_are_listed_installed_or_not(home: Home, tmp_path: Path) -> None:
    host = tmp_path / "codex"
    host.write_text("#!/bin/sh\necho codex-cli 9.9.9\n")
    host.chmod(0o755)
    done = home.run("agents", "--json", env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    agents = {agent["name"]: agent for agent in json.loads(done.stdout)}
    assert (agents["codex"]["status"], agents["codex"]["version"]) == ("pass", "codex-cli 9.9.9")
    assert agents["claude"]["path"] is None
    assert home.run("agents").returncode == 0


def test_the_doctor_fails_for_what_is_wrong_and_says_what_mends_it(home: Home) -> None:
    done = home.run("doctor")
    assert (done.returncode, "plugins set" in done.stdout) == (0, True), done.stderr
    assert home.run("doctor", "codex", env={"PATH": "/usr/bin:/bin"}).returncode == 1
    assert home.run("doctor", "nobody").returncode == 1
    path = home.project / ".nemo-relay" / "plugins.toml"
    path.parent.mkdir()
    path.write_text("version = = 1")
    done = home.run("doctor", "--json")
    assert done.returncode == 1
    assert any(str(path) in finding["details"] for finding in json.loads(done.stdout)["observability"])


def test_completions(home: Home) -> None:
    assert "_NEMO_RELAY_COMPLETE" in home.run("completions", "bash").stdout
    assert home.run("completions", env={"SHELL": "/bin/nosuch"}).returncode == 1
    assert home.run("completions", "fish", "--install").returncode == 0
    assert (home.home / ".config" / "fish" / "completions" / "nemo-relay.fish").exists()


def test_a_gateway_that_runs_by_itself_ends_with_its_sessions_closed(home: Home) -> None:
    for name in ("output_directory", "filename"):
        value = {"output_directory": ".nemo-relay/atof", "filename": "events.jsonl"}[name]
        home.run("plugins", "set", f"observability.atof.{name}", value)
    command = [sys.executable, "-m", "nemo_relay_cli", "gateway", "serve", "--bind", "127.0.0.1:0"]
    with home.popen(command, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        for payload in ({"hook_event_name": "SessionStart"}, {"hook_event_name": "UserPromptSubmit", "prompt": "Hi"}):
            body = json.dumps({"session_id": "s-1", **payload}).encode()
            request = urllib.request.Request(f"{url}/hooks/claude-code", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as answer:
                assert json.loads(answer.read()) == {}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    lines = (home.project / ".nemo-relay" / "atof" / "events.jsonl").read_text().splitlines()
    scopes = [event["scope_category"] for event in map(json.loads, lines) if event["kind"] == "scope"]
    assert scopes == ["start", "start", "end", "end"]


def test_a_bind_beyond_loopback_is_refused_without_being_asked_for(home: Home) -> None:
    done = home.run("gateway", "serve", "--bind", "0.0.0.0:0")
    assert done.returncode == 1
    assert "allow_remote" in done.stderr
    done = home.run("gateway", "serve", "--bind", "0.0.0.0:0", "--allow-remote")
    assert (done.returncode, "token" in done.stderr) == (1, True)
    assert home.run("gateway", "serve", "--bind", "nowhere").returncode == 1


def test_show_takes_the_newest_file(home: Home) -> None:
    folder = home.project / ".nemo-relay" / "atof"
    assert home.run("show").returncode == 1
    folder.mkdir(parents=True)
    program = "from nemo_relay import scope, ScopeType\nfrom nemo_relay.recording import record\n"
    program += "with record('.nemo-relay'), scope.scope('planner', ScopeType.Agent):\n    pass\n"
    subprocess.run([sys.executable, "-c", program], cwd=home.project, env=home.environment, check=True)
    done = home.run("show")
    assert (done.returncode, "planner" in done.stdout) == (0, True), done.stderr
    assert "events.jsonl" in home.run("show", "--list").stdout
    done = home.run("convert", "--atif", "made")
    assert (done.returncode, "1 trajectories in made" in done.stdout) == (0, True), done.stderr
    assert len(list((home.project / "made").glob("*.json"))) == 1
    assert home.run("convert").returncode == 1


def test_verify_names_the_line_that_does_not_fit(home: Home) -> None:
    program = """
from nemo_relay import scope
from nemo_relay.recording import record
with record(".nemo-relay", hash_chain=True):
    for number in range(3):
        scope.event("step", data={"number": number})
"""
    with home.popen([sys.executable, "-c", program]) as process:
        assert process.wait(50) == 0
    done = home.run("verify")
    assert (done.returncode, "3 of 3 lines are linked" in done.stdout) == (0, True), done.stderr
    head = done.stdout.splitlines()[-1].removeprefix("head: ")
    assert home.run("verify", "--head", head).returncode == 0
    path = home.project / ".nemo-relay" / "atof" / "events.jsonl"
    path.write_text(path.read_text().replace('"number":1', '"number":7'))
    done = home.run("verify", str(path))
    assert (done.returncode, "line 3" in done.stderr) == (1, True)
    path.write_text('{"name": "a"}\n')
    assert "hash_chain" in home.run("verify").stderr
