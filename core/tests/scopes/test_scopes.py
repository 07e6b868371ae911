# SPDX-License-Identifier: Apache-2.0
"""Scopes: opening, closing, nesting, and what their events carry."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeAttributes, ScopeType, ToolExecutionResult, llm, scope, tools
from nemo_relay.errors import NotFound, RootScopeError

from ..conftest import Ear

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_outside_every_scope_there_is_a_root() -> None:
    root = scope.get_handle()
    assert root.name == "root"
    assert root.uuid == scope.get_handle().uuid
    assert (root.parent_uuid, root.data, root.metadata) == (None, None, None)


def test_a_pushed_scope_is_current_until_it_is_popped(ear: Ear) -> None:
    root = scope.get_handle()
    outer = scope.push("outer", ScopeType.Agent)
    inner = scope.push("inner", ScopeType.Function)
    assert scope.get_handle().uuid == inner.uuid
    scope.pop(inner)
    assert scope.get_handle().uuid == outer.uuid
    scope.pop(outer)
    assert scope.get_handle().uuid == root.uuid
    assert ear.names() == ["start outer", "start inner", "end inner", "end outer"]
    assert ear.start("inner")["parent_uuid"] == ear.end("inner")["parent_uuid"] == outer.uuid
    assert ear.start("outer")["parent_uuid"] == root.uuid, "the root has no events, but it is a parent"


def test_input_and_output_are_the_payloads_and_data_stays_on_the_handle(ear: Ear) -> None:
    handle = scope.push("a", ScopeType.Retriever, input={"q": 1}, data={"private": 1}, metadata={"m": 1})
    scope.pop(handle, output=[2], metadata={"n": 2})
    start, end = ear.start("a"), ear.end("a")
    assert (start["data"], end["data"]) == ({"q": 1}, [2])
    assert (start["metadata"], end["metadata"]) == ({"m": 1}, {"m": 1, "n": 2})
    assert start["category"] == end["category"] == "retriever"
    assert start["category_profile"] is None
    assert "private" not in str(ear.heard)


@pytest.mark.parametrize(
    ("before", "later"),
    [
        ({"a": 1}, {"b": 2}),
        ({"a": 1, "b": {"c": 3}}, {"b": 2, "d": None}),
        ({"x": {"a": 1}}, {"a": 2}),
        ({"x": '"a":'}, {"a": 2}),
        ({}, {"a": 2}),
        ({"a": 1}, {}),
        ({}, {}),
        ({'ä\n"': 1}, {'ä\n"': 2}),
        ({"1": 1}, {1: 2}),
        ({"a": 1}, None),
        (None, {"a": 1}),
        ([1], {"a": 1}),
        ({"a": 1}, [1]),
    ],
    ids=str,
)
def test_the_metadata_of_the_end_is_laid_over_that_of_the_start(before: Any, later: Any, ear: Ear) -> None:
    handle = scope.push("s", ScopeType.Function, metadata=before)
    scope.pop(handle, metadata=later)
    expected = before if later is None else later
    if isinstance(before, dict) and isinstance(later, dict):
        expected = {**before, **{str(key): value for key, value in later.items()}}
    told = ear.end("s")["metadata"]
    assert told == expected
    assert list(told or ()) == list(expected or ())


def test_push_and_pop_alone_say_nothing_of_success(ear: Ear) -> None:
    scope.pop(scope.push("a", ScopeType.Function))
    assert ear.end("a")["metadata"] is None


def test_an_explicit_parent_decides_the_lineage_and_the_scope_is_current_all_the_same(ear: Ear) -> None:
    closed = scope.push("closed", ScopeType.Agent)
    scope.pop(closed)
    outer = scope.push("outer", ScopeType.Agent)
    child = scope.push("child", ScopeType.Function, handle=closed)
    assert child.parent_uuid == closed.uuid
    assert scope.get_handle().uuid == child.uuid
    scope.pop(child)
    scope.pop(outer)
    assert ear.start("child")["parent_uuid"] == closed.uuid


def test_any_kind_of_handle_may_be_a_parent(ear: Ear) -> None:
    tool = tools.call("t", {})
    model = llm.call("l", LLMRequest({}, {}))
    for parent in (tool, model):
        scope.pop(scope.push(f"below {parent.name}", ScopeType.Function, handle=parent))
        scope.event(f"mark {parent.name}", handle=parent)
        tools.call_end(tools.call(f"tool {parent.name}", {}, handle=parent), ToolExecutionResult(1))
        for name in (f"below {parent.name}", f"tool {parent.name}"):
            assert ear.start(name)["parent_uuid"] == parent.uuid
        assert ear.one(f"mark {parent.name}")["parent_uuid"] == parent.uuid
    tools.call_end(tool, ToolExecutionResult(1))
    llm.call_end(model, None)


def test_closing_out_of_order_closes_the_right_scope(ear: Ear) -> None:
    root = scope.get_handle()
    outer = scope.push("outer", ScopeType.Agent)
    inner = scope.push("inner", ScopeType.Function)
    scope.pop(outer)
    assert scope.get_handle().uuid == inner.uuid
    scope.pop(inner)
    assert scope.get_handle().uuid == root.uuid
    assert ear.names() == ["start outer", "start inner", "end outer", "end inner"]


def test_what_cannot_be_closed_is_refused(ear: Ear) -> None:
    handle = scope.push("a", ScopeType.Agent)
    scope.pop(handle)
    with pytest.raises(RuntimeError, match="^not found: scope handle not found$") as twice:
        scope.pop(handle)
    assert isinstance(twice.value, NotFound)
    with pytest.raises(RuntimeError, match="^invalid argument: root scope cannot be removed$") as root:
        scope.pop(scope.get_handle())  # type: ignore[arg-type]
    assert isinstance(root.value, RootScopeError)
    for odd, shown in ((None, "'None' is"), (1, "'int' object is"), ("x", "'str' object is")):
        with pytest.raises(TypeError, match=f"{shown} not an instance of 'ScopeHandle'"):
            scope.pop(odd)  # type: ignore[arg-type]
    assert ear.names() == ["start a", "end a"]


@pytest.mark.parametrize("arguments", [("a", 0), ("a", "agent"), (1, ScopeType.Agent), (None, ScopeType.Agent)])
def test_a_scope_has_a_name_and_a_type(arguments: Any) -> None:
    with pytest.raises(TypeError, match="is not an instance of|object is not an instance of"):
        scope.push(*arguments)


def test_a_wrong_parent_or_wrong_flags_are_refused() -> None:
    for odd in ({"handle": "x"}, {"handle": 1}, {"attributes": 1}):
        with pytest.raises(TypeError):
            scope.push("a", ScopeType.Agent, **odd)  # type: ignore[arg-type]
    assert scope.get_handle().name == "root", "nothing was opened"


def test_an_empty_name_is_a_name(ear: Ear) -> None:
    with scope.scope("", ScopeType.Custom, attributes=ScopeAttributes(3)):
        pass
    assert ear.start("")["attributes"] == ["parallel", "relocatable"]


def test_a_block_ends_with_its_outcome(ear: Ear) -> None:
    given = {"m": 1}
    with scope.scope("fine", ScopeType.Function, metadata=given, input={"i": 1}) as handle:
        assert scope.get_handle().uuid == handle.uuid
    with pytest.raises(ValueError, match="broken"), scope.scope("bad", ScopeType.Function):
        raise ValueError("broken")
    with pytest.raises(ValueError, match="^$"), scope.scope("empty", ScopeType.Function):
        raise ValueError
    assert ear.end("fine")["metadata"] == {"m": 1, "otel.status_code": "OK"}
    assert ear.end("bad")["metadata"] == {"otel.status_code": "ERROR", "otel.status_description": "broken"}
    assert ear.end("empty")["metadata"] == {"otel.status_code": "ERROR", "otel.status_description": ""}
    assert ear.end("fine")["data"] is None
    assert given == {"m": 1}, "the application's dict is not touched"


async def test_a_cancelled_block_is_an_error(ear: Ear) -> None:
    async def work(name: str) -> None:
        with scope.scope(name, ScopeType.Function):
            await asyncio.sleep(60)

    for name, reason in (("plain", None), ("with reason", "shutdown")):
        task = asyncio.create_task(work(name))
        await asyncio.sleep(0)
        task.cancel(reason)
        with pytest.raises(asyncio.CancelledError):
            await task
    await ear.settle()
    status = {"otel.status_code": "ERROR"}
    assert ear.end("plain")["metadata"] == {**status, "otel.status_description": "cancelled"}
    assert ear.end("with reason")["metadata"] == {**status, "otel.status_description": "shutdown"}


def test_what_leaves_a_block_is_the_exception_itself() -> None:
    error = KeyError("own")
    with pytest.raises(KeyError) as caught, scope.scope("a", ScopeType.Function):
        raise error
    assert caught.value is error
    assert scope.get_handle().name == "root"


def test_a_scope_popped_inside_its_block_is_reported_by_the_exit() -> None:
    with pytest.raises(RuntimeError, match="not found: scope handle not found"):
        with scope.scope("a", ScopeType.Function) as handle:
            scope.pop(handle)


def test_a_scope_decorates_a_function_again_and_again(ear: Ear) -> None:
    @scope.scope("add", ScopeType.Function)
    def add(a: int, b: int) -> int:
        return a + b

    assert [add(1, 2), add(3, b=4)] == [3, 7]
    starts = [e["uuid"] for e in ear.events() if e.get("scope_category") == "start"]
    assert len(set(starts)) == 2


async def test_an_async_function_is_decorated_around_its_awaiting(ear: Ear) -> None:
    @scope.scope("work", ScopeType.Function)
    async def work() -> str:
        await asyncio.sleep(0)
        return scope.get_handle().name

    assert await work() == "work"
    await ear.settle()
    assert ear.names() == ["start work", "end work"]


def test_given_times_are_taken_exactly(ear: Ear) -> None:
    with scope.scope("a", ScopeType.Function, timestamp=NOON, end_timestamp=NOON - timedelta(seconds=1)):
        scope.event("m", timestamp=NOON.replace(microsecond=123456))
    assert ear.start("a")["timestamp"] == "2026-03-01T12:00:00+00:00"
    assert ear.end("a")["timestamp"] == "2026-03-01T11:59:59+00:00", "even before the start"
    assert ear.one("m")["timestamp"] == "2026-03-01T12:00:00.123456+00:00"


def test_times_are_converted_to_utc(ear: Ear) -> None:
    east = NOON.replace(microsecond=5000).astimezone(timezone(timedelta(hours=5, minutes=30)))
    scope.pop(scope.push("a", ScopeType.Function, timestamp=east))
    assert ear.start("a")["timestamp"] == "2026-03-01T12:00:00.005+00:00"


BAD_TIMES = [
    (date(2026, 3, 1), TypeError, "timestamp must be a datetime.datetime object"),
    ("2026-03-01T12:00:00Z", TypeError, "timestamp must be a datetime.datetime object"),
    (NOON.replace(tzinfo=None), ValueError, "timestamp datetime must be timezone-aware"),
    (NOON.replace(tzinfo=timezone(timedelta(seconds=61))), ValueError, "invalid timestamp: trailing input"),
]


@pytest.mark.parametrize(("bad", "error", "text"), BAD_TIMES, ids=lambda value: str(value)[:30])
def test_a_bad_time_is_refused_before_anything_happens(bad: Any, error: type[Exception], text: str, ear: Ear) -> None:
    entered = []
    with pytest.raises(error, match=f"^{text}$"):
        with scope.scope("a", ScopeType.Function, timestamp=bad):
            entered.append(1)
    with pytest.raises(error, match=text):
        scope.event("m", timestamp=bad)
    with pytest.raises(error, match=text):
        tools.call("t", {}, timestamp=bad)
    with pytest.raises(error, match=text):
        llm.call("l", LLMRequest({}, {}), timestamp=bad)
    assert (entered, ear.events()) == ([], [])
    assert scope.get_handle().name == "root"


def test_a_bad_end_time_leaves_the_scope_to_its_owner(ear: Ear) -> None:
    with pytest.raises(TypeError, match="timestamp must be a datetime"):
        with scope.scope("a", ScopeType.Function, end_timestamp="later") as handle:  # type: ignore[arg-type]
            pass
    scope.pop(handle)
    assert ear.names() == ["start a", "end a"]


def test_an_end_comes_after_its_start_whatever_the_clock_does(ear: Ear) -> None:
    future = datetime.now(UTC) + timedelta(hours=1)
    scope.pop(scope.push("a", ScopeType.Function, timestamp=future))
    assert ear.end("a")["timestamp"] > ear.start("a")["timestamp"]


def test_a_detached_scope_never_moves_the_current_one(ear: Ear) -> None:
    with scope.scope("outer", ScopeType.Agent) as outer:
        job = scope.start("job", ScopeType.Function, input={"i": 1})
        assert scope.get_handle().uuid == outer.uuid
        assert job.parent_uuid == outer.uuid
    assert scope.end(job, output=2, metadata={"m": 1}) is True
    assert scope.end(job) is False, "the second end changes nothing"
    assert ear.names() == ["start outer", "start job", "end outer", "end job"]
    assert ear.end("job")["data"] == 2


def test_a_scope_can_be_current_without_being_owned(ear: Ear) -> None:
    job = scope.start("job", ScopeType.Function)
    with scope.use(job):
        scope.event("inside")
    scope.event("outside")
    scope.end(job)
    assert ear.one("inside")["parent_uuid"] == job.uuid
    assert ear.one("outside")["parent_uuid"] == scope.get_handle().uuid


def test_a_resolver_says_which_span_of_a_framework_is_current(ear: Ear) -> None:
    run = scope.start("run", ScopeType.Agent)
    here = [run]
    scope.register_resolver("framework", lambda: here[0])
    scope.event("in the run")
    with scope.scope("own", ScopeType.Function, handle=run) as own:
        scope.event("nearer")
    here[0] = None  # type: ignore[call-overload]
    scope.event("outside")
    assert scope.deregister_resolver("framework") is True
    assert scope.deregister_resolver("framework") is False
    scope.end(run)
    assert ear.one("in the run")["parent_uuid"] == run.uuid
    assert ear.one("nearer")["parent_uuid"] == own.uuid
    assert ear.one("outside")["parent_uuid"] == scope.get_handle().uuid
