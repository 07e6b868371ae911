# SPDX-License-Identifier: Apache-2.0
"""Faults that use has found in the Deep Agents adapter, by their numbers in the list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import deepagents
import pytest
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import SystemMessage
from langgraph.callbacks import GraphInterruptEvent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.types import Command, Interrupt

from nemo_relay import LLMRequestInterceptOutcome, ScopeType, intercepts, scope
from nemo_relay.integrations.deepagents import (
    NemoRelayDeepAgentsCallbackHandler,
    NemoRelayDeepAgentsMiddleware,
    add_nemo_relay_integration,
    create_deep_agent,
)
from nemo_relay.recording import record
from nemo_relay.testing import CapturedEvents

from .crew import START, Cast, calling, cast_for, crew, marks, named, only, run, search, searching

CONFIGURED = "DeepAgents Skills Configured"
MAKERS = {
    "drop-in": create_deep_agent,
    "helper": lambda **given: deepagents.create_deep_agent(**add_nemo_relay_integration(given)),
    "none": deepagents.create_deep_agent,
}


def smallest_limit(make: Any) -> int:
    """The smallest recursion limit with which an agent that searches once gets to its end."""
    for limit in range(1, 20):
        try:
            make(**crew(Cast(parts={"start": searching("start")}))).invoke(START, {"recursion_limit": limit})
        except GraphRecursionError:
            continue
        return limit
    raise AssertionError("no limit is enough")


def test_a8_the_recursion_limit_is_the_same() -> None:
    found = {name: smallest_limit(make) for name, make in MAKERS.items()}
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a8_nothing_is_added_to_what_the_application_sees(asynchronous: bool) -> None:
    seen = {name: await _seen(make, asynchronous) for name, make in MAKERS.items()}
    assert seen["drop-in"] == seen["none"]
    # The helper lists the general-purpose subagent after the application's own: the same but for that order.
    for facts in seen.values():
        facts.pop("model")
    assert seen["helper"] == seen["none"]


async def _seen(make: Any, asynchronous: bool) -> dict[str, Any]:
    model = cast_for("researcher")
    agent = make(**crew(model, checkpointer=InMemorySaver()))
    config: Any = {"configurable": {"thread_id": "t"}}
    modes: Any = ["updates", "values", "tasks"]
    if asynchronous:
        chunks = [chunk async for chunk in agent.astream(START, config, stream_mode=modes, subgraphs=True)]
    else:
        chunks = list(agent.stream(START, config, stream_mode=modes, subgraphs=True))
    history = list(agent.get_state_history(config))
    return {
        "nodes": list(agent.get_graph().nodes),
        "chunks": [(len(place), mode, sorted(map(str, chunk))) for place, mode, chunk in chunks],
        "checkpoints": [(state.next, sorted(state.values), state.metadata) for state in history],
        "texts": [message.text for message in history[0].values["messages"]],
        "model": model.seen,
    }


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("handlers", [0, 1])
async def test_a8_the_mark_is_left_once_a_run(events: CapturedEvents, asynchronous: bool, handlers: int) -> None:
    """Also where no handler follows the agent: it stands on the current scope then."""
    agent = MAKERS["helper"](**crew(Cast(parts={"start": searching("start")})))
    config = {"callbacks": [NemoRelayDeepAgentsCallbackHandler()]} if handlers else {}
    with scope.scope("app", ScopeType.Function):
        for _ in range(2):
            await run(agent, START, asynchronous, config)
    found = [mark for node in events.tree().walk() for mark in marks(node, CONFIGURED)]
    assert [mark.data["agent_name"] for mark in found] == ["main", "main"]
    assert [len(marks(node, CONFIGURED)) for node in named(events, "main")] == [1] * 2 * handlers


def test_a8_the_published_hook_can_be_called(events: CapturedEvents) -> None:
    made = NemoRelayDeepAgentsMiddleware(agent_name="mine")
    with scope.scope("app", ScopeType.Function):
        assert made.before_agent({}, None) is None  # type: ignore[typeddict-item,arg-type]
    assert [mark.data for mark in marks(only(events, "app"), CONFIGURED)] == [{"agent_name": "mine"}]


def test_a8_a_hook_of_a_subclass_is_the_subclass_s() -> None:
    class Own(NemoRelayDeepAgentsMiddleware):
        called = 0

        def before_agent(self, state: Any, runtime: Any) -> None:
            type(self).called += 1

    agent: Any = deepagents.create_deep_agent(cast_for(), middleware=[Own()])
    agent.invoke(START)
    assert Own.called == 1


def test_b2_a_review_of_a_run_that_nobody_saw_start(events: CapturedEvents) -> None:
    request = {
        "action_requests": [{"name": "search", "args": {"query": "x"}}],
        "review_configs": [{"action_name": "search", "allowed_decisions": ["approve"]}],
    }
    handler = NemoRelayDeepAgentsCallbackHandler()
    with scope.scope("app", ScopeType.Function):
        handler.on_interrupt(GraphInterruptEvent(uuid4(), "pending", "c1", (), (Interrupt(request, id="i1"),)))
    (mark,) = only(events, "app").marks
    assert mark.name == "DeepAgents Human In The Loop Interrupt"
    assert mark.metadata["deepagents_kind"] == "human_in_the_loop"


def test_b3_the_application_s_subagents_keep_their_places() -> None:
    given = crew(cast_for())
    names = [spec["name"] for spec in given["subagents"]]
    made = [spec["name"] for spec in add_nemo_relay_integration(given)["subagents"]]
    assert made == [*names, "general-purpose"]
    own = {"name": "general-purpose", "description": "mine", "system_prompt": "Do it."}
    given["subagents"].append(own)
    made = [spec["name"] for spec in add_nemo_relay_integration(given)["subagents"]]
    assert made == [*names, "general-purpose"]


@pytest.mark.parametrize("place", [0, -1])
def test_b3_the_model_reads_the_list_of_deep_agents(place: int) -> None:
    seen = []
    for make in (create_deep_agent, deepagents.create_deep_agent):
        for own in (False, True):
            model = cast_for()
            given = crew(model)
            if own:
                spec = {"name": "general-purpose", "description": "mine", "system_prompt": "Do it."}
                given["subagents"].insert(place % (len(given["subagents"]) + 1), spec)
            make(**given).invoke(START)
            seen.append(model.seen)
    assert seen[:2] == seen[2:]


def test_a12_a_review_is_two_documents_that_name_each_other(tmp_path: Path, scope_stack: str) -> None:
    if scope_stack == "imported":
        pytest.skip("both runs belong to one session, of another process: one document")
    model = Cast(parts={"start": [calling(("search", {"query": "x"}, "s1")), "done"]})
    agent = create_deep_agent(model, [search], name="main", interrupt_on={"search": True}, checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t", "user_id": "ann"}}
    with record(tmp_path) as recording:
        agent.invoke(START, config)
        agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    told = [json.loads(path.read_text())["extra"]["nemo_relay"] for path in recording.trajectories]
    before, after = sorted(told, key=lambda each: "continues" in each)
    assert before["continued_by"]["trajectory_id"] == after["session_instance_id"]
    assert after["continues"]["trajectory_id"] == before["session_instance_id"]
    assert (before["user_id"], before["thread_id"]) == ("ann", "t")


class Prefix(AgentMiddleware[Any, Any, Any]):
    """A middleware of the application that changes what the model reads."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request.override(system_message=SystemMessage("CHANGED")))


