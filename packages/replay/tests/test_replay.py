# SPDX-License-Identifier: Apache-2.0
"""Calls answered from a recording: managed ones, those of a real LangChain agent, and in pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, ToolExecutionResult, llm, scope, tools
from nemo_relay.recording import record
from nemo_relay.replay import RecordedError, ReplayMiss, replay
from nemo_relay.testing import capture_events


def dead(*given: Any) -> Any:
    raise AssertionError(f"called with {given}")


def request(text: str, **more: Any) -> LLMRequest:
    return LLMRequest({"x-run": text}, {"model": "m", "messages": [{"role": "user", "content": text, **more}]})


def agent(look: Callable[[Any], Any], think: Callable[[Any], Any], question: str = "umbrella?") -> list[Any]:
    with scope.scope("agent", ScopeType.Agent):
        found = [llm.execute_sync("openai", request(question), think)]
        found += [tools.execute_sync("look", {"n": n}, look) for n in (1, 2, 1)]
        try:
            tools.execute_sync("break", {}, broken)
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def broken(args: Any) -> Any:
    raise TimeoutError("the station did not answer")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    answers = iter("abc")
    with record(tmp_path / "run") as run:
        agent(lambda args: f"{next(answers)}{args['n']}", lambda request: {"role": "assistant", "content": "yes"})
    return run.events_path


def outcomes(captured: Any) -> list[Any]:
    left = ("exception.stacktrace", "otel.status_description")
    return [
        (e["scope_category"], e["name"], e["data"], {k: v for k, v in (e["metadata"] or {}).items() if k not in left})
        for e in (event.to_dict() for event in captured.events)
        if e["kind"] == "scope"
    ]


def test_a_run_again_without_anything_being_called(recorded: Path) -> None:
    with replay(recorded) as running, capture_events() as captured:
        first = agent(dead, dead)
    assert first == [
        {"role": "assistant", "content": "yes"},
        "a1",
        "b2",
        "c1",
        "TimeoutError: the station did not answer",
    ]
    assert (running.answered, running.live, running.left, running.misses) == (5, 0, [], [])
    told = [json.loads(line) for line in recorded.read_text().splitlines()]
    good = [(e["name"], e["data"]) for e in told if e["kind"] == "scope" and e["name"] != "break"]
    assert [(event.name, event.to_dict()["data"]) for event in captured.events if event.name != "break"] == good
    with replay(recorded), capture_events() as again:
        agent(dead, dead)
    assert outcomes(captured) == outcomes(again)
    assert tools.execute_sync("look", {"n": 1}, lambda args: "live again") == "live again"


def test_errors_are_recorded_errors(recorded: Path) -> None:
    with replay(recorded), pytest.raises(RecordedError, match="the station did not answer") as caught:
        tools.execute_sync("break", {}, dead)
    assert (type(caught.value).__name__, caught.value.type_name) == ("TimeoutError", "TimeoutError")


def test_ids_headers_and_order_do_not_count(recorded: Path) -> None:
    with replay(recorded):
        asked = LLMRequest(
            {"other": "h"}, {"messages": [{"content": "umbrella?", "id": "7", "role": "user"}], "model": "m"}
        )
        assert llm.execute_sync("openai", asked, dead)["content"] == "yes"


def test_an_id_among_the_arguments_of_a_tool_does(tmp_path: Path) -> None:
    with record(tmp_path / "run") as run:
        for number in (1, 2):
            tools.execute_sync("get", {"id": number}, lambda args: args["id"] * 10)
    with replay(run.events_path):
        assert [tools.execute_sync("get", {"id": number}, dead) for number in (2, 1)] == [20, 10]


def test_a_miss_shows_the_nearest_call_and_the_difference(recorded: Path) -> None:
    with replay(recorded) as running, pytest.raises(ReplayMiss) as missed:
        tools.execute_sync("look", {"n": 3}, dead)
    assert '+ "n": 3' in str(missed.value)
    assert missed.value.nearest in running.left
    with replay(recorded), pytest.raises(ReplayMiss, match="none of that name"):
        tools.execute_sync("unknown", {}, dead)
    with replay(recorded, missing="live") as running:
        assert tools.execute_sync("look", {"n": 3}, lambda args: "live") == "live"
    assert (running.answered, running.live) == (0, 1)


def test_wrapped_results_of_tools(recorded: Path) -> None:
    with replay(recorded, tool_results="wrapped", missing="live") as running:
        assert tools.execute_sync("look", {"n": 2}, dead).result == "b2"
        assert tools.execute_sync("look", {"n": 7}, lambda args: ToolExecutionResult(7, "note")).annotation == "note"
    assert (running.answered, running.live) == (1, 1)


def test_structure_takes_the_next_of_the_name(recorded: Path) -> None:
    with replay(recorded, match="structure") as running:
        found = agent(dead, dead, "another question")
    assert found[0]["content"] == "yes"
    assert running.left == []


async def test_asynchronous_and_streamed_calls(recorded: Path) -> None:
    async with replay(recorded, speed=0.001):
        parts: list[Any] = []
        stream = await llm.stream_execute("openai", request("umbrella?"), dead, parts.append, lambda: parts)
        assert [chunk async for chunk in stream] == [{"role": "assistant", "content": "yes"}]
        assert await tools.execute("look", {"n": 2}, dead) == "b2"


@pytest.mark.parametrize(
    "options",
    [{"match": "close"}, {"missing": "ignore"}, {"speed": -1}, {"speed": float("nan")}, {"tool_results": "x"}],
)
def test_options_that_are_none(recorded: Path, options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        replay(recorded, **options)


def test_files_that_are_no_recordings(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text('{"kind": "mark"}\ntorn')
    with pytest.raises(ValueError, match="no LLM or tool call"), replay(tmp_path / "empty.jsonl"):
        pass
    with pytest.raises(FileNotFoundError), replay(tmp_path / "none.jsonl"):
        pass


def test_secrets_are_compared_masked(tmp_path: Path) -> None:
    secret = {"api_key": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"}
    with record(tmp_path / "run") as run:
        tools.execute_sync("log in", secret, lambda args: "in")
    assert "sk-proj" not in run.events_path.read_text()
    with replay(run.events_path):
        assert tools.execute_sync("log in", secret, dead) == "in"


def test_a_langchain_agent_with_its_provider_gone(tmp_path: Path) -> None:
    from langchain.agents import create_agent
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    from nemo_relay.integrations.langchain import RelayMiddleware
    from nemo_relay_provider import Reply, ScriptedProvider, ToolCall

    asked: list[str] = []

    @tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return f"rain in {city}"

    def answer(url: str) -> str:
        model = ChatOpenAI(model="m", base_url=url, api_key="k", max_retries=0, timeout=5)
        built = create_agent(model, [get_weather], middleware=[RelayMiddleware()])
        messages: Any = {"messages": [{"role": "user", "content": "umbrella?"}]}
        return str(built.invoke(messages)["messages"][-1].content)

    script = [
        Reply(tool_calls=[ToolCall("get_weather", {"city": "Lisbon"})]),
        Reply(tool_calls=[ToolCall("get_weather", {"city": "Porto"})]),
        Reply("Take it."),
    ]
    with ScriptedProvider(script) as provider, record(tmp_path / "run") as run:
        assert answer(provider.openai_url) == "Take it."
    assert asked == ["Lisbon", "Porto"]
    with replay(run.events_path) as running, capture_events() as captured:
        assert answer("http://127.0.0.1:9/v1") == "Take it."
    assert (asked, running.left) == (["Lisbon", "Porto"], [])
    assert [event.name for event in captured.events if event.category == "tool" and event.scope_category == "end"] == [
        "get_weather"
    ] * 2


TEST = """
import pytest
from nemo_relay import tools

@pytest.mark.relay_replay("run.jsonl", match="structure")
def test_one(relay_replay):
    assert tools.execute_sync("look", {"n": 9}, lambda args: 1 / 0) == "a1"
    assert len(relay_replay.left) == 4

def test_two(relay_replay):
    assert relay_replay is None
"""


def test_the_marker(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_bytes(recorded.read_bytes())
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout
