# SPDX-License-Identifier: Apache-2.0
"""Claude Code and Codex in what goes wrong and what goes on at once, against a scripted provider."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from nemo_relay_provider import Failure, Reply, ScriptedProvider, ToolCall

from .conftest import RECORDED, Home
from .test_real_hosts import QUIET, Hosts, beside, open_spans, tree

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900), pytest.mark.xdist_group("hosts")]
POLICY = """
from nemo_relay import guardrails
guardrails.register_tool_conditional_execution("no", 1, lambda name, args: "not today" if "made" in str(args) else None)
"""
Answer = Callable[[dict[str, Any]], Any]


class Host:
    """One of the two, asked without a terminal."""

    def __init__(self, name: str, hosts: Hosts, home: Home) -> None:
        self.name, self.home = name, home
        self.is_claude = name == "claude"
        package = "@anthropic-ai/claude-code" if self.is_claude else "@openai/codex"
        self.env = {**beside(hosts(package, name)), "OPENAI_API_KEY": "sk-fake", **QUIET}
        self.turn = "claude-code-turn" if self.is_claude else "codex-turn"
        self.session = "claude-code" if self.is_claude else "codex"

    def words(self, prompt: str, *more: str) -> list[str]:
        if self.is_claude:
            return ["claude", "--", "-p", prompt, "--allowedTools", "Bash,Agent,Task", *more]
        return ["codex", "--", "exec", *more, "--skip-git-repo-check", "-m", "gpt-5.2-codex", prompt]

    def urls(self, provider: ScriptedProvider) -> dict[str, str]:
        return {
            "NEMO_RELAY_ANTHROPIC_BASE_URL": provider.url,
            "NEMO_RELAY_OPENAI_BASE_URL": provider.openai_url,
        }

    def run(self, provider: ScriptedProvider, prompt: str, *more: str, **env: str) -> Any:
        words = self.words(prompt, *more)
        return self.home.run(*words, recorded=True, env={**self.env, **self.urls(provider), **env})

    def shell(self, command: str) -> ToolCall:
        if self.is_claude:
            return ToolCall("Bash", {"command": command, "description": "run"})
        return ToolCall("exec_command", {"cmd": command})

    def turns(self, body: dict[str, Any]) -> list[Any]:
        """What was said so far."""
        said: list[Any] = body["messages"] if self.is_claude else body["input"]
        return said

    def answered(self, body: dict[str, Any]) -> bool:
        """Whether the last thing said is a tool's result."""
        text = json.dumps(self.turns(body)[-1])
        return "tool_result" in text or "function_call_output" in text

    def has_tools(self, body: dict[str, Any]) -> bool:
        names = {tool.get("name") for tool in body.get("tools") or ()}
        return bool(names & {"Bash", "exec_command"})

    def script(self, *calls: ToolCall) -> Answer:
        def answer(body: dict[str, Any]) -> Reply:
            if self.answered(body):
                return Reply("Done.")
            return Reply(tool_calls=list(calls)) if self.has_tools(body) else Reply("ok")

        return answer


@pytest.fixture(params=["claude", "codex"])
def host(request: pytest.FixtureRequest, hosts: Hosts, home: Home) -> Host:
    return Host(request.param, hosts, home)


def of(category: str, events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(name, parent) for kind, name, parent in tree(events) if kind == category]


