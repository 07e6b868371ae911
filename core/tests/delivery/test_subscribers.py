# SPDX-License-Identifier: Apache-2.0
"""Subscribers: who hears what, in which order, and that nobody has to wait for them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, guardrails, llm, scope, scope_local, subscribers, tools

from ..conftest import Ear


def test_names_are_unique_and_deregistering_says_whether_there_was_one() -> None:
    subscribers.register("a", print)
    with pytest.raises(RuntimeError, match="^already exists: a subscriber already exists$"):
        subscribers.register("a", print)
    assert subscribers.deregister("a") is True
    assert subscribers.deregister("a") is False
    subscribers.register("", print)
    assert subscribers.deregister("") is True
    for odd in (None, 1):
        with pytest.raises(TypeError, match="not an instance of 'str'"):
            subscribers.register(odd, print)  # type: ignore[arg-type]


def test_events_arrive_in_the_order_of_their_emission_whichever_thread_emits(ear: Ear) -> None:
    turns = [threading.Event() for _ in range(20)]

    def emit(number: int) -> None:
        turns[number].wait(50)
        scope.event(str(number))
        if number + 1 < len(turns):
            turns[number + 1].set()

    threads = [threading.Thread(target=emit, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    turns[0].set()
    for thread in threads:
        thread.join(50)
    assert [event["name"] for event in ear.events()] == [str(number) for number in range(20)]


def test_emitting_never_waits_for_a_subscriber() -> None:
    release, heard = threading.Event(), []

    def stuck(event: Any) -> None:
        release.wait(20)
        heard.append(event.name)

    subscribers.register("stuck", stuck)
    for number in range(100):
        scope.event(str(number))
    assert heard == [], "all hundred were emitted while the first one was being heard"
    assert subscribers.flush(timeout=0.01) is False
    release.set()
    assert subscribers.flush(timeout=20) is True
    assert heard == [str(number) for number in range(100)]


def test_a_subscriber_that_raises_is_isolated(ear: Ear, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(event: Any) -> None:
        raise SystemExit("not this thread") if event.name == "exit" else ValueError("own")

    subscribers.deregister("ear")
    subscribers.register("broken", broken)
    subscribers.register("ear", ear)
    for name in ("one", "exit", "two"):
        scope.event(name)
    assert [event["name"] for event in ear.events()] == ["one", "exit", "two"]
    assert "Event subscriber error: ValueError: own (raised by the subscriber 'broken')" in capsys.readouterr().err


def test_what_is_no_callable_fails_when_it_is_called(ear: Ear, capsys: pytest.CaptureFixture[str]) -> None:
    subscribers.register("odd", 5)  # type: ignore[arg-type]
    scope.event("m")
    assert ear.names() == ["mark m"]
    assert "Event subscriber error: TypeError" in capsys.readouterr().err


def test_async_subscribers_are_awaited(ear: Ear) -> None:
    heard: list[str] = []

    async def later(event: Any) -> None:
        await asyncio.sleep(0)
        heard.append(event.name)

    subscribers.register("later", later)
    scope.event("m")
    ear.events()
    assert heard == ["m"]


def test_who_hears_an_event_is_settled_when_it_is_emitted(ear: Ear) -> None:
    release, late = threading.Event(), []
    subscribers.register("a stuck", lambda event: release.wait(20))
    scope.event("one")
    subscribers.deregister("ear")
    subscribers.register("late", lambda event: late.append(event.name))
    scope.event("two")
    release.set()
    assert ear.names() == ["mark one"]
    assert late == ["two"]


def test_globals_hear_before_those_of_a_scope() -> None:
    order: list[str] = []
    with scope.scope("s", ScopeType.Function) as handle:
        scope_local.register_subscriber(handle, "a", lambda event: order.append("local"))
        subscribers.register("b", lambda event: order.append("global"))
        scope.event("m")
        subscribers.flush()
        assert order == ["global", "local"]


def test_a_subscriber_stands_where_the_event_was_emitted(ear: Ear) -> None:
    seen: list[str] = []

    def look(event: Any) -> None:
        seen.append(scope.get_handle().uuid)
        if event.name == "m":
            scope.event("from the subscriber")

    subscribers.register("look", look)
    with scope.scope("s", ScopeType.Function) as handle:
        scope.event("m")
    ear.events()
    assert seen[1] == handle.uuid
    assert ear.one("from the subscriber")["parent_uuid"] == handle.uuid


def test_what_a_subscriber_emits_comes_after_what_was_queued(ear: Ear) -> None:
    release = threading.Event()

    def echo(event: Any) -> None:
        release.wait(20)
        if event.name == "one":
            scope.event("echo")

    subscribers.register("echo", echo)
    scope.event("one")
    scope.event("two")
    release.set()
    ear.events()
    assert ear.names() == ["mark one", "mark two", "mark echo"]


def test_what_a_sanitizer_emits_comes_right_after_its_event(ear: Ear) -> None:
    def talkative(event: Any, fields: Any) -> Any:
        if event.name == "outer":
            scope.event("nested")
        return fields

    guardrails.register_mark_sanitize("talkative", 0, talkative)
    scope.event("outer")
    scope.event("later")
    assert ear.names() == ["mark outer", "mark nested", "mark later"]


def test_without_a_subscriber_nobody_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[Any] = []

    def note(*args: Any) -> Any:
        asked.append(args)
        return args[-1]

    guardrails.register_mark_sanitize("s", 0, note)
    guardrails.register_scope_sanitize_start("s", 0, note)
    with scope.scope("s", ScopeType.Function):
        scope.event("m")
    assert asked == []


def test_flush_inside_a_subscriber_returns_at_once(ear: Ear) -> None:
    answers: list[Any] = []
    subscribers.register("flusher", lambda event: answers.append(subscribers.flush()))
    scope.event("m")
    ear.events()
    assert answers == [True]


async def test_flush_in_a_loop_says_what_to_do_instead() -> None:
    text = r"^subscribers.flush\(\) cannot block a running asyncio event loop; use 'await subscribers.flush_async\(\)'$"
    with pytest.raises(RuntimeError, match=text):
        subscribers.flush()


async def test_flush_async_waits_for_everything_before_it(ear: Ear) -> None:
    for number in range(500):
        scope.event(str(number))
    assert await subscribers.flush_async() is True
    assert len(ear.heard) == 500


async def test_flush_async_has_a_deadline() -> None:
    release = threading.Event()
    subscribers.register("stuck", lambda event: release.wait(20))
    scope.event("m")
    assert await subscribers.flush_async(timeout=0.01) is False
    release.set()
    assert await subscribers.flush_async(timeout=20) is True


async def test_flush_waits_for_what_was_emitted_and_not_for_calls_under_way(ear: Ear) -> None:
    """Inside a call it would wait for itself."""
    done = asyncio.Event()

    async def work(args: Any) -> int:
        await done.wait()
        return 1

    task = asyncio.create_task(tools.execute("t", {}, work))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert await subscribers.flush_async() is True
    assert ear.names() == ["start t"]
    done.set()
    await task
    await ear.settle()
    assert ear.names() == ["start t", "end t"]


async def test_a_hundred_cancelled_flushes_share_one_thread(ear: Ear) -> None:
    release = threading.Event()
    subscribers.register("stuck", lambda event: release.wait(20))
    scope.event("m")
    waiting = [asyncio.create_task(subscribers.flush_async()) for _ in range(100)]
    await ear.turns()
    threads = [thread for thread in threading.enumerate() if thread.name == "nemo-relay-flush"]
    for task in waiting:
        task.cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    assert len(threads) == 1
    assert threads[0].daemon
    release.set()
    await ear.settle()


async def test_an_error_of_the_native_flush_reaches_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no dispatcher")

    monkeypatch.setattr(subscribers, "_native_flush", broken)
    outcomes = await asyncio.gather(*(subscribers.flush_async() for _ in range(3)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["no dispatcher"] * 3


def test_the_queue_is_bounded_and_says_what_it_dropped() -> None:
    release = threading.Event()
    before = subscribers.statistics()
    subscribers.register("stuck", lambda event: release.wait(20))
    subscribers.configure(capacity=10)
    try:
        for number in range(50):
            scope.event(str(number))
        assert subscribers.statistics().dropped - before.dropped >= 39
    finally:
        subscribers.configure()
        release.set()
    assert subscribers.flush(50)
    after = subscribers.statistics()
    assert after.offered - before.offered == 50
    assert after.offered == after.delivered + after.dropped + after.queued


def test_subscribers_hear_manual_calls_and_their_sanitizers_run_in_the_emitters_context(ear: Ear) -> None:
    own = contextvars.ContextVar("own", default="")
    seen: list[str] = []

    def sanitize(event: Any, fields: Any) -> Any:
        seen.append(own.get())
        return fields

    guardrails.register_scope_sanitize_start("s", 0, sanitize)
    own.set("mine")
    llm.call_end(llm.call("l", LLMRequest({}, {})), None)
    assert ear.names() == ["start l", "end l"]
    assert seen == ["mine"]
