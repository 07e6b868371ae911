# SPDX-License-Identifier: Apache-2.0
"""Scopes of the application around, across and inside graph runs."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.integrations.langgraph import RelayCallbackHandler, current_scope
from nemo_relay.testing import CapturedEvents

from .graphs import ASK, State, calculator, calling, line, named, only


@tool
async def slow_lookup(item: int) -> str:
    """Look up, slowly, in a scope of its own."""
    with scope.scope(f"user_{item}", ScopeType.Function):
        await asyncio.sleep(0.01 * (4 - item))  # the first one ends last
        scope.event(f"inside_{item}")
    return str(item)


@tool
def quick_lookup(item: int) -> str:
    """Look up in a scope of its own."""
    with scope.scope(f"user_{item}", ScopeType.Function):
        scope.event(f"inside_{item}")
    return str(item)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s16_parallel_tools_each_open_a_scope(
    events: CapturedEvents, handler: RelayCallbackHandler, asynchronous: bool
) -> None:
    lookup = slow_lookup if asynchronous else quick_lookup
    calls = calling(*((lookup.name, {"item": item}) for item in (1, 2, 3)))
    agent = create_agent(ScriptedChatModel(script=[calls, "done"]), [lookup], name="A")
    config = {"callbacks": [handler]}
    await agent.ainvoke(ASK, config) if asynchronous else agent.invoke(ASK, config)
    tools = named(events, lookup.name)
    assert len(tools) == 3
    for node in tools:
        item = node.input["item"]
        (inner,) = node.children
        assert (inner.name, [mark.name for mark in inner.marks]) == (f"user_{item}", [f"inside_{item}"])
        assert node.marks == []


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s46_a_stream_outlives_the_scope_it_was_started_in(
    events: CapturedEvents, handler: RelayCallbackHandler, asynchronous: bool
) -> None:
    config = {"callbacks": [handler]}
    with scope.scope("request", ScopeType.Function):
        stream: Any = calculator().astream(ASK, config) if asynchronous else calculator().stream(ASK, config)
        _ = await anext(stream) if asynchronous else next(stream)
    with scope.scope("another request", ScopeType.Function):
        _ = [chunk async for chunk in stream] if asynchronous else list(stream)
    request, other = only(events, "request"), only(events, "another request")
    assert [child.name for child in request.children] == ["calc"]
    assert other.children == []
    assert [child.name for child in request.children[0].children] == ["model", "tools", "model"]


async def test_s46_a_stream_is_consumed_by_another_task(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    stream = calculator().astream(ASK, {"callbacks": [handler]})
    with scope.scope("first task", ScopeType.Function):
        await anext(stream)

    async def rest() -> None:
        with scope.scope("second task", ScopeType.Function):
            assert [chunk async for chunk in stream]

    await asyncio.create_task(rest(), context=contextvars.Context())
    root = only(events, "calc")
    assert root.parent_uuid == only(events, "first task").uuid
    assert (root.outcome, [child.name for child in root.children]) == ("ok", ["model", "tools", "model"])


def test_s46_a_stream_is_finished_on_another_thread(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    stream = calculator().stream(ASK, {"callbacks": [handler]})
    next(stream)
    thread = threading.Thread(target=lambda: list(stream))
    thread.start()
    thread.join()
    assert [child.name for child in only(events, "calc").children] == ["model", "tools", "model"]


def test_s32_a_server_touched_at_start_up(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    def node(state: State) -> State:
        with scope.scope(f"user {state['x'][0]}", ScopeType.Function):
            assert current_scope() is not None
        return {"x": []}

    graph = line(node)

    async def serve() -> None:
        scope.get_handle()
        runs = (graph.ainvoke({"x": [number]}, {"callbacks": [handler]}) for number in range(20))
        await asyncio.gather(*(asyncio.create_task(run) for run in runs))

    asyncio.run(serve())
    gc.collect()
    roots = events.tree().roots
    assert [root.name for root in roots] == ["G"] * 20
    for root in roots:
        (found,) = root.children
        assert [child.name for child in found.children] == [f"user {root.input['x'][0]}"]
