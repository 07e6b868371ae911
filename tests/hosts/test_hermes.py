# SPDX-License-Identifier: Apache-2.0
"""hermes-agent runs unmodified on our core: its own plugin `observability/nemo_relay` imports `nemo_relay`.

Each run is one process of the real host against a scripted provider. A second plugin of ours, which knows
nothing of Relay, writes down what hermes told its plugins; Relay's events must say the same.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nat.atif import Trajectory
from nat.atof.io import read_jsonl

from nemo_relay_provider import Answer, Failure, Reply, ScriptedProvider, ToolCall

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

PARENT = "You are the PARENT."
CHILD = "You are the CHILD."
FACT = "the kettle is blue"
# What hermes' plugin logs, at DEBUG and nowhere else, when a call into Relay raises. (`-z` logs nothing.)
FAILURES = ("NeMo Relay hook handling failed", "NeMo Relay plugin disabled", "teardown completed with errors")


def user_text(body: Any) -> str:
    """Everything the user said so far."""
    said = (message["content"] for message in body["messages"] if message["role"] == "user")
    return " ".join(text if isinstance(text, str) else json.dumps(text) for text in said)


def answered(body: Any) -> set[str]:
    """The ids of the tool calls whose results the model has been given."""
    return {message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"}


def terminal(call_id: str, output: str) -> ToolCall:
    """A command that prints `output`."""
    return ToolCall("terminal", {"command": f"printf {output}"}, id=call_id)


def working_day(body: Any) -> Answer:
    """Two files at once, one of them missing; a command; a delegate with a command of its own; an answer."""
    done = answered(body)
    if not body.get("tools"):
        return "A title"
    if PARENT not in user_text(body):
        calls = [terminal("child-run", "child-output")]
        return "The child is done." if "child-run" in done else Reply(tool_calls=calls)
    if "read" not in done:
        paths = {"read": "a.txt", "read-missing": "missing.txt"}
        return Reply(tool_calls=[ToolCall("read_file", {"path": path}, id=id) for id, path in paths.items()])
    if "run" not in done:
        return Reply(tool_calls=[terminal("run", "parent-output")])
    if "delegate" not in done:
        arguments = {"goal": CHILD, "context": "none"}
        return Reply(tool_calls=[ToolCall("delegate_task", arguments, id="delegate")])
    return "The parent is done."


def failing_once() -> Callable[[Any], Answer]:
    """A provider that is overloaded at the first request; then one command, and an answer."""
    answers: Iterator[Answer] = iter([Failure(503), Reply(tool_calls=[terminal("run", "after-all")])])
    return lambda body: next(answers, Reply("Recovered."))


def endless_child() -> Callable[[Any], Awaitable[Answer]]:
    """The parent leaves when its delegate has asked the model, which never answers."""
    asked = asyncio.Event()

    async def script(body: Any) -> Answer:
        if body.get("tools") and PARENT not in user_text(body):
            asked.set()
            await asyncio.Event().wait()
        if "delegate" in answered(body):
            await asked.wait()
        return working_day(body)

    return script


@pytest.fixture(scope="module")
def play(hermes_venv: Path, hermes_home: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    def run(script: Any, *args: str) -> Any:
        with ScriptedProvider(script) as provider:
            home = hermes_home(hermes_venv, tmp_path_factory.mktemp("home") / "hermes", provider.openai_url)
            (home.work / "a.txt").write_text(FACT, encoding="utf-8")
            return home.run(*args, "-t", "delegation,terminal,file")

    return run


@pytest.fixture(scope="module")
def day(play: Callable[..., Any]) -> Any:
    """One turn without a terminal. hermes leaves it by `os._exit`: no clean-up, no flush, nothing at exit."""
    return play(working_day, "-z", PARENT)


@pytest.fixture(scope="module")
def chat(play: Callable[..., Any]) -> Any:
    """One turn of the chat command, with a provider that fails at first. Its session is closed at exit."""
    return play(failing_once(), "chat", "-Q", "-q", PARENT)


@pytest.fixture(scope="module")
def left(play: Callable[..., Any]) -> Any:
    """A chat that ends while a delegate is at work in the background."""
    return play(endless_child(), "chat", "-Q", "-q", PARENT)


@pytest.fixture(params=["day", "chat", "left"])
def any_run(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def session_scopes(run: Any) -> Iterator[tuple[str, str | None, str]]:
    """Session id, parent's uuid and uuid of every session scope, in order."""
    for start in run.scopes("agent", "start"):
        yield start["name"].removeprefix("hermes-session-"), start["parent_uuid"], start["uuid"]


