# SPDX-License-Identifier: Apache-2.0
"""Files of other programs that a run changes: put back to the byte, whoever else has been there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_relay_cli.edits import MARK, Edit, Journal
from nemo_relay_cli.errors import ConfigurationError

from .conftest import COMMAND, Home

HOOK = {"command": f"python /x/{MARK} cursor", "timeout": 10}
BEFORE = '{"version":1,  "hooks":{"stop":[{"command":"mine"}]}}'
# What a host would do, from the hooks that it finds: a turn with a tool, by its documented payloads.
CURSOR = f"""#!{sys.executable}
import json, shlex, subprocess, sys
hooks = json.load(open(".cursor/hooks.json"))["hooks"]
common = {{"conversation_id": "c-1", "generation_id": "g-1", "model": "m", "cursor_version": "3"}}
tool = {{"tool_name": "Shell", "tool_input": {{"command": "touch made.txt"}}, "tool_use_id": "t-1"}}
for name, more in [
    ("sessionStart", {{}}),
    ("beforeSubmitPrompt", {{"prompt": "Hi"}}),
    ("preToolUse", tool),
    ("postToolUse", {{**tool, "tool_output": "ok", "duration": 3}}),
    ("afterAgentResponse", {{"text": "Done.", "input_tokens": 7, "output_tokens": 2}}),
    ("stop", {{"status": "completed", "loop_count": 0}}),
    ("sessionEnd", {{}}),
]:
    for hook in hooks[name]:
        payload = json.dumps({{**common, "hook_event_name": name, **more}})
        if hook["command"] == "mine":
            continue
        done = subprocess.run(shlex.split(hook["command"]), input=payload, capture_output=True, text=True)
        print(name, done.returncode, done.stdout, flush=True)
        if "deny" in done.stdout:
            sys.exit(9)
if "wait" in sys.argv:
    import time
    time.sleep(300)
"""


def with_hook(found: dict) -> dict:  # type: ignore[type-arg]
    hooks = found.get("hooks", {})
    return {"version": 1, **found, "hooks": {**hooks, "stop": [*hooks.get("stop", ()), HOOK]}}


@pytest.mark.parametrize("text", [None, "{}", BEFORE, '// mine\n{"a": "//no comment"}\n', ""])
def test_a_file_is_put_back_to_the_byte(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "deep" / "er" / "hooks.json"
    if text is not None:
        path.parent.mkdir(parents=True)
        path.write_text(text)
    journal, edit = Journal(tmp_path / "journal"), Edit(path, with_hook)
    assert MARK in edit.diff()
    journal.apply(edit, "installed")
    assert json.loads(path.read_text())["hooks"]["stop"][-1] == HOOK
    assert journal.held("installed") == [path]
    assert journal.release(path, "installed")
    assert (path.read_text() if path.exists() else None) == text
    assert text is not None or not (tmp_path / "deep").exists()
    assert journal.held("installed") == []


def test_what_somebody_else_wrote_meanwhile_stays(tmp_path: Path) -> None:
    path, journal = tmp_path / "hooks.json", Journal(tmp_path / "journal")
    path.write_text(BEFORE)
    journal.apply(Edit(path, with_hook), "installed")
    changed = json.loads(path.read_text()) | {"theirs": {}}
    path.write_text(json.dumps(changed))
    journal.release(path, "installed")
    assert json.loads(path.read_text()) == json.loads(BEFORE) | {"theirs": {}}


def test_toml_keeps_its_comments(tmp_path: Path) -> None:
    path, journal = tmp_path / "config.toml", Journal(tmp_path / "journal")
    text = '# mine\nmodel = "m" # this one\n'
    path.write_text(text)

    def change(found: dict) -> dict:  # type: ignore[type-arg]
        found["notify"] = [f"/x/{MARK}"]
        return found

    journal.apply(Edit(path, change), "installed")
    path.write_text(path.read_text() + "added = 1\n")
    journal.release(path, "installed")
    assert path.read_text().startswith(text)
    assert "added = 1" in path.read_text()
    assert MARK not in path.read_text()


def test_w19_the_last_of_several_runs_puts_it_back_and_the_next_what_a_killed_one_left(tmp_path: Path) -> None:
    path, journal = tmp_path / "hooks.json", Journal(tmp_path / "journal")
    path.write_text(BEFORE)
    edit, mine, theirs = Edit(path, with_hook), str(os.getpid()), str(os.getppid())
    journal.apply(edit, mine)
    journal.apply(edit, theirs)
    assert len(json.loads(path.read_text())["hooks"]["stop"]) == 2  # once, not twice
    assert not journal.release(path, mine)
    assert MARK in path.read_text()
    assert journal.release(path, theirs)
    assert path.read_text() == BEFORE
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    journal.apply(edit, str(gone.pid))
    assert journal.recover() == [path]
    assert path.read_text() == BEFORE


def test_a_file_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hooks.json"
    for text in ("{", "[]", "\x00"):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="left as it is"):
            Journal(tmp_path / "journal").apply(Edit(path, with_hook), "installed")
        assert path.read_text() == text


@pytest.fixture
def cursor(home: Home, tmp_path: Path) -> dict[str, str]:
    host = tmp_path / "bin" / "cursor-agent"
    host.parent.mkdir()
    host.write_text(CURSOR)
    host.chmod(0o755)
    (home.project / ".cursor").mkdir()
    (home.project / ".cursor" / "hooks.json").write_text(BEFORE)
    return {"PATH": f"{host.parent}:{os.environ['PATH']}"}


def test_cursor_is_recorded_by_its_documented_payloads(home: Home, cursor: dict[str, str]) -> None:
    done = home.run("cursor", recorded=True, env=cursor)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "preToolUse 0 {}\n" in done.stdout  # W1: no opinion, where no policy has one
    starts = [event["name"] for event in home.events() if event.get("scope_category") == "start"]
    assert starts == ["cursor", "cursor-turn", "Shell", "cursor.model"]
    assert (home.project / ".cursor" / "hooks.json").read_text() == BEFORE


def test_cursor_reads_why_a_policy_refuses(home: Home, cursor: dict[str, str]) -> None:
    (home.project / "policy.py").write_text(
        "from nemo_relay import guardrails\n"
        "guardrails.register_tool_conditional_execution('no', 1, lambda name, args: 'not today')\n"
    )
    policy = {"PYTHONPATH": str(home.project), "RELAY_POLICY": "policy"}
    done = home.run("cursor", recorded=True, env={**cursor, **policy})
    assert done.returncode == 9
    assert '"permission":"deny"' in done.stdout.replace(" ", "")
    assert "not today" in done.stdout


def test_w19_a_killed_launcher_s_change_is_taken_back_by_the_next(home: Home, cursor: dict[str, str]) -> None:
    home.environment |= cursor
    path = home.project / ".cursor" / "hooks.json"
    with home.popen([*COMMAND, "cursor", "--", "wait"]) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("sessionEnd"):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert MARK in path.read_text()
    assert list((home.home / ".cache" / "nemo-relay").glob("run-*"))
    assert home.run("cursor").returncode == 0
    assert path.read_text() == BEFORE
    assert not list((home.home / ".cache" / "nemo-relay").glob("run-*"))
