# SPDX-License-Identifier: Apache-2.0
"""C-03: hermes-agent in its managed mode, set up by one `plugins.toml`: its model and tool calls run through Relay.

Its document is the one that its README shows, with the `adaptive` component that switches the mode on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from nat.atif import Trajectory

from nemo_relay_provider import Answer, Reply, ScriptedProvider, ToolCall

from .test_hermes import FACT, FAILURES, PARENT, answered, failing_once, terminal

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

DOCUMENT = """
version = 1

[[components]]
kind = "observability"
enabled = true

[components.config]
version = 1

[components.config.atof]
enabled = true
output_directory = "HOME/atof"
filename = "events.jsonl"
mode = "overwrite"

[components.config.atif]
enabled = true
output_directory = "HOME/atif"
filename_template = "trajectory-{session_id}.json"
agent_name = "Hermes Agent"
agent_version = "local"

[[components]]
kind = "adaptive"
enabled = true

[components.config.tool_parallelism]
mode = "observe_only"
"""


def day(body: Any) -> Answer:
    """Two files at once, one of them missing; a command; an answer."""
    done = answered(body)
    if not body.get("tools"):
        return "A title"
    if "read" not in done:
        paths = {"read": "a.txt", "read-missing": "missing.txt"}
        return Reply(tool_calls=[ToolCall("read_file", {"path": path}, id=id) for id, path in paths.items()])
    return "The parent is done." if "run" in done else Reply(tool_calls=[terminal("run", "parent-output")])


@pytest.fixture(scope="module")
def managed(hermes_venv: Any, hermes_home: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    def run(script: Any, *args: str) -> Any:
        with ScriptedProvider(script) as provider:
            home = hermes_home(hermes_venv, tmp_path_factory.mktemp("home") / "hermes", provider.openai_url, DOCUMENT)
            (home.work / "a.txt").write_text(FACT, encoding="utf-8")
            return home.run(*args, "-t", "delegation,terminal,file")

    return run


@pytest.fixture(scope="module")
def chat(managed: Callable[..., Any]) -> Any:
    """One turn of the chat command; its session is closed at exit."""
    return managed(day, "chat", "-Q", "-q", PARENT)


@pytest.fixture(scope="module")
def retried(managed: Callable[..., Any]) -> Any:
    """A provider that fails at first."""
    return managed(failing_once(), "chat", "-Q", "-q", PARENT)


@pytest.fixture(params=["chat", "retried"])
def any_run(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_it_ends_well(any_run: Any) -> None:
    assert any_run.code == 0, any_run.stderr
    assert "Traceback" not in any_run.stderr
    quiet = (*FAILURES, "NeMo Relay plugins.toml init failed")
    assert not [line for line in any_run.log.splitlines() if any(text in line for text in quiet)]


def test_everything_is_recorded(any_run: Any) -> None:
    starts = Counter(event["uuid"] for event in any_run.events if event.get("scope_category") == "start")
    ends = Counter(event["uuid"] for event in any_run.events if event.get("scope_category") == "end")
    assert set(starts.values()) == {1} == set(ends.values())
    assert set(ends) == set(starts)
    for phase, hook in (("start", "pre_tool_call"), ("end", "post_tool_call")):
        told = {entry["tool_call_id"] for entry in any_run.told(hook)}
        assert told
        # hermes runs calls that it makes at once through its middleware twice, each time as a call of its own.
        assert {event["metadata"]["tool_call_id"] for event in any_run.scopes("tool", phase)} == told
    calls = Counter(entry["api_request_id"] for entry in any_run.told("pre_api_request"))
    assert Counter(event["metadata"]["api_request_id"] for event in any_run.scopes("llm", "start")) == calls


def test_tool_calls_carry_their_results(chat: Any) -> None:
    results = {event["metadata"]["tool_call_id"]: json.dumps(event["data"]) for event in chat.scopes("tool", "end")}
    assert set(results) == {"read", "read-missing", "run"}
    assert FACT in results["read"]
    assert "parent-output" in results["run"]


def test_the_trajectory_is_valid_and_complete(any_run: Any) -> None:
    (path,) = (any_run.home / "atif").glob("trajectory-*.json")
    trajectory = Trajectory.model_validate_json(path.read_text(encoding="utf-8"))
    assert (trajectory.agent.name, trajectory.agent.version) == ("Hermes Agent", "local")
    called = [call.function_name for step in trajectory.steps for call in step.tool_calls or []]
    assert Counter(called) == Counter(event["name"] for event in any_run.scopes("tool", "start"))
    results = [one for step in trajectory.steps if step.observation for one in step.observation.results]
    assert len(results) >= len(called)