def data_by_call(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Tool call id to what the event carries."""
    return {event["category_profile"]["tool_call_id"]: event["data"] for event in events}


def test_it_ends_well(any_run: Any) -> None:
    assert any_run.code == 0, any_run.stderr
    assert "Traceback" not in any_run.stderr
    assert not [line for line in any_run.log.splitlines() if any(text in line for text in FAILURES)]


def test_the_answer_reaches_the_user(day: Any, chat: Any) -> None:
    assert day.stdout.strip() == "The parent is done."
    assert "Recovered." in chat.stdout


def test_a_span_for_every_call_and_an_end_for_every_start(any_run: Any) -> None:
    for category, before, after, key in (
        ("llm", ("pre_api_request",), ("post_api_request", "api_request_error"), "api_request_id"),
        ("tool", ("pre_tool_call",), ("post_tool_call",), "tool_call_id"),
    ):
        for phase, hooks in (("start", before), ("end", after)):
            told = Counter(entry[key] for hook in hooks for entry in any_run.told(hook))
            seen = Counter(event["metadata"][key] for event in any_run.scopes(category, phase))
            assert told, f"the run made no {category} call, so this compares nothing"
            assert seen == told
    ends = Counter(event["uuid"] for event in any_run.events if event.get("scope_category") == "end")
    starts = {event["uuid"] for event in any_run.events if event.get("scope_category") == "start"}
    assert set(ends) <= starts
    assert set(ends.values()) == {1}


def test_a_call_ends_after_it_starts_under_the_same_parent(any_run: Any) -> None:
    open_spans: dict[str, dict[str, Any]] = {}
    for event in any_run.events:
        if event.get("scope_category") == "start":
            open_spans[event["uuid"]] = event
        elif event["kind"] == "scope":
            start = open_spans.pop(event["uuid"])
            assert event["timestamp"] > start["timestamp"]
            assert {key: event[key] for key in ("name", "parent_uuid", "category")} == {
                key: start[key] for key in ("name", "parent_uuid", "category")
            }


def test_only_what_hermes_leaves_open_stays_open(day: Any, chat: Any) -> None:
    # Neither `-z` nor a delegate closes its session; the chat command does, as the interpreter leaves.
    assert not day.told("on_session_finalize")
    assert not day.scopes("agent", "end")
    assert len(chat.told("on_session_finalize")) == len(chat.scopes("agent", "end")) == 1


def test_tool_calls_carry_their_arguments_and_results(day: Any) -> None:
    arguments = {entry["tool_call_id"]: entry["args"] for entry in day.told("pre_tool_call")}
    results = {entry["tool_call_id"]: entry["result"] for entry in day.told("post_tool_call")}
    assert data_by_call(day.scopes("tool", "start")) == arguments
    assert data_by_call(day.scopes("tool", "end")) == results
    assert set(results) == {"read", "read-missing", "run", "delegate", "child-run"}
    for call, text in (("read", FACT), ("run", "parent-output"), ("child-run", "child-output")):
        assert text in results[call]


def test_model_calls_carry_requests_and_responses(day: Any) -> None:
    requests = [event["data"]["content"] for event in day.scopes("llm", "start")]
    assert requests == [entry["request"]["body"] for entry in day.told("pre_api_request")]
    responses = [event["data"] for event in day.scopes("llm", "end")]
    assert responses == [entry["response"] for entry in day.told("post_api_request")]
    assert [r["assistant_message"]["content"] for r in responses][-1] == "The parent is done."
    assert {event["category_profile"]["model_name"] for event in day.scopes("llm", "end")} == {"scripted-1"}


def test_payload_keys_keep_their_order(day: Any) -> None:
    told = day.told("pre_api_request")[0]["request"]["body"]
    recorded = day.scopes("llm", "start")[0]["data"]["content"]
    assert json.dumps(recorded) == json.dumps(told)


def test_a_failed_model_call_ends_with_its_error(chat: Any) -> None:
    failed, _, succeeded = chat.scopes("llm", "end")
    assert failed["data"]["error"] == chat.told("api_request_error")[0]["error"]
    assert succeeded["data"]["assistant_message"]["content"] == "Recovered."


def test_a_delegate_works_under_its_own_scope(day: Any) -> None:
    (parent, _, parent_uuid), (child, child_parent, child_uuid) = session_scopes(day)
    assert [entry["child_session_id"] for entry in day.told("subagent_start")] == [child]
    assert child_parent == parent_uuid
    owner = {parent: parent_uuid, child: child_uuid}
    spans = [*day.scopes("llm", "start"), *day.scopes("tool", "start")]
    assert all(event["parent_uuid"] == owner[event["metadata"]["session_id"]] for event in spans)
    below_child = [event for event in spans if event["parent_uuid"] == child_uuid]
    assert Counter(event["category"] for event in below_child) == {"llm": 2, "tool": 1}


def test_a_delegate_left_behind_disturbs_nobody(left: Any) -> None:
    (parent, _, parent_uuid), (child, child_parent, child_uuid), *_ = session_scopes(left)
    assert child_parent == parent_uuid != child_uuid
    assert parent_uuid in {event["uuid"] for event in left.scopes("agent", "end")}
    waiting = [e for e in left.scopes("llm", "start") if e["metadata"]["session_id"] == child]
    assert [event["parent_uuid"] for event in waiting] == [child_uuid]
    assert parent != child


def test_every_turn_leaves_its_marks(day: Any) -> None:
    marks = Counter(event["name"] for event in day.events if event["kind"] == "mark")
    assert marks == {
        "hermes.turn.start": len(day.told("pre_llm_call")),
        "hermes.turn.end": len(day.told("post_llm_call")),
        "hermes.session.end": len(day.told("on_session_end")),
        "hermes.subagent.start": 1,
        "hermes.subagent.stop": 1,
    }


def test_others_can_read_the_events(any_run: Any) -> None:
    assert len(list(read_jsonl(any_run.home / "atof" / "events.jsonl"))) == len(any_run.events)


def test_a_trajectory_of_the_turn_holds_that_of_the_delegate(day: Any) -> None:
    (parent, _, _), (child, _, _) = session_scopes(day)
    document = (day.home / "atif" / f"{parent}.json").read_text(encoding="utf-8")
    trajectory = Trajectory.model_validate_json(document)
    calls = [call.function_name for step in trajectory.steps for call in step.tool_calls or []]
    assert calls == ["read_file", "read_file", "terminal", "delegate_task"]
    (delegate,) = trajectory.subagent_trajectories or []
    assert (trajectory.session_id, delegate.session_id) == (parent, child)
    assert [step.message for step in (trajectory.steps[-1], delegate.steps[-1])] == [
        "The parent is done.",
        "The child is done.",
    ]
