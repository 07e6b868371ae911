# SPDX-License-Identifier: Apache-2.0
"""This adapter plays the scenarios of the conformance kit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from nemo_relay import ScopeType, guardrails, scope
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.integrations.langgraph import RelayCallbackHandler, RelayMiddleware, wrap_graph
from nemo_relay.testing import CapturedEvents
from nemo_relay.testing.conformance import check, scenario

from .graphs import State, line

AGENT = scenario(15)


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return "sunny"


async def run(graph: Any, mode: str, given: Any, **config: Any) -> None:
    if mode == "sync":
        await asyncio.to_thread(graph.invoke, given, config)
    elif mode == "async":
        await graph.ainvoke(given, config)
    elif mode == "sync stream":
        await asyncio.to_thread(lambda: list(graph.stream(given, config)))
    else:
        _ = [part async for part in graph.astream(given, config)]


def agent(middleware: int) -> Any:
    asked = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Paris"}, "id": "c1"}])
    model = ScriptedChatModel(script=[asked, "sunny"])
    return wrap_graph(create_agent(model, [weather], name="A", middleware=[RelayMiddleware()] * middleware))


ASK = {"messages": [("user", "weather?")]}


@pytest.mark.parametrize("mode", scenario(1).modes)
async def test_s01(events: CapturedEvents, mode: str) -> None:
    model, config = ScriptedChatModel(script=["hello"]), {"callbacks": [RelayCallbackHandler()]}
    with scope.scope("app", ScopeType.Function):
        await run(model, mode, "hi", **config)
    check(scenario(1), events)


@pytest.mark.parametrize("mode", scenario(4).modes)
async def test_s04(events: CapturedEvents, mode: str) -> None:
    model, config = ScriptedChatModel(script=["a b c"]), {"callbacks": [RelayCallbackHandler()]}
    if mode == "sync":
        stream: Any = model.stream("hi", config)  # type: ignore[arg-type]
        next(stream)
        stream.close()
    else:
        stream = model.astream("hi", config)  # type: ignore[arg-type]
        await anext(stream)
        await stream.aclose()
    check(scenario(4), events)


@pytest.mark.parametrize("middleware", [0, 1])
@pytest.mark.parametrize("mode", AGENT.modes)
async def test_s15(events: CapturedEvents, mode: str, middleware: int) -> None:
    await run(agent(middleware), mode, ASK)
    check(AGENT, events)


@pytest.mark.parametrize("mode", scenario(21).modes)
async def test_s21(events: CapturedEvents, mode: str) -> None:
    guardrails.register_tool_conditional_execution("g", 10, lambda name, args: "no")
    try:
        await run(agent(1), mode, ASK)
    finally:
        guardrails.deregister_tool_conditional_execution("g")
    check(scenario(21), events)


def a(state: State) -> State:
    return {"x": ["a"]}


def b(state: State) -> State:
    return {"x": ["b"]}


def pre(state: State) -> State:
    return {}


def ask(state: State) -> State:
    return {"x": [interrupt("?")]}


def post(state: State) -> State:
    return {}


@pytest.mark.parametrize("mode", scenario(33).modes)
async def test_s33(events: CapturedEvents, mode: str) -> None:
    await run(wrap_graph(line(a, b)), mode, {"x": []})
    check(scenario(33), events)


@pytest.mark.parametrize("mode", scenario(35).modes)
async def test_s35(events: CapturedEvents, mode: str) -> None:
    graph = wrap_graph(line(pre, ask, post, checkpointer=InMemorySaver()))
    place = {"configurable": {"thread_id": "t"}}
    await run(graph, mode, {"x": []}, **place)
    await run(graph, mode, Command(resume=42), **place)
    check(scenario(35), events)