def top(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The starts that stand under none."""
    starts = {event["uuid"]: event for event in events if event.get("scope_category") == "start"}
    return [event for event in starts.values() if event.get("parent_uuid") not in starts]


def test_parallel_tools_are_both_under_their_turn(host: Host) -> None:
    with ScriptedProvider(host.script(host.shell("ls"), host.shell("pwd"))) as provider:
        done = host.run(provider, "Look around")
    assert done.returncode == 0, done.stderr
    events = host.home.events()
    assert of("tool", events) == [("Bash", host.turn)] * 2
    assert not open_spans(events)


def test_a_refused_tool_is_not_run_is_recorded_and_the_model_reads_why(host: Host) -> None:
    (host.home.project / "policy.py").write_text(POLICY)
    policy = {"PYTHONPATH": str(host.home.project), "RELAY_POLICY": "policy"}
    with ScriptedProvider(host.script(host.shell("touch made.txt"))) as provider:
        done = host.run(provider, "Make a file", **policy)
        asked = json.dumps([request.json for request in provider.requests])
    assert done.returncode == 0, done.stderr
    assert not (host.home.project / "made.txt").exists()
    assert "not today" in asked
    assert "not today" in json.dumps(host.home.events())  # W6: it is on the timeline


def test_a_provider_s_error_is_the_call_s_and_the_host_s_exit_code_is_ours(host: Host) -> None:
    with ScriptedProvider(lambda body: Failure(400, "this model is out of order")) as provider:
        done = host.run(provider, "Hi")
    assert done.returncode == 1
    events = host.home.events()
    ends = [event for event in events if event.get("scope_category") == "end" and event["category"] == "llm"]
    assert ends
    assert all(event["metadata"]["otel.status_code"] == "ERROR" for event in ends)
    assert not open_spans(events)


def test_an_interrupted_run_is_whole(host: Host) -> None:
    with ScriptedProvider(lambda body: Reply("Late.", delay=120)) as provider:
        host.home.environment |= {**host.env, **host.urls(provider)}
        command = [sys.executable, "-c", RECORDED, str(host.home.records), *host.words("Hi")]
        with host.home.popen(command) as process:
            while not any(request.method == "POST" for request in provider.requests):
                time.sleep(0.1)
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
    assert code in (0, 1, 130)  # the host's own; versions differ
    assert not open_spans(host.home.events())


def test_a_resumed_session_keeps_its_id(host: Host) -> None:
    with ScriptedProvider(lambda body: Reply("Done.")) as provider:
        assert host.run(provider, "One").returncode == 0
        first = {event["metadata"]["session_id"] for event in host.home.events() if event["name"] == host.session}
        (host.home.records / "atof" / "events.jsonl").unlink()
        more = ["--continue"] if host.is_claude else ["resume", "--last"]
        done = host.run(provider, "Two", *more)
        asked = json.dumps([request.json for request in provider.requests][-1])
    assert done.returncode == 0, done.stderr
    assert "One" in asked
    events = host.home.events()
    roots = top(events)
    assert [event["name"] for event in roots] == [host.session]  # C-15: one root
    assert {event["metadata"]["session_id"] for event in roots} == first
    assert not open_spans(events)


def test_c15_compaction_is_a_mark_of_its_session(host: Host) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        return Reply("<summary>Short.</summary>" if host.is_claude else "Short.")

    with ScriptedProvider(answer) as provider:
        assert host.run(provider, "One").returncode == 0
        (host.home.records / "atof" / "events.jsonl").unlink()
        if host.is_claude:
            done = host.run(provider, "/compact", "--continue")
        else:
            done = host.run(provider, "Two", "resume", "--last", "-c", "model_auto_compact_token_limit=1")
    assert done.returncode == 0, done.stderr
    events = host.home.events()
    marks = [event for event in events if event["kind"] == "mark" and event["name"] == "compaction"]
    assert marks
    roots = top(events)
    assert [event["name"] for event in roots] == [host.session]
    assert not open_spans(events)


def test_c06_each_of_two_parallel_subagents_has_its_own_calls(hosts: Hosts, home: Home) -> None:
    host = Host("claude", hosts, home)

    def answer(body: dict[str, Any]) -> Reply:
        first = json.dumps(body["messages"][0])
        if "ALPHA" in first or "BETA" in first:
            return Reply("ALPHA done" if "ALPHA" in first else "BETA done", delay=0.3)
        if host.answered(body):
            return Reply("Done.")
        names = {tool.get("name") for tool in body.get("tools") or ()}
        agent = next(iter(names & {"Agent", "Task"}), None)
        if agent is None:
            return Reply("ok")
        about = {"subagent_type": "general-purpose", "run_in_background": False}
        return Reply(tool_calls=[ToolCall(agent, {"description": w, "prompt": f"{w} work", **about}) for w in WORK])

    with ScriptedProvider(answer) as provider:
        done = host.run(provider, "Do both")
    assert done.returncode == 0, done.stderr
    events = home.events()
    each_has_its_own(events, lambda body: json.dumps(body["messages"][0]))


def asked_of_codex(body: dict[str, Any]) -> str:
    """What the user, or the agent that started this one, has said."""
    return json.dumps([item for item in body["input"] if item.get("role") == "user"])


def test_c06_each_of_two_parallel_subagents_of_codex_has_its_own_calls(hosts: Hosts, home: Home) -> None:
    host = Host("codex", hosts, home)

    def call(name: str, **arguments: Any) -> ToolCall:
        return ToolCall(name, arguments, namespace="multi_agent_v1")

    def answer(body: dict[str, Any]) -> Reply:
        asked = asked_of_codex(body)
        if "ALPHA" in asked or "BETA" in asked:
            return Reply("ALPHA done" if "ALPHA" in asked else "BETA done", delay=0.3)
        outputs = [item["output"] for item in body["input"] if item.get("type") == "function_call_output"]
        if not outputs:
            return Reply(tool_calls=[call("spawn_agent", message=f"{word} work") for word in WORK])
        if len(outputs) == 2:
            return Reply(tool_calls=[call("wait_agent", targets=[json.loads(one)["agent_id"] for one in outputs])])
        return Reply("Done.")

    with ScriptedProvider(answer) as provider:
        done = host.run(provider, "Do both")
    assert done.returncode == 0, done.stderr
    each_has_its_own(home.events(), asked_of_codex)


WORK = ("ALPHA", "BETA")


def each_has_its_own(events: list[dict[str, Any]], asked: Callable[[dict[str, Any]], str]) -> None:
    """The model calls of each subagent stand under it, and under no other."""
    starts = {event["uuid"]: event for event in events if event.get("scope_category") == "start"}
    parents: dict[str, set[str]] = {word: set() for word in WORK}
    for event in starts.values():
        if event["category"] == "llm":
            text = asked(event["data"]["content"])
            for word in WORK:
                if f"{word} work" in text:
                    parents[word].add(event["parent_uuid"])
    assert all(parents.values()), [event["name"] for event in starts.values()]
    (alpha,), (beta,) = parents.values()
    assert alpha != beta
    assert starts[alpha]["name"].startswith("subagent:")
    assert starts[beta]["name"].startswith("subagent:")
    assert not open_spans(events)
