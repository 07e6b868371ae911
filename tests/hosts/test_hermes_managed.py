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

from nemo_relay_provider import ScriptedProvider

from .test_hermes import FACT, FAILURES, PARENT, data_by_call, failing_once, working_day

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
    return managed(working_day, "chat", "-Q", "-q", PARENT)


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
    assert set(ends) <= set(starts)
    assert len(any_run.scopes("tool", "start")) == len(any_run.told("pre_tool_call")) > 0
    assert len(any_run.scopes("tool", "end")) == len(any_run.told("post_tool_call"))
    assert len(any_run.scopes("llm", "start")) == len(any_run.told("pre_api_request"))
    assert len(any_run.scopes("llm", "end")) == len(any_run.scopes("llm", "start"))


def test_tool_calls_carry_their_arguments_and_results(chat: Any) -> None:
    results = data_by_call(chat.scopes("tool", "end"))
    assert set(results) == {entry["tool_call_id"] for entry in chat.told("pre_tool_call")}
    assert FACT in json.dumps(results["read"])
    assert "parent-output" in json.dumps(results["run"])


def test_the_trajectory_is_valid_and_complete(any_run: Any) -> None:
    files = sorted((any_run.home / "atif").glob("trajectory-*.json"))
    assert files
    called: list[str] = []
    for path in files:
        trajectory = Trajectory.model_validate_json(path.read_text(encoding="utf-8"))
        assert (trajectory.agent.name, trajectory.agent.version) == ("Hermes Agent", "local")
        for one in (trajectory, *(trajectory.subagent_trajectories or [])):
            called += [call.tool_call_id for step in one.steps for call in step.tool_calls or []]
    assert set(called) == {entry["tool_call_id"] for entry in any_run.told("pre_tool_call")}
