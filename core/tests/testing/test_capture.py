# SPDX-License-Identifier: Apache-2.0
"""Events in memory: what arrives, when, from where."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from nemo_relay import MarkEvent, ScopeEvent, ScopeType, event_metadata, scope, subscribers, tools
from nemo_relay.testing import CapturedEvents, MemorySink, capture_events, check_lifecycles, expect_tree


def work() -> None:
    with scope.scope("planner", ScopeType.Agent, input={"goal": 1}):
        scope.event("thought", data=[1])
        tools.execute_sync("add", {"a": 1}, lambda args: args["a"] + 1)


def test_events_are_there_at_once() -> None:
    with capture_events() as captured:
        handle = scope.push("planner", ScopeType.Agent)
        assert [event.name for event in captured.events] == ["planner"]
        scope.pop(handle)
        assert len(captured) == 2


def test_they_can_be_read_after_the_block_and_nothing_comes_any_more() -> None:
    with capture_events() as captured:
        work()
    work()
    assert len(captured) == 5
    check_lifecycles(captured.events)


def test_helpers() -> None:
    with capture_events() as captured:
        work()
    assert [event.name for event in captured.starts()] == ["planner", "add"]
    assert [event.name for event in captured.starts(category="tool")] == ["add"]
    assert [event.data for event in captured.ends("add")] == [2]
    assert [event.data for event in captured.marks()] == [[1]]
    assert captured.ends("add", "agent") == []
    assert captured.marks("other") == []
    assert [type(event) for event in captured] == [ScopeEvent, MarkEvent, ScopeEvent, ScopeEvent, ScopeEvent]
    (agent,) = captured.tree().roots
    assert [child.name for child in agent.children] == ["add"]
    captured.clear()
    assert captured.events == []


def test_captures_nest() -> None:
    with capture_events() as outer:
        work()
        with capture_events() as inner:
            work()
    assert (len(outer), len(inner)) == (10, 5)


def test_the_list_is_the_readers_own() -> None:
    with capture_events() as captured:
        work()
    captured.events.clear()
    assert len(captured.events) == 5


def test_a_failing_block_still_ends_the_capture() -> None:
    captured = capture_events()
    with pytest.raises(ZeroDivisionError), captured:
        tools.execute_sync("divide", {}, lambda args: 1 / 0)
    work()
    assert len(captured) == 2


def test_threads_give_to_one_sink() -> None:
    with capture_events() as captured:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    check_lifecycles(captured.events)
    expect_tree(captured.events, "~ agent:planner {ok} x8\n  <thought>\n  tool:add {ok}")


async def test_inside_an_event_loop() -> None:
    async def one(number: int) -> None:
        with scope.scope("task", ScopeType.Agent):
            await asyncio.sleep(0)
            scope.event("number", data={"n": number})

    with capture_events() as captured:
        await asyncio.gather(*(one(number) for number in range(3)))
    lines = "".join(f"~ agent:task\n  <number> {{n={number}}}\n" for number in range(3))
    expect_tree(captured.events, lines)


def test_events_that_async_injectors_hold_back_are_waited_for() -> None:
    async def slowly(event: Any) -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"added": True}

    event_metadata.register_injector("slow", 0, slowly)
    try:
        with capture_events() as captured:
            work()
            assert len(captured.events) == 5
    finally:
        event_metadata.deregister_injector("slow")
    assert all(event.metadata["added"] for event in captured.events)


def test_a_sink_as_a_subscriber_of_its_own() -> None:
    sink = MemorySink()
    subscribers.register("mine", sink)
    try:
        work()
    finally:
        subscribers.deregister("mine")
    assert [event.name for event in sink.events] == ["planner", "thought", "add", "add", "planner"]


def test_a_sink_takes_event_objects() -> None:
    sink = MemorySink()
    with capture_events() as captured:
        work()
    for event in captured:
        sink(event)
    assert [event.to_json() for event in sink] == [event.to_json() for event in captured]


def test_the_fixture(relay_events: CapturedEvents) -> None:
    work()
    expect_tree(relay_events.events, "agent:planner {ok}\n  <thought>\n  tool:add {ok}")


def test_the_fixture_starts_empty(relay_events: CapturedEvents) -> None:
    assert relay_events.events == []
