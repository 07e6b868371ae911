# SPDX-License-Identifier: Apache-2.0
"""Real hosts, end to end, against a scripted provider on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_relay_provider import Reply, ScriptedProvider, ToolCall

from .conftest import Home

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900), pytest.mark.xdist_group("hosts")]
Hosts = Callable[[str, str], str]


def tree(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Starts in their order: what, and under what."""
    starts = [event for event in events if event.get("scope_category") == "start"]
    names = {event["uuid"]: event["name"] for event in starts}
    return [(event["category"], event["name"], names.get(event.get("parent_uuid"), "")) for event in starts]


def open_spans(events: list[dict[str, Any]]) -> set[str]:
    """What was started and never ended."""
    ids: dict[str, set[str]] = {"start": set(), "end": set()}
    for event in events:
        if event["kind"] == "scope":
            ids[event["scope_category"]].add(event["uuid"])
    return ids["start"] - ids["end"]


def beside(path: str) -> dict[str, str]:
    return {"PATH": f"{Path(path).parent}:{os.environ['PATH']}"}


QUIET = {
    "ANTHROPIC_API_KEY": "sk-ant-api03-fake",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}


def claude_script(command: str) -> Callable[[dict[str, Any]], Reply]:
    def answer(body: dict[str, Any]) -> Reply:
        if "tool_result" in json.dumps(body["messages"]):
            return Reply("Done.")
        if any(tool.get("name") == "Bash" for tool in body.get("tools", [])):
            return Reply(tool_calls=[ToolCall("Bash", {"command": command, "description": "run"})])
        return Reply("ok")

    return answer


@pytest.mark.parametrize("allowed", [True, False])
def test_c01_w01_claude_code_is_recorded_and_keeps_its_permissions(home: Home, hosts: Hosts, allowed: bool) -> None:
    path = hosts("@anthropic-ai/claude-code", "claude")
    permission = ["--allowedTools", "Bash"] if allowed else []
    with ScriptedProvider(claude_script("touch made.txt")) as provider:
        env = {**QUIET, **beside(path), "NEMO_RELAY_ANTHROPIC_BASE_URL": provider.url}
        done = home.run("claude", "--", "-p", "Make a file", *permission, recorded=True, env=env)
    assert done.returncode == 0, done.stderr
    assert (home.project / "made.txt").exists() is allowed
    events = home.events()
    found = tree(events)
    assert found[0] == ("agent", "claude-code", "")
    assert ("custom", "claude-code-turn", "claude-code") in found
    assert ("llm", "anthropic.messages", "claude-code-turn") in found
    assert ("tool", "Bash", "claude-code-turn") in found
    assert not open_spans(events)
    assert not (home.home / ".claude" / "settings.json").exists()
    assert "nrp_" not in json.dumps(events)


@pytest.mark.parametrize("model", ["gpt-5.2-codex"])
def test_w26_codex_is_recorded_with_its_hooks(home: Home, hosts: Hosts, model: str) -> None:
    path = hosts("@openai/codex", "codex")

    def answer(body: dict[str, Any]) -> Reply:
        if "function_call_output" in json.dumps(body["input"]):
            return Reply("Done.")
        if any(tool.get("name") == "exec_command" for tool in body.get("tools", [])):
            return Reply(tool_calls=[ToolCall("exec_command", {"cmd": "ls"})])
        return Reply("ok")

    config = home.home / ".codex"
    config.mkdir()
    with ScriptedProvider(answer) as provider:
        env = {**beside(path), "OPENAI_API_KEY": "sk-fake", "NEMO_RELAY_OPENAI_BASE_URL": provider.openai_url}
        words = ["codex", "--", "exec", "--skip-git-repo-check", "-m", model, "List the files"]
        done = home.run(*words, recorded=True, env=env)
    assert done.returncode == 0, done.stderr
    events = home.events()
    found = tree(events)
    assert found[:2] == [("agent", "codex", ""), ("custom", "codex-turn", "codex")]
    assert [name for category, name, _ in found if category == "llm"] == ["openai.responses"] * 2
    assert ("tool", "Bash", "codex-turn") in found
    assert not open_spans(events)
    assert not (config / "config.toml").exists() or "nemo-relay" not in (config / "config.toml").read_text()


def test_the_journey_of_the_readme(home: Home, hosts: Hosts) -> None:
    """From an empty folder to raw events and one trajectory of the session."""
    path = hosts("@anthropic-ai/claude-code", "claude")
    for name, value in (
        ("observability.atof.output_directory", ".nemo-relay/atof"),
        ("observability.atof.filename", "events.jsonl"),
        ("observability.atof.mode", "overwrite"),
        ("observability.atif.output_directory", ".nemo-relay/atif"),
        ("observability.atif.filename_template", "trajectory-{session_id}.json"),
    ):
        assert home.run("plugins", "set", name, value, "--project").returncode == 0
    with ScriptedProvider(claude_script("ls")) as provider:
        env = {**QUIET, **beside(path), "NEMO_RELAY_ANTHROPIC_BASE_URL": provider.url}
        done = home.run("claude", "--", "-p", "Summarize this repository.", "--allowedTools", "Bash", env=env)
    assert (done.returncode, done.stdout.strip()) == (0, "Done."), done.stderr
    lines = (home.project / ".nemo-relay" / "atof" / "events.jsonl").read_text().splitlines()
    assert any(json.loads(line)["atof_version"] == "0.1" for line in lines)
    (trajectory,) = (home.project / ".nemo-relay" / "atif").glob("*.json")
    document = json.loads(trajectory.read_text())
    assert [call["function_name"] for step in document["steps"] for call in step.get("tool_calls") or []] == ["Bash"]


def test_a_tool_that_a_policy_refuses_is_not_run_and_the_model_reads_why(home: Home, hosts: Hosts) -> None:
    path = hosts("@anthropic-ai/claude-code", "claude")
    plugin = home.project / "policy.py"
    plugin.write_text(
        "from nemo_relay import guardrails\n"
        "guardrails.register_tool_conditional_execution('no', 1, lambda name, args: 'not today')\n"
    )
    with ScriptedProvider(claude_script("touch made.txt")) as provider:
        env = {**QUIET, **beside(path), "NEMO_RELAY_ANTHROPIC_BASE_URL": provider.url}
        done = home.run(
            *("claude", "--", "-p", "Make a file", "--allowedTools", "Bash"),
            recorded=True,
            env={**env, "PYTHONPATH": str(home.project), "RELAY_POLICY": "policy"},
        )
        asked = json.dumps([request.json for request in provider.requests])
    assert done.returncode == 0, done.stderr
    assert not (home.project / "made.txt").exists()
    assert "not today" in asked
