# SPDX-License-Identifier: Apache-2.0
"""Scenario 51: each agent that a deep agent delegates to stands under the very call that delegated to it.

In the published package parallel subagents stand under each other (E-02).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import deepagents
import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from nemo_relay.integrations.deepagents import (
    NemoRelayDeepAgentsCallbackHandler,
    add_nemo_relay_integration,
    create_deep_agent,
)
from nemo_relay.integrations.langchain.testing import RunRecorder
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node

from .crew import FORKS, PATHS, START, Cast, cast_for, crew, delegating, marks, named, only, run


def calls(node: Node) -> list[tuple[str, str, str | None]]:
    """The model and tool calls of an agent, in order; its own, not those of its subagents."""
    found = []
    for child in node.children:
        if child.category == "agent":
            continue
        if child.category in ("llm", "tool"):
            found.append((child.category, child.name, child.outcome))
        else:
            found.extend(calls(child))
    return found


def task_of(node: Node, events: CapturedEvents) -> Node:
    """The span right above an agent."""
    return next(parent for parent in events.tree().walk() if parent.uuid == node.parent_uuid)


@pytest.mark.every_scope_stack
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s51_parallel_subagents_on_every_path(events: CapturedEvents, asynchronous: bool) -> None:
    agent = create_deep_agent(**crew(cast_for(*PATHS)))
    await run(agent, START, asynchronous)
    main = only(events, "main")
    assert main.parent_uuid not in {node.uuid for node in events.tree().walk()}
    assert (main.category, main.outcome) == ("agent", "ok")
    ok = ("tool", "task", "ok")
    assert calls(main) == [("llm", "scripted", "ok"), *[ok for _ in PATHS], ("llm", "scripted", "ok")]
    for path in PATHS:
        subagent = only(events, path)
        assert (subagent.category, subagent.outcome) == ("agent", "ok")
        assert calls(subagent) == [("llm", "scripted", "ok"), ("tool", "search", "ok"), ("llm", "scripted", "ok")]
        task = task_of(subagent, events)
        assert (task.category, task.name, task.input["subagent_type"]) == ("tool", "task", path)
        assert [child.name for child in task.children] == [path]
        assert task.metadata["subagent_type"] == path


async def test_s51_what_an_agent_says_of_itself(events: CapturedEvents) -> None:
    create_deep_agent(**crew(cast_for(*PATHS))).invoke(START)
    main = only(events, "main")
    assert main.metadata["integration"] == "deepagents"
    assert (main.metadata["deepagents_agent_name"], main.metadata["deepagents_agent_role"]) == ("main", "orchestrator")
    for path in PATHS:
        about = only(events, path).metadata
        assert (about["integration"], about["deepagents_agent_role"]) == ("deepagents", "subagent")
        assert (about["deepagents_agent_name"], about["subagent_type"]) == (path, path)
        assert about["parent_tool_call_id"] == f"k-{path}"
        assert about["mode"] == ("fork" if path == "forked" else "isolated")


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s51_two_calls_of_one_subagent(events: CapturedEvents, asynchronous: bool) -> None:
    model = cast_for("researcher", "researcher")
    model.parts["start"][0].tool_calls[1]["id"] = "k2"
    await run(create_deep_agent(**crew(model)), START, asynchronous)
    subagents = named(events, "researcher")
    assert {node.metadata["parent_tool_call_id"] for node in subagents} == {"k-researcher", "k2"}
    assert len({node.parent_uuid for node in subagents}) == 2


@pytest.mark.parametrize("stream", ["updates", "messages"])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s51_streaming(events: CapturedEvents, stream: Any, asynchronous: bool) -> None:
    agent = create_deep_agent(**crew(cast_for(*PATHS)))
    if asynchronous:
        _ = [chunk async for chunk in agent.astream(START, stream_mode=stream, subgraphs=True)]
    else:
        list(agent.stream(START, stream_mode=stream, subgraphs=True))
    assert {task_of(only(events, path), events).name for path in PATHS} == {"task"}
    assert {only(events, path).outcome for path in (*PATHS, "main")} == {"ok"}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s51_a_handler_of_the_caller_and_no_middleware(events: CapturedEvents, asynchronous: bool) -> None:
    agent: Any = deepagents.create_deep_agent(**crew(cast_for(*PATHS)))
    config = {"callbacks": [NemoRelayDeepAgentsCallbackHandler(), NemoRelayDeepAgentsCallbackHandler()]}
    await run(agent, START, asynchronous, config)
    modes = {path: only(events, path).metadata.get("mode") for path in PATHS}
    # Only a declared fork shows what it is; without the middleware nothing tells how the others were set up.
    assert modes == {path: "fork" if path == "forked" else None for path in PATHS}
    assert {task_of(only(events, path), events).name for path in PATHS} == {"task"}


async def test_s51_the_lineage_is_the_frameworks_own(events: CapturedEvents) -> None:
    recorder = RunRecorder()
    await create_deep_agent(**crew(cast_for(*PATHS))).ainvoke(START, {"callbacks": [recorder]})
    nodes = {node.metadata["relay.run_id"]: node for node in events.tree().walk()}
    hook = "NemoRelayDeepAgentsMiddleware.before_agent"
    visible = [fact for fact in recorder.visible() if fact.name != hook]
    assert len(visible) == len(nodes)
    for fact in visible:
        parent = recorder.visible_parent(fact.run_id)
        assert nodes[fact.run_id].parent_uuid == (nodes[parent].uuid if parent is not None else None) or not parent


@pytest.mark.parametrize("threads", [False, True])
async def test_s51_many_at_once_share_one_agent(events: CapturedEvents, threads: bool) -> None:
    agent = create_deep_agent(**crew(cast_for(*PATHS)))
    if threads:
        with ThreadPoolExecutor(4) as pool:
            await asyncio.gather(
                *(asyncio.get_running_loop().run_in_executor(pool, agent.invoke, START) for _ in range(4))
            )
    else:
        await asyncio.gather(*(agent.ainvoke(START) for _ in range(8)))
    roots = [root for root in events.tree().roots if root.name == "main"]
    assert len(roots) == (4 if threads else 8)
    for root in roots:
        inside = [node.name for node in root.walk()]
        assert {path: inside.count(path) for path in PATHS} == dict.fromkeys(PATHS, 1)
        assert inside.count("search") == len(PATHS)


def test_s51_a_subagent_that_fails(events: CapturedEvents) -> None:
    model = cast_for("researcher", researcher=[LookupError("no answer")])
    agent = create_deep_agent(**crew(model))
    with pytest.raises(LookupError, match="no answer"):
        agent.invoke(START)
    assert {only(events, name).outcome for name in ("main", "task", "researcher")} == {"error"}


async def test_s51_cancelled_while_a_subagent_works(events: CapturedEvents, cancelled_once: Any) -> None:
    model = cast_for("researcher")
    slow = Cast(parts={"researcher": ["late"]}, pace=30)
    arguments = crew(model)
    arguments["subagents"][0]["model"] = slow
    await cancelled_once(lambda: slow.seen, create_deep_agent(**arguments).ainvoke(START))
    assert {only(events, name).outcome for name in ("main", "task", "researcher")} == {"cancelled"}


@pytest.mark.skipif(not FORKS, reason="this release of Deep Agents has no forks")
def test_a_fork_that_delegates_again_is_refused_by_the_framework(events: CapturedEvents) -> None:
    model = cast_for("forked", forked=[delegating(("researcher", "again")), "I did it myself"])
    create_deep_agent(**crew(model)).invoke(START)
    inner = next(node for node in only(events, "forked").walk() if node.name == "task")
    assert (inner.children, inner.outcome) == ([], "ok")


def test_an_unnamed_agent(events: CapturedEvents) -> None:
    create_deep_agent(cast_for()).invoke(START)
    (root,) = events.tree().roots
    assert (root.name, root.category) == ("DeepAgent", "agent")
    assert root.metadata["deepagents_agent_name"] == "DeepAgent"


def test_a_compiled_subagent_that_is_no_graph(events: CapturedEvents) -> None:
    reply = RunnableLambda(lambda state: {"messages": [AIMessage("from a function")]})
    spec = {"name": "plain", "description": "a function", "runnable": reply}
    result = create_deep_agent(**{**crew(cast_for("plain")), "subagents": [spec]}).invoke(START)
    assert result["messages"][-2].content == "from a function"
    assert only(events, "plain").metadata["deepagents_agent_role"] == "subagent"


def test_a_deep_agent_as_a_compiled_subagent(events: CapturedEvents) -> None:
    model = cast_for("deep", deep=[cast_for("researcher").parts["start"][0], "deep is done"])
    model.parts["researcher"] = ["researcher is done"]
    inner = create_deep_agent(**{**crew(model), "name": "inner-deep"})
    spec = {"name": "deep", "description": "another crew", "runnable": inner}
    create_deep_agent(**{**crew(model), "subagents": [spec]}).invoke(START)
    deep, researcher = only(events, "deep"), only(events, "researcher")
    assert task_of(deep, events).name == task_of(researcher, events).name == "task"
    assert deep.metadata["deepagents_agent_role"] == "subagent"
    assert task_of(researcher, events).uuid in {node.uuid for node in deep.walk()}
    assert len(marks(deep, "DeepAgents Skills Configured")) == 1


def test_only_the_middleware_records_nothing_twice(events: CapturedEvents) -> None:
    arguments = add_nemo_relay_integration(crew(cast_for("researcher")))
    agent: Any = deepagents.create_deep_agent(**arguments)
    agent.invoke(START, {"callbacks": [NemoRelayDeepAgentsCallbackHandler()]})
    assert len(named(events, "main")) == len(named(events, "researcher")) == 1
