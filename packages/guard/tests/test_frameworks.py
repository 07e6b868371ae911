# SPDX-License-Identifier: Apache-2.0
"""The same configuration on a LangGraph agent and on a deep agent's subagent: deny, ask, redact, budgets."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("deepagents", reason="the adapters' frameworks are not installed")

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from nemo_relay.integrations.deepagents import create_deep_agent
from nemo_relay.integrations.langchain import NemoRelayMiddleware
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay_guard import BudgetExceeded

from .conftest import Json, guarded

RAN: list[Any] = []


@tool
def pay(to: str, amount: int) -> str:
    """Pay somebody."""
    RAN.append((to, amount))
    return f"paid {amount} to {to}"


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


def paying(to: str, amount: int, key: str) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "pay", "args": {"to": to, "amount": amount}, "id": key}])


def agent(*script: Any, **options: Any) -> Any:
    model = ScriptedChatModel(script=[*script, "done"])
    return create_agent(model, [pay], name="payer", middleware=[NemoRelayMiddleware()], **options)


START = {"messages": [("user", "start")]}
DENY: Json = {
    "name": "small",
    "on": "tool",
    "tools": ["pay"],
    "where": [{"path": "/amount", "in": [500]}],
    "verdict": "deny",
    "reason": "too much",
}


async def test_a_refused_tool_of_an_agent_tells_the_model_why() -> None:
    async with guarded(DENY) as seen:
        state = await agent(paying("ann", 500, "c1"), paying("ann", 5, "c2")).ainvoke(START)
    told = [(message.status, message.text) for message in state["messages"] if message.type == "tool"]
    assert told[0][0] == "error" and "too much" in told[0][1] and told[1] == ("success", "paid 5 to ann")
    assert RAN == [("ann", 5)]
    assert ("guard:small", "deny") in seen.verdicts() and ("guard:small", "allow") in seen.verdicts()


async def test_the_tool_of_an_agent_gets_what_was_redacted() -> None:
    redact = {"name": "mail", "on": "tool", "verdict": "redact", "detectors": ["email"], "replacement": "<{name}>"}
    async with guarded(redact):
        await agent(paying("jane@example.com", 5, "c1")).ainvoke(START)
    assert RAN == [("<email>", 5)]


@pytest.mark.parametrize(
    ("decision", "ran"), [({"type": "approve"}, True), ({"type": "reject", "message": "no"}, False)]
)
async def test_a_human_is_asked_where_a_graph_can_pause(decision: Json, ran: bool) -> None:
    ask = {**DENY, "verdict": "ask", "reason": "a human must see this"}
    later = {**DENY, "name": "later", "where": [{"path": "/to", "equals": "bob"}]}
    config: Any = {"configurable": {"thread_id": f"t-{ran}"}}
    async with guarded(ask, later):
        graph = agent(paying("ann", 500, "c1"), checkpointer=InMemorySaver())
        paused = await graph.ainvoke(START, config)
        [question] = paused["__interrupt__"][0].value["action_requests"]
        assert question["args"] == {"to": "ann", "amount": 500} and "a human must see this" in question["description"]
        assert RAN == []
        await graph.ainvoke(Command(resume={"decisions": [decision]}), config)
    assert (RAN == [("ann", 500)]) is ran


async def test_what_a_human_approved_is_that_rule_alone() -> None:
    ask = {**DENY, "verdict": "ask"}
    budget = {"name": "calls", "limit": {"tool_calls": 1}, "per": "process"}
    config: Any = {"configurable": {"thread_id": "t"}}
    async with guarded(ask, budgets=[budget]):
        graph = agent(paying("ann", 5, "c0"), paying("ann", 500, "c1"), checkpointer=InMemorySaver())
        await graph.ainvoke(START, config)
        state = await graph.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    assert RAN == [("ann", 5)] and "budget 'calls'" in [m.text for m in state["messages"] if m.type == "tool"][-1]


@pytest.mark.allow_blocking
@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
async def test_the_answers_of_a_model_are_redacted_streamed_or_not(mode: str) -> None:
    rule = {"name": "mail", "on": "llm_response", "verdict": "redact", "detectors": ["email"]}
    model = ScriptedChatModel(script=["write to jane@example.com. And then to bob@example.com"])
    graph = create_agent(model, [], name="writer", middleware=[NemoRelayMiddleware()])
    async with guarded(rule):
        if mode == "invoke":
            state = graph.invoke(START)
        elif mode == "ainvoke":
            state = await graph.ainvoke(START)
        elif mode == "stream":
            state = list(graph.stream(START, stream_mode="values"))[-1]
        else:
            state = [one async for one in graph.astream(START, stream_mode=["messages", "values"])][-1][1]
    assert state["messages"][-1].text.strip() == "write to [REDACTED]. And then to [REDACTED]"


async def test_the_budget_of_an_agent_ends_its_model_calls() -> None:
    budget = {"name": "run", "limit": {"llm_calls": 2}}
    async with guarded(budgets=[budget]):
        with pytest.raises(BudgetExceeded) as broken:
            await agent(paying("a", 1, "c1"), paying("a", 2, "c2"), paying("a", 3, "c3")).ainvoke(START)
    assert broken.value.budget == "run" and len(RAN) == 2


@pytest.mark.allow_blocking
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_subagent_of_a_deep_agent_is_guarded_and_counted(asynchronous: bool) -> None:
    delegate = AIMessage(
        "", tool_calls=[{"name": "task", "args": {"description": "pay", "subagent_type": "payer"}, "id": "k"}]
    )
    sub = ScriptedChatModel(script=[paying("ann", 500, "c1"), paying("ann", 5, "c2"), "paid"])
    graph = create_deep_agent(
        model=ScriptedChatModel(script=[delegate, "all done"]),
        tools=[],
        name="main",
        subagents=[{"name": "payer", "description": "pays", "system_prompt": "Pay.", "model": sub, "tools": [pay]}],
    )
    async with guarded(DENY, budgets=[{"name": "tools", "limit": {"tool_calls": 5}}]) as seen:
        state = await graph.ainvoke(START) if asynchronous else graph.invoke(START)
    assert state["messages"][-1].text == "all done" and RAN == [("ann", 5)]
    assert seen.verdicts().count(("guard:small", "deny")) == 1
    # The budget of the main agent has counted the delegation and the subagent's own call.
    assert ("guard:tools", "allow") in seen.verdicts()
