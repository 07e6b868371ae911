# SPDX-License-Identifier: Apache-2.0
"""Runs as our own adapters record them: graph nodes, parallel and failing tools, nested agents, cut runs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from nemo_relay import AtifExporter
from nemo_relay_projections.atif import roots, trajectory

ERROR = {
    "relay.outcome": "error",
    "otel.status_code": "ERROR",
    "otel.status_description": "ValueError: no such city",
    "error.type": "ValueError",
}


def test_graph_with_parallel_tools_one_failing_once(stream: Any, declared: Any, validate: Any) -> None:
    ask: dict[str, Any] = {"role": "user", "content": "Paris or Rome?"}
    calls = declared(c1=("weather", {"city": "Pariss"}), c2=("weather", {"city": "Rome"}))
    stream.start("run", "agent", "implicit", {"messages": [ask]}, name="agent")
    stream.start("model", "function", "run", None)
    first = {
        "role": "assistant",
        "content": "",
        "tool_calls": calls,
        "usage": {"prompt_tokens": 10, "completion_tokens": 4},
        "model": "m-1-2026",
    }
    stream.llm("l1", "model", [{"role": "system", "content": "Be brief."}, ask], first)
    stream.end("model")
    stream.start("tools-1", "function", "run")
    stream.start("tools-2", "function", "run")
    profiles = [{"tool_call_id": identity} for identity in ("c1", "c2")]
    stream.start("t1", "tool", "tools-1", {"city": "Pariss"}, name="weather", profile=profiles[0])
    stream.start("t2", "tool", "tools-2", {"city": "Rome"}, name="weather", profile=profiles[1])
    stream.end("t2", {"content": "sunny", "status": "success"})
    stream.end("t1", {"error": {"type": "ValueError", "message": "no such city"}}, ERROR)
    stream.end("tools-2")
    stream.end("tools-1", None, ERROR)
    history = [ask, first, *({"role": "tool", "tool_call_id": c, "content": ""} for c in ("c1", "c2"))]
    again = {"role": "assistant", "content": "", "tool_calls": declared(c3=("weather", {"city": "Paris"}))}
    stream.llm("l2", "run", history, again)
    stream.tool("t3", "run", "c3", {"city": "Paris"}, {"content": "rain", "status": "success"}, name="weather")
    stream.llm("l3", "run", [*history, again, {"role": "tool", "content": "rain"}], {"content": "Rome."})
    stream.end("run", {"messages": []})

    document = stream.project()
    validate(document)
    user, one, two, three = document["steps"]
    assert (user["source"], user["message"]) == ("user", "Paris or Rome?")
    assert one["model_name"] == "m-1-2026"
    assert one["metrics"] == {"prompt_tokens": 10, "completion_tokens": 4}
    told = {back["source_call_id"]: back for back in one["observation"]["results"]}
    assert told["c2"]["content"] == "sunny"
    assert "tool_result" not in told["c2"]["extra"]
    assert told["c1"]["content"] == "ValueError: no such city"
    assert told["c1"]["extra"]["status"] == "error"
    times = {call["tool_call_id"]: call["extra"] for call in one["tool_calls"]}
    assert times["c1"]["invocation"]["status"] == "error"
    assert times["c2"]["invocation"]["status"] == "completed"
    assert times["c1"]["ancestry"] == {
        "function_id": "t1",
        "function_name": "weather",
        "parent_id": "tools-1",
        "parent_name": "tools-1",
    }
    assert two["observation"]["results"][0]["content"] == "rain"
    assert three["message"] == "Rome."
    assert document["final_metrics"] == {
        "total_prompt_tokens": 10,
        "total_completion_tokens": 4,
        "total_steps": 4,
    }


def test_a_failed_model_call_is_a_step_and_asking_again_is_no_new_user_turn(stream: Any, validate: Any) -> None:
    ask = [{"role": "user", "content": "hi"}]
    stream.start("run", "agent")
    stream.llm("l1", "run", ask, {"error": {"type": "Timeout", "message": "slow"}}, metadata=ERROR)
    stream.llm("l2", "run", ask, {"content": "hello"})
    stream.end("run")
    document = stream.project()
    validate(document)
    user, failed, answered = document["steps"]
    assert [step["source"] for step in (user, failed, answered)] == ["user", "agent", "agent"]
    assert failed["message"] == ""
    assert failed["extra"]["error"] == {"type": "ValueError", "message": "ValueError: no such city"}
    assert failed["extra"]["invocation"]["status"] == "error"
    assert answered["extra"]["llm_request"]["messages"] == ask


def test_a_cut_run_shows_what_had_begun(stream: Any, declared: Any, validate: Any) -> None:
    stream.start("run", "agent")
    stream.llm("l1", "run", [{"role": "user", "content": "go"}], {"tool_calls": declared(c1=("f", {}))})
    stream.start("t1", "tool", "run", {}, name="f", profile={"tool_call_id": "c1"})
    stream.start("l2", "llm", "run", {"headers": {}, "content": {"messages": [{"role": "tool", "content": ""}]}})
    document = stream.project()
    validate(document)
    assert document["extra"] == {"nemo_relay": {"status": "incomplete"}}
    asked, waiting = document["steps"][1:]
    assert asked["tool_calls"][0]["extra"]["invocation"]["status"] == "incomplete"
    assert "observation" not in asked
    assert waiting["extra"]["invocation"]["status"] == "incomplete"


def test_the_outcome_of_the_agent_is_told(stream: Any, validate: Any) -> None:
    stream.start("run", "agent", data="in")
    stream.end("run", None, ERROR)
    document = stream.project()
    validate(document)
    assert document["extra"]["nemo_relay"]["error"]["message"] == "ValueError: no such city"
    assert document["steps"][0]["extra"]["input"] == "in"


def test_several_executions_of_one_call_are_all_kept(stream: Any, declared: Any, validate: Any) -> None:
    stream.start("run", "agent")
    stream.llm("l1", "run", [{"role": "user", "content": "go"}], {"tool_calls": declared(c1=("f", {}))})
    stream.tool("t1", "run", "c1", {}, None, name="f", metadata=ERROR)
    stream.tool("t2", "run", "c1", {}, "fine", name="f")
    document = stream.project()
    validate(document)
    step = document["steps"][1]
    assert [back["content"] for back in step["observation"]["results"]] == [
        "ValueError: no such city",
        "fine",
    ]
    assert step["tool_calls"][0]["extra"]["invocation"]["status"] == "completed"
    assert [one["status"] for one in step["tool_calls"][0]["extra"]["attempts"]] == ["error", "completed"]


def test_ids_that_each_answer_numbers_anew(stream: Any, declared: Any, validate: Any) -> None:
    stream.start("run", "agent")
    for number in range(3):
        answer = {"content": str(number), "tool_calls": declared(call_0=("f", {"n": number}))}
        stream.llm(f"l{number}", "run", [{"role": "tool", "content": ""}], answer)
        stream.tool(f"t{number}", "run", "call_0", {"n": number}, f"r{number}", name="f")
    document = stream.project()
    validate(document)
    returned = [step["observation"]["results"] for step in document["steps"]]
    assert [[back["content"] for back in results] for results in returned] == [["r0"], ["r1"], ["r2"]]


def test_executions_without_ids_find_their_calls(stream: Any, declared: Any) -> None:
    stream.start("run", "agent")
    calls = declared(c1=("f", {"x": 1, "y": 2}), c2=("f", {"x": 2}), c3=("g", {"rewritten": False}))
    stream.llm("l1", "run", [{"role": "user", "content": "go"}], {"content": "", "tool_calls": calls})
    stream.tool("t2", "run", None, {"x": 2}, "two", name="f")
    stream.tool("t1", "run", None, {"y": 2, "x": 1}, "one", name="f")
    stream.tool("t3", "run", None, {"rewritten": True}, "three", name="g")
    stream.tool("t4", "run", None, {"x": 3}, "four", name="f")
    step = stream.project()["steps"][1]
    returned = {back["source_call_id"]: back["content"] for back in step["observation"]["results"]}
    assert returned == {"c1": "one", "c2": "two", "c3": "three", "t4": "four"}
    assert step["tool_calls"][3]["arguments"] == {"x": 3}


class TestNestedAgents:
    def test_parallel_agents_are_under_the_tool_that_they_ran_in(
        self, stream: Any, declared: Any, validate: Any
    ) -> None:
        stream.start("run", "agent")
        calls = declared(c1=("research", {"t": 1}), c2=("research", {"t": 2}))
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost_usd": 0.5}
        answer = {"content": "", "tool_calls": calls, "usage": usage}
        stream.llm("l1", "run", [{"role": "user", "content": "go"}], answer)
        for number in (1, 2):
            profile = {"tool_call_id": f"c{number}"}
            stream.start(f"t{number}", "tool", "run", {"t": number}, name="research", profile=profile)
        for number in (2, 1):
            stream.start(f"node{number}", "function", f"t{number}")
            stream.start(f"a{number}", "agent", f"node{number}", name="researcher")
            ask = [{"role": "user", "content": f"topic {number}"}]
            stream.llm(f"al{number}", f"a{number}", ask, {"content": "found", "usage": usage})
        for number in (2, 1):
            stream.end(f"a{number}")
            stream.end(f"t{number}", f"done {number}")
        document = stream.project()
        validate(document)
        returned = document["steps"][1]["observation"]["results"]
        refs = {back["source_call_id"]: back["subagent_trajectory_ref"][0]["trajectory_id"] for back in returned}
        assert refs == {"c1": "a1", "c2": "a2"}
        assert {back["content"] for back in returned} == {"done 1", "done 2"}
        children = {child["trajectory_id"]: child for child in document["subagent_trajectories"]}
        assert children["a1"]["steps"][0]["message"] == "topic 1"
        assert children["a1"]["agent"] == {"name": "researcher", "version": "1", "model_name": "m-1"}
        totals = document["final_metrics"]
        assert (totals["total_prompt_tokens"], totals["total_cost_usd"]) == (1, 1.5)
        assert totals["extra"]["nemo_relay"]["with_subagents"]["prompt_tokens"] == 3

    def test_with_two_tools_at_work_nothing_is_guessed(self, stream: Any, declared: Any, validate: Any) -> None:
        stream.start("run", "agent")
        calls = declared(c1=("f", {}), c2=("g", {}))
        stream.llm("l1", "run", [{"role": "user", "content": "go"}], {"content": "", "tool_calls": calls})
        for number, name in ((1, "f"), (2, "g")):
            stream.start(f"t{number}", "tool", "run", {}, name=name, profile={"tool_call_id": f"c{number}"})
        stream.start("a", "agent", "run")
        document = stream.project()
        validate(document)
        assert document["steps"][2]["tool_calls"][0]["tool_call_id"] == "subagent:a"
        assert document["steps"][2]["llm_call_count"] == 0

    def test_a_named_agent_is_projected_alone(self, stream: Any, validate: Any) -> None:
        for run in ("r1", "r2"):
            stream.start(run, "agent", "implicit")
            stream.llm(f"{run}-l", run, [{"role": "user", "content": run}], {"content": "ok"})
        stream.llm("stray", "implicit", [{"role": "user", "content": "stray"}], {"content": "ok"})
        document = stream.project("r2")
        validate(document)
        assert document["trajectory_id"] == "r2"
        assert [step["message"] for step in document["steps"]] == ["r2", "ok"]

    def test_a_single_agent_takes_in_what_ran_outside(self, stream: Any) -> None:
        stream.llm("stray", "implicit", [{"role": "user", "content": "stray"}], {"content": "ok"})
        stream.start("r1", "agent", "implicit")
        stream.start("r2", "agent", "r1")
        document = stream.project()
        assert document["steps"][0]["message"] == "stray"
        assert [child["trajectory_id"] for child in document["subagent_trajectories"]] == ["r2"]

    def test_without_a_single_root_everything_is_one_list(self, stream: Any, validate: Any) -> None:
        for run in ("r1", "r2"):
            stream.start(run, "agent", "implicit")
            stream.llm(f"{run}-l", run, [{"role": "user", "content": run}], {"content": "ok"})
        document = stream.project()
        validate(document)
        assert [step["message"] for step in document["steps"]] == ["r1", "ok", "r2", "ok"]
        assert "subagent_trajectories" not in document

    def test_roots(self, stream: Any) -> None:
        turn = {"nemo_relay_scope_role": "turn"}
        stream.start("fn", "function", "implicit")
        stream.start("below-function", "agent", "fn")
        stream.start("inner", "agent", "below-function")
        stream.start("lone-turn", "custom", "implicit", metadata=turn)
        stream.start("turn-of-inner", "agent", "inner", metadata=turn)
        assert roots(stream.events) == ["below-function", "lone-turn"]

    def test_a_long_chain_of_agents(self, stream: Any) -> None:
        for depth in range(2_000):
            stream.start(str(depth), "agent", str(depth - 1))
        document = trajectory(stream.events, session_id="s", agent_name="app", agent_version="1")
        depth = 0
        while "subagent_trajectories" in document:
            (document,), depth = document["subagent_trajectories"], depth + 1
        assert depth == 1_999


def test_a_scrambled_file_is_projected_as_far_as_it_goes(stream: Any, declared: Any, validate: Any) -> None:
    stream.start("run", "agent")
    stream.llm("l1", "run", [{"role": "user", "content": "go"}], {"tool_calls": declared(c1=("f", {}))})
    stream.tool("t1", "run", "c1", {}, "fine", name="f")
    stream.end("run")
    stream.events.reverse()
    document = stream.project()
    validate(document)
    assert document["final_metrics"]["total_steps"] == 2
    assert document["steps"][1]["observation"]["results"][0]["content"] == "fine"


def test_marks_broken_events_and_repeated_events_do_no_harm(stream: Any, validate: Any) -> None:
    stream.start("run", "agent")
    stream.events.append({"kind": "mark", "name": "m", "uuid": "m"})
    stream.events += [{}, {"uuid": 1, "scope_category": "start"}]
    stream.llm("l1", "run", [{"role": "user", "content": "go"}], {"content": "ok"})
    stream.events += copy.deepcopy(stream.events[-2:])
    stream.events[-1]["timestamp"] = "yesterday"
    document = stream.project()
    validate(document)
    assert len(document["steps"]) == 2


def test_the_events_are_left_alone(stream: Any, declared: Any) -> None:
    stream.start("run", "agent", metadata={"session_id": "x"})
    calls = declared(c1=("f", {}))
    calls[0]["index"] = 0
    stream.llm("l1", "run", [{"role": "user", "content": "go"}], {"content": "", "tool_calls": calls})
    stream.tool("t1", "run", "c1", {}, {"r": 1}, name="f")
    before = copy.deepcopy(stream.events)
    assert stream.project() == stream.project()
    assert stream.events == before


@pytest.mark.parametrize("model_name", [None, "m"])
def test_the_agent_is_described_as_asked(stream: Any, model_name: str | None) -> None:
    extra = {"team": "x"}
    document = stream.project(model_name=model_name, tool_definitions=[{"type": "function"}], extra=extra)
    named = {} if model_name is None else {"model_name": model_name}
    rest = {"tool_definitions": [{"type": "function"}], "extra": extra}
    assert document["agent"] == {"name": "app", "version": "1", **named, **rest}


def test_the_schema_version_is_chosen_and_an_unknown_one_refused() -> None:
    exporter = AtifExporter("s", "a", "1", schema_version="ATIF-v1.8")
    assert exporter.export()["schema_version"] == "ATIF-v1.8"
    assert AtifExporter("s", "a", "1").export()["schema_version"] == "ATIF-v1.7"
    with pytest.raises(ValueError, match="'ATIF-v9'"):
        AtifExporter("s", "a", "1", schema_version="ATIF-v9")
