# SPDX-License-Identifier: Apache-2.0
"""Scenario 52: what a guardrail or an intercept says holds on every path by which a deep agent can delegate.

In the published package the general-purpose subagent runs what is denied (E-03), and a guardrail is asked about
the call of the model where a human has put another in its place (E-12).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import deepagents
import pytest
from deepagents.backends.utils import create_file_data
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from nemo_relay import guardrails, intercepts
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.deepagents import (
    NemoRelayDeepAgentsCallbackHandler,
    add_nemo_relay_integration,
    create_deep_agent,
)
from nemo_relay.integrations.langchain import AdapterOptions
from nemo_relay.testing import CapturedEvents

from .crew import PATHS, RAN, START, Cast, calling, cast_for, crew, marks, named, only, run, searching

REASON = "not allowed here"


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@pytest.fixture
def no_search() -> Iterator[list[Any]]:
    """A guardrail that refuses each search; the arguments that it was asked about."""
    asked: list[Any] = []

    def refuse(name: str, args: Any) -> str | None:
        if name != "search":
            return None
        asked.append(args)
        return REASON

    guardrails.register_tool_conditional_execution("no-search", 10, refuse)
    yield asked
    guardrails.deregister_tool_conditional_execution("no-search")


def attached(how: str, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """An agent with the adapter, and the configuration to call it with."""
    if how == "drop-in":
        return create_deep_agent(**arguments), None
    if how == "helper":
        return deepagents.create_deep_agent(**add_nemo_relay_integration(arguments)), None
    handler = {"callbacks": [NemoRelayDeepAgentsCallbackHandler()]}
    if how == "handler":
        return deepagents.create_deep_agent(**arguments), handler
    return deepagents.create_deep_agent(**add_nemo_relay_integration(arguments)), handler


def part_of(path: str) -> Cast:
    """A model for a run in which the agent on ``path`` searches."""
    return Cast(parts={"start": searching("main")}) if path == "main" else cast_for(path)


@pytest.mark.parametrize("how", ["drop-in", "helper", "helper and handler"])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("path", ["main", *PATHS])
async def test_s52_refused_on_every_path(
    events: CapturedEvents, no_search: list[Any], path: str, asynchronous: bool, how: str
) -> None:
    agent, config = attached(how, crew(part_of(path)))
    result = await run(agent, START, asynchronous, config)
    assert (RAN, len(no_search)) == ([], 1)
    assert result["messages"][-1].content in ("all done", "main is done")  # the run itself goes on
    assert named(events, "search") == []
    (refused,) = [mark for mark in events.marks() if mark.name == "tool.rejected"]
    assert refused.data["reason"] == REASON
    assert refused.data["args"] == {"query": path}
    if path in ("main", "compiled"):
        answer = next(message for message in result["messages"] if isinstance(message, ToolMessage))
        assert (answer.status, answer.content) == ("error", REASON)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("path", ["main", *PATHS])
async def test_s52_the_handler_alone_stops_the_run(
    events: CapturedEvents, no_search: list[Any], path: str, asynchronous: bool
) -> None:
    agent, config = attached("handler", crew(part_of(path)))
    with pytest.raises(GuardrailRejected, match=REASON):
        await run(agent, START, asynchronous, config)
    assert (RAN, len(no_search)) == ([], 1)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("path", ["main", *PATHS])
async def test_s52_raise(events: CapturedEvents, no_search: list[Any], path: str, asynchronous: bool) -> None:
    arguments = add_nemo_relay_integration(crew(part_of(path)), options=AdapterOptions(on_tool_rejection="raise"))
    agent: Any = deepagents.create_deep_agent(**arguments)
    with pytest.raises(GuardrailRejected) as caught:
        await run(agent, START, asynchronous)
    assert (caught.value.reason, caught.value.target, RAN) == (REASON, "search", [])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s52_all_paths_at_once(events: CapturedEvents, no_search: list[Any], asynchronous: bool) -> None:
    await run(create_deep_agent(**crew(cast_for(*PATHS))), START, asynchronous)
    assert (RAN, len(no_search)) == ([], len(PATHS))
    assert only(events, "main").outcome == "ok"


def test_s52_the_task_tool_itself(events: CapturedEvents) -> None:
    def only_researchers(name: str, args: Any) -> str | None:
        return REASON if name == "task" and args["subagent_type"] != "researcher" else None

    guardrails.register_tool_conditional_execution("only-researchers", 10, only_researchers)
    try:
        create_deep_agent(**crew(cast_for("researcher", "general-purpose"))).invoke(START)
    finally:
        guardrails.deregister_tool_conditional_execution("only-researchers")
    assert RAN == ["researcher"]
    assert named(events, "general-purpose") == []


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("path", ["main", *PATHS])
async def test_s52_an_intercept_rewrites_the_arguments(events: CapturedEvents, path: str, asynchronous: bool) -> None:
    def shout(name: str, args: Any) -> Any:
        return {"query": args["query"].upper()} if name == "search" else args

    intercepts.register_tool_request("shout", 10, False, shout)
    try:
        await run(create_deep_agent(**crew(part_of(path))), START, asynchronous)
    finally:
        intercepts.deregister_tool_request("shout")
    # A compiled subagent has no middleware: callbacks can refuse its calls, not rewrite them.
    assert [path if path == "compiled" else path.upper()] == RAN


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("edit", ["forbidden", "fine"])
async def test_s52_the_edit_of_a_human_is_checked(events: CapturedEvents, edit: str, asynchronous: bool) -> None:
    def refuse(name: str, args: Any) -> str | None:
        return REASON if args.get("query") == "forbidden" else None

    agent = create_deep_agent(
        **crew(Cast(parts={"start": searching("draft")}), interrupt_on={"search": True}, checkpointer=InMemorySaver())
    )
    config = {"configurable": {"thread_id": "t"}}
    guardrails.register_tool_conditional_execution("forbidden", 10, refuse)
    try:
        await run(agent, START, asynchronous, config)
        decision = {"type": "edit", "edited_action": {"name": "search", "args": {"query": edit}}}
        result = await run(agent, Command(resume={"decisions": [decision]}), asynchronous, config)
    finally:
        guardrails.deregister_tool_conditional_execution("forbidden")
    (answer,) = [message for message in result["messages"] if isinstance(message, ToolMessage)]
    if edit == "forbidden":
        assert (RAN, answer.status, named(events, "search")) == ([], "error", [])
        assert REASON in str(answer.content)
    else:
        assert (RAN, only(events, "search").input) == (["fine"], {"query": "fine"})
        assert "found fine" in str(answer.content)


def test_s52_an_intercept_has_the_last_word_after_an_edit(events: CapturedEvents) -> None:
    agent = create_deep_agent(
        **crew(Cast(parts={"start": searching("draft")}), interrupt_on={"search": True}, checkpointer=InMemorySaver())
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    agent.invoke(START, config)
    intercepts.register_tool_request("shout", 10, False, lambda name, args: {"query": args["query"].upper()})
    try:
        decision = {"type": "edit", "edited_action": {"name": "search", "args": {"query": "edited"}}}
        agent.invoke(Command(resume={"decisions": [decision]}), config)
    finally:
        intercepts.deregister_tool_request("shout")
    assert RAN == ["EDITED"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s52_a_human_puts_another_tool_in_its_place(events: CapturedEvents, asynchronous: bool) -> None:
    call = calling(("write_file", {"file_path": "/a.txt", "content": "x"}, "w1"))
    model = Cast(parts={"start": [call, "all done"]})
    agent = create_deep_agent(**crew(model, interrupt_on={"write_file": True}, checkpointer=InMemorySaver()))
    config = {"configurable": {"thread_id": "t"}}
    await run(agent, START, asynchronous, config)
    decision = {"type": "edit", "edited_action": {"name": "search", "args": {"query": "instead"}}}
    await run(agent, Command(resume={"decisions": [decision]}), asynchronous, config)
    assert RAN == ["instead"]
    assert (only(events, "search").input, named(events, "write_file")) == ({"query": "instead"}, [])


@pytest.mark.parametrize("decision", ["approve", "reject"])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s52_a_guardrail_asks_a_human_from_inside_a_subagent(
    events: CapturedEvents, no_search: list[Any], asynchronous: bool, decision: str
) -> None:
    arguments = add_nemo_relay_integration(
        crew(cast_for("general-purpose"), checkpointer=InMemorySaver()),
        options=AdapterOptions(on_tool_rejection="interrupt"),
    )
    agent: Any = deepagents.create_deep_agent(**arguments)
    config = {"configurable": {"thread_id": "t"}, "callbacks": [NemoRelayDeepAgentsCallbackHandler()]}
    await run(agent, START, asynchronous, config)
    await run(agent, Command(resume={"decisions": [{"type": decision}]}), asynchronous, config)
    first, second = named(events, "main")
    (mark,) = marks(first, "DeepAgents Human In The Loop Interrupt")
    (action,) = mark.data["interrupts"][0]["value"]["action_requests"]
    assert (action["name"], action["tool_call_id"], first.outcome) == ("search", "s1", "interrupted")
    (mark,) = marks(second, "DeepAgents Human In The Loop Resume")
    (shown,) = mark.data["decisions"]
    assert (shown["type"], shown["tool_name"], shown["tool_call_id"]) == (decision, "search", "s1")
    assert (["general-purpose"] if decision == "approve" else []) == RAN
    skipped = marks(named(events, "general-purpose")[1], "tool.skipped")
    assert [item.data["tool_call_id"] for item in skipped] == ([] if decision == "approve" else ["s1"])


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("path", ["main", *PATHS])
async def test_s52_a_model_guardrail(events: CapturedEvents, path: str, asynchronous: bool) -> None:
    def refuse(request: Any) -> str | None:
        said = [message for message in request.content["messages"] if message["role"] == "user"]
        last = str(said[-1]["content"])
        return REASON if last.endswith("start" if path == "main" else path) else None

    agent = create_deep_agent(**crew(part_of(path)))
    guardrails.register_llm_conditional_execution("no-model", 10, refuse)
    try:
        with pytest.raises(GuardrailRejected, match=REASON):
            await run(agent, START, asynchronous)
    finally:
        guardrails.deregister_llm_conditional_execution("no-model")
    assert RAN == []


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s52_what_comes_behind_the_middleware_is_checked_and_told(
    events: CapturedEvents, asynchronous: bool
) -> None:
    """Deep Agents adds memory behind every other middleware."""

    def refuse(request: Any) -> str | None:
        return REASON if "forbidden" in str(request.content["messages"]) else None

    guardrails.register_llm_conditional_execution("no-model", 10, refuse)
    agent = create_deep_agent(cast_for(), name="main", memory=["/AGENTS.md"])
    try:
        fine = {**START, "files": {"/AGENTS.md": create_file_data("Be brief.")}}
        await run(agent, fine, asynchronous)
        with pytest.raises(GuardrailRejected, match=REASON):
            await run(agent, {**START, "files": {"/AGENTS.md": create_file_data("forbidden")}}, asynchronous)
    finally:
        guardrails.deregister_llm_conditional_execution("no-model")
    (mark,) = marks(named(events, "scripted")[0], "llm.request_changed")
    assert [message["role"] for message in mark.data["messages"]] == ["system"]
    assert "Be brief." in str(mark.data["messages"])


def test_s52_filesystem_tools_too(events: CapturedEvents) -> None:
    def read_only(name: str, args: Any) -> str | None:
        return REASON if name == "write_file" else None

    write = calling(("write_file", {"file_path": "/a.txt", "content": "x"}, "w1"))
    model = cast_for(*PATHS, **{path: [write, "done"] for path in PATHS if path != "compiled"})
    guardrails.register_tool_conditional_execution("read-only", 10, read_only)
    try:
        result = create_deep_agent(**crew(model)).invoke(START)
    finally:
        guardrails.deregister_tool_conditional_execution("read-only")
    assert not result.get("files")
    assert named(events, "write_file") == []