@pytest.mark.parametrize(("position", "reads"), [("inner", True), ("outer", False)])
def test_n2_the_position_of_the_middleware(position: Any, reads: bool) -> None:
    requests: list[str] = []

    def look(name: str, request: Any, annotated: Any) -> Any:
        requests.append(str(request.content))
        return LLMRequestInterceptOutcome(request, annotated)

    given = {"model": cast_for(), "name": "main", "middleware": [Prefix()]}
    made = add_nemo_relay_integration(given, position=position)
    at = 0 if position == "outer" else -1
    assert isinstance(made["middleware"][at], NemoRelayDeepAgentsMiddleware)
    assert "position" not in made
    intercepts.register_llm_request("look", 10, False, look)
    try:
        deepagents.create_deep_agent(**made).invoke(START)
    finally:
        intercepts.deregister_llm_request("look")
    assert [("CHANGED" in request) for request in requests] == [reads]


def test_n2_subagents_too_and_nothing_else_is_a_position() -> None:
    other = Prefix()
    spec = {"name": "a", "description": "d", "system_prompt": "p", "middleware": [other]}
    made = add_nemo_relay_integration({"model": cast_for(), "subagents": [spec]}, position="outer")
    assert made["subagents"][0]["middleware"][1] is other
    with pytest.raises(ValueError, match="'middle'"):
        add_nemo_relay_integration({}, position="middle")  # type: ignore[arg-type]
