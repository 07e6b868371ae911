# SPDX-License-Identifier: Apache-2.0
"""Tool calls, managed and manual: what the caller gets, and what the events say of each outcome."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nemo_relay import ScopeType, ToolAttributes, ToolExecutionResult, scope, subscribers, tools

from ..conftest import Driver, Ear, in_form


class OwnError(Exception):
    """An error of the application."""


def test_the_tool_gets_the_callers_object_and_the_caller_the_tools(run: Driver, form: str) -> None:
    args, result = {"q": object()}, {"r": object()}
    got: list[Any] = []
    assert run.tool("t", args, in_form(form, lambda args: got.append(args) or result)) is result
    assert got[0] is args
    whole = ToolExecutionResult(result, "note")
    assert run.tool("t", args, in_form(form, lambda args: whole)) is whole
    assert run.tool("t", None, in_form(form, lambda args: args)) is None


def test_the_same_holds_while_somebody_listens(run: Driver, form: str, ear: Ear) -> None:
    test_the_tool_gets_the_callers_object_and_the_caller_the_tools(run, form)
    assert len(ear.events()) == 6


def test_a_call_is_a_pair_of_events(run: Driver, ear: Ear) -> None:
    with scope.scope("agent", ScopeType.Agent) as agent:
        run.tool(
            "search",
            {"q": 1},
            lambda args: ToolExecutionResult({"hits": 2}, {"cost": 1}),
            attributes=ToolAttributes(1),
            data="fallback",
            metadata={"m": 1},
            tool_call_id="tc",
        )
    start, end = ear.start("search"), ear.end("search")
    assert (start["category"], start["attributes"], start["parent_uuid"]) == ("tool", ["remote"], agent.uuid)
    assert (start["data"], end["data"]) == ({"q": 1}, {"hits": 2})
    assert start["category_profile"] == {"tool_call_id": "tc"}
    assert end["category_profile"] == {"tool_call_id": "tc", "tool_result_annotation": {"cost": 1}}
    assert (start["metadata"], end["metadata"]) == ({"m": 1}, {"m": 1, "otel.status_code": "OK"})
    assert start["uuid"] == end["uuid"]


def test_an_awaitable_of_any_kind_is_awaited() -> None:
    class Later:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return "later"

    async def main() -> list[Any]:
        future = asyncio.get_running_loop().create_future()
        future.set_result("future")
        return [await tools.execute("t", made, lambda args: args) for made in (Later(), future)]

    assert asyncio.run(main()) == ["later", "future"]


def test_nothing_is_shown_in_place_of_a_result_but_the_data_of_the_call(run: Driver, ear: Ear) -> None:
    run.tool("none", {}, lambda args: None, data={"fallback": 1})
    run.tool("zero", {}, lambda args: 0, data={"fallback": 1})
    assert ear.end("none")["data"] == {"fallback": 1}
    assert ear.end("zero")["data"] == 0


def test_what_the_tool_raises_is_what_the_caller_gets(run: Driver, form: str, ear: Ear) -> None:
    error = OwnError("boom", "b2")

    def broken(args: Any) -> Any:
        raise error

    with pytest.raises(OwnError) as caught:
        run.tool("t", {}, in_form(form, broken), data="fallback", metadata={"m": 1})
    assert caught.value is error
    assert error.__cause__ is None
    assert error.__context__ is None
    end = ear.end("t")
    assert end["data"] == "fallback"
    assert end["metadata"] == {
        "m": 1,
        "otel.status_code": "ERROR",
        "otel.status_description": "internal error: OwnError: ('boom', 'b2')",
        "error.type": "internal_error",
        "exception.type": "OwnError",
    }


def test_the_callers_own_error_keys_win(run: Driver, ear: Ear) -> None:
    def broken(args: Any) -> Any:
        raise OwnError("x")

    own = {"error.type": "own", "exception.type": "own too"}
    with pytest.raises(OwnError):
        run.tool("t", {}, broken, metadata=own)
    end = ear.end("t")["metadata"]
    assert (end["error.type"], end["exception.type"]) == ("own", "own too")
    assert end["otel.status_code"] == "ERROR"


@pytest.mark.parametrize("odd", [5, None, "x"])
def test_what_cannot_be_called_is_a_type_error_of_the_call(odd: Any, run: Driver, ear: Ear) -> None:
    with pytest.raises(TypeError, match=f"'{type(odd).__name__}' object is not callable"):
        run.tool("t", {}, odd)
    assert ear.names() == ["start t", "end t"]
    assert ear.end("t")["metadata"]["exception.type"] == "TypeError"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, StopIteration])
def test_no_exception_leaves_a_call_open(error: type[BaseException], ear: Ear) -> None:
    def broken(args: Any) -> Any:
        raise error("x")

    with pytest.raises((error, RuntimeError)):
        tools.execute_sync("t", {}, broken)
    assert ear.names() == ["start t", "end t"]
    assert ear.end("t")["metadata"]["otel.status_code"] == "ERROR"


@pytest.mark.parametrize(
    ("kwargs", "param"),
    [
        ({"handle": 1}, "handle"),
        ({"handle": "x"}, "handle"),
        ({"attributes": 1}, "attributes"),
        ({"tool_call_id": 1}, "tool_call_id"),
    ],
    ids=str,
)
def test_wrong_types_are_refused_at_once_with_the_name_of_the_parameter(
    kwargs: Any, param: str, run: Driver, ear: Ear
) -> None:
    for call in (tools.execute, tools.execute_sync):
        with pytest.raises(TypeError, match="object is not an instance of") as caught:
            call("t", {}, str, **kwargs)
        assert caught.value.__notes__ == [f"while processing '{param}'"]
    with pytest.raises(TypeError):
        tools.call("t", {}, **kwargs)
    with pytest.raises(TypeError, match="not an instance of 'str'"):
        tools.execute(None, {}, str)  # type: ignore[arg-type]
    assert ear.events() == []


def test_a_call_that_nobody_awaits_does_not_run(ear: Ear) -> None:
    ran: list[int] = []
    call: Any = tools.execute("t", {}, lambda args: ran.append(1))
    call.close()
    assert (ran, ear.events()) == ([], [])


async def test_cancelling_waits_for_the_tools_cleanup_and_records_the_true_end(ear: Ear) -> None:
    cleaned: list[str] = []

    async def work(args: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            scope.event("cleaning")
            cleaned.append(datetime.now(UTC).isoformat())

    task = asyncio.create_task(tools.execute("t", {}, work, data="fallback"))  # type: ignore[arg-type]
    await ear.turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(cleaned) == 1, "the awaiter goes on when the tool is done"
    await ear.settle()
    assert ear.names() == ["start t", "mark cleaning", "end t"]
    end = ear.end("t")
    assert end["data"] == "fallback"
    assert end["metadata"] == {"otel.status_code": "ERROR", "otel.status_description": "tool execution cancelled"}
    assert datetime.fromisoformat(end["timestamp"][:26] + "+00:00") >= datetime.fromisoformat(cleaned[0]) - timedelta(
        microseconds=1
    )


async def test_a_timeout_is_a_cancellation_and_what_swallows_it_has_its_say(ear: Ear) -> None:
    async def stubborn(args: Any) -> str:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as deadline:

            async def slow(args: Any) -> None:
                deadline.reschedule(0)  # it is over as soon as the work has begun
                await asyncio.sleep(60)

            await tools.execute("slow", {}, slow)
    begun = asyncio.Event()
    task = asyncio.create_task(tools.execute("stubborn", {}, stubborn))  # type: ignore[arg-type]
    await begun.wait()
    task.cancel()
    assert await task == "done all the same"
    await ear.settle()
    assert ear.end("slow")["metadata"]["otel.status_description"] == "tool execution cancelled"
    assert ear.end("stubborn")["metadata"]["otel.status_code"] == "OK"


async def test_a_tool_that_cancels_itself_is_an_error_of_its_own(ear: Ear) -> None:
    async def work(args: Any) -> None:
        raise asyncio.CancelledError("by itself")

    with pytest.raises(asyncio.CancelledError):
        await tools.execute("t", {}, work)
    await ear.settle()
    end = ear.end("t")["metadata"]
    assert (end["exception.type"], end["error.type"]) == ("CancelledError", "internal_error")
    assert end["otel.status_description"] == "internal error: CancelledError: by itself"


async def test_a_task_group_sees_its_calls_end_before_it_ends(ear: Ear) -> None:
    async def broken(args: Any) -> None:
        await ear.turns()
        raise OwnError("first")

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(tools.execute("bad", {}, broken))  # type: ignore[arg-type]
            for number in range(5):
                group.create_task(tools.execute(f"t{number}", {}, lambda args: asyncio.sleep(60)))  # type: ignore[arg-type]
    starts, ends = (sum(name.startswith(phase) for name in ear.names()) for phase in ("start", "end"))
    await ear.settle()
    starts, ends = (sum(name.startswith(phase) for name in ear.names()) for phase in ("start", "end"))
    assert starts == ends == 6


def test_a_manual_call_is_a_pair_of_events_too(ear: Ear) -> None:
    with scope.scope("agent", ScopeType.Agent) as agent:
        handle = tools.call("t", {"q": 1}, data="fallback", metadata={"m": 1}, tool_call_id="tc")
        assert scope.get_handle().uuid == agent.uuid, "it does not become the current span"
        tools.call_end(handle, ToolExecutionResult("r", "note"), metadata={"n": 1})
    start, end = ear.start("t"), ear.end("t")
    assert (start["data"], end["data"], start["parent_uuid"]) == ({"q": 1}, "r", agent.uuid)
    assert end["metadata"] == {"m": 1, "n": 1}, "the application says itself how it went"
    assert end["category_profile"] == {"tool_call_id": "tc", "tool_result_annotation": "note"}


def test_the_payload_of_a_manual_end_falls_back_to_its_own_data(ear: Ear) -> None:
    tools.call_end(tools.call("a", {}), ToolExecutionResult(None), data="end data")
    tools.call_end(tools.call("b", {}, data="start data"), ToolExecutionResult(None))
    tools.call_end(tools.call("c", {}, data="start data"), ToolExecutionResult(None), data="end data")
    assert [ear.end(name)["data"] for name in "abc"] == ["end data", None, "end data"]


METADATA = [
    (None, None, None),
    ({"a": 1}, None, {"a": 1}),
    (None, {"a": 1}, {"a": 1}),
    ({"a": 1, "b": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ([1], {"a": 1}, {"a": 1}),
    ({"a": 1}, [1], [1]),
    ("x", None, "x"),
]


@pytest.mark.parametrize(("first", "second", "together"), METADATA, ids=str)
def test_end_metadata_is_laid_over_that_of_the_start(first: Any, second: Any, together: Any, ear: Ear) -> None:
    tools.call_end(tools.call("t", {}, metadata=first), ToolExecutionResult(1), metadata=second)
    scope.pop(scope.push("s", ScopeType.Function, metadata=first), metadata=second)
    assert ear.end("t")["metadata"] == ear.end("s")["metadata"] == together


def test_a_manual_call_keeps_given_times_and_ends_once(ear: Ear, capsys: pytest.CaptureFixture[str]) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    handle = tools.call("t", {}, timestamp=noon)
    tools.call_end(handle, ToolExecutionResult(1), timestamp=noon)
    tools.call_end(handle, ToolExecutionResult(2))
    assert ear.names() == ["start t", "end t"], "a second end is reported and not emitted"
    assert ear.end("t")["timestamp"] == ear.start("t")["timestamp"] == "2026-03-01T12:00:00+00:00"
    with pytest.raises(TypeError, match="not an instance of 'ToolHandle'"):
        tools.call_end(scope.get_handle(), ToolExecutionResult(1))  # type: ignore[arg-type]


def test_a_subscriber_that_comes_late_hears_the_end(run: Driver) -> None:
    heard: list[str] = []

    def work(args: Any) -> int:
        subscribers.register("late", lambda event: heard.append(f"{event.scope_category} {event.name}"))
        return 1

    run.tool("t", {}, work)
    subscribers.flush()
    assert heard == ["end t"]


async def test_two_hundred_calls_at_once_each_have_one_start_and_one_end(ear: Ear) -> None:
    async def work(number: int) -> int:
        await asyncio.sleep(number % 3 / 1000)
        return number

    answers = await asyncio.gather(*(tools.execute(f"t{n}", n, work) for n in range(200)))
    await ear.settle()
    assert answers == list(range(200))
    for n in range(200):
        assert (ear.start(f"t{n}")["data"], ear.end(f"t{n}")["data"]) == (n, n)
