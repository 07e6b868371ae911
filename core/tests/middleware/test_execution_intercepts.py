# SPDX-License-Identifier: Apache-2.0
"""Execution intercepts wrap a call; `next` runs the rest, as often and as concurrently as they like."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import nemo_relay
from nemo_relay import (
    LLMRequest,
    LogSeverity,
    PendingMarkSpec,
    ScopeType,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
    intercepts,
    llm,
    scope,
    tools,
)
from nemo_relay.errors import ContinuationClosed

from ..conftest import Driver, Ear


def passing(label: str, order: list[str]) -> Any:
    async def intercept(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        order.append(f"before {label}")
        below = await next(context.args)
        order.append(f"after {label}")
        return ToolExecutionInterceptOutcome(below.result, annotation=below.annotation)

    return intercept


def test_the_lowest_priority_is_outermost(run: Driver) -> None:
    order: list[str] = []
    intercepts.register_tool_execution("inner", 5, passing("inner", order))
    intercepts.register_tool_execution("outer", 0, passing("outer", order))
    run.tool("t", {}, lambda args: order.append("tool"))
    assert order == ["before outer", "before inner", "tool", "after inner", "after outer"]


def test_an_intercept_learns_the_name_the_arguments_and_the_id(run: Driver) -> None:
    seen: list[Any] = []

    async def look(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        first, second = context.args, context.args
        seen.append((context.tool_name, first, context.tool_call_id, repr(context)))
        assert first is not second, "a fresh copy at each access"
        first["changed"] = True
        return ToolExecutionInterceptOutcome((await next(second)).result)

    intercepts.register_tool_execution("i", 0, look)
    args = {"q": 1}
    assert run.tool("tool", args, lambda args: args, tool_call_id="tc") is args
    shown = 'ToolExecutionContext(tool_name="tool", tool_call_id=Some("tc"))'
    assert seen == [("tool", {"q": 1, "changed": True}, "tc", shown)]
    run.tool("tool", {}, lambda args: args)
    assert seen[1][3] == 'ToolExecutionContext(tool_name="tool", tool_call_id=None)'


def test_what_passes_through_unchanged_is_the_callees_own_result(run: Driver) -> None:
    intercepts.register_tool_execution("i", 0, passing("i", []))
    plain, whole = {"a": [1]}, ToolExecutionResult({"b": 1}, {"note": 1})
    assert run.tool("t", {}, lambda args: plain) is plain
    assert run.tool("t", {}, lambda args: whole) is whole


def test_an_intercept_may_change_arguments_result_and_annotation(run: Driver, ear: Ear) -> None:
    async def change(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        below = await next({"q": context.args["q"] + 1})
        return ToolExecutionInterceptOutcome([below.result], annotation={"was": below.annotation})

    intercepts.register_tool_execution("i", 0, change)
    answer = run.tool("t", {"q": 1}, lambda args: ToolExecutionResult(args, "note"))
    assert (answer.result, answer.annotation) == ([{"q": 2}], {"was": "note"})
    assert ear.start("t")["data"] == {"q": 1}, "the start shows what the call was made with"
    assert ear.end("t")["data"] == [{"q": 2}]
    assert ear.end("t")["category_profile"] == {"tool_result_annotation": {"was": "note"}}


def test_an_annotation_is_dropped_unless_it_is_handed_on(run: Driver) -> None:
    async def forgetful(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        return ToolExecutionInterceptOutcome((await next(context.args)).result)

    intercepts.register_tool_execution("i", 0, forgetful)
    assert run.tool("t", {}, lambda args: ToolExecutionResult(1, "note")).annotation is None


def test_an_intercept_may_stand_in_for_the_tool(run: Driver, ear: Ear) -> None:
    intercepts.register_tool_execution("i", 0, lambda context, next: ToolExecutionInterceptOutcome("cached"))
    answer = run.tool("t", {}, str)
    assert isinstance(answer, ToolExecutionResult)
    assert answer.result == "cached"
    assert ear.end("t")["metadata"] == {"otel.status_code": "OK"}


@pytest.mark.parametrize("bad", [None, {}, "x", ToolExecutionResult(1)], ids=lambda value: type(value).__name__)
def test_an_intercept_answers_with_an_outcome(bad: Any, run: Driver, ear: Ear) -> None:
    intercepts.register_tool_execution("i", 0, lambda context, next: bad)
    shown = "'None' is" if bad is None else f"'{type(bad).__name__}' object is"
    text = (
        "invalid argument: tool execution intercept must return ToolExecutionInterceptOutcome; after await next(args),"
        " return ToolExecutionInterceptOutcome(result=downstream.result, annotation=downstream.annotation):"
        f" {shown} not an instance of 'ToolExecutionInterceptOutcome'"
    )
    with pytest.raises(RuntimeError) as caught:
        run.tool("t", {}, str)
    assert str(caught.value) == text
    end = ear.end("t")["metadata"]
    assert (end["otel.status_code"], end["error.type"]) == ("ERROR", "invalid_argument")
    assert end["otel.status_description"] == text
    assert "exception.type" not in end


def test_an_error_from_below_is_the_very_same_and_can_be_caught(run: Driver, ear: Ear) -> None:
    error = ValueError("below")
    seen: list[Any] = []

    def broken(args: Any) -> Any:
        raise error

    async def rescue(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        try:
            await next(context.args)
        except ValueError as caught:
            seen.append(caught)
        return ToolExecutionInterceptOutcome("rescued")

    intercepts.register_tool_execution("i", 0, passing("i", []))
    with pytest.raises(ValueError, match="below") as raised:
        run.tool("fails", {}, broken)
    assert raised.value is error
    intercepts.register_tool_execution("r", 1, rescue)
    assert run.tool("rescued", {}, broken).result == "rescued"
    assert seen[0] is error
    assert ear.end("rescued")["metadata"] == {"otel.status_code": "OK"}


async def test_next_can_be_used_again_and_concurrently(ear: Ear) -> None:
    async def work(args: Any) -> ToolExecutionResult[Any]:
        with scope.scope(f"inner {args}", ScopeType.Function):
            await asyncio.sleep(0.01 / (args + 1))
        return ToolExecutionResult(args)

    async def race(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        answers = await asyncio.gather(*(next(number) for number in range(3)))
        answers.append(await next(9))
        return ToolExecutionInterceptOutcome([answer.result for answer in answers])

    intercepts.register_tool_execution("race", 0, race)
    with scope.scope("agent", ScopeType.Agent) as agent:
        answer = await tools.execute("t", None, work)
        assert scope.get_handle().uuid == agent.uuid
    await ear.settle()
    assert answer.result == [0, 1, 2, 9]
    call = ear.start("t")["uuid"]
    assert {ear.start(f"inner {number}")["parent_uuid"] for number in (0, 1, 2, 9)} == {call}


async def test_next_can_be_used_as_a_future_and_starts_at_once_then() -> None:
    order: list[str] = []

    async def work(args: Any) -> ToolExecutionResult[str]:
        order.append("tool")
        return ToolExecutionResult("x")

    async def intercept(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        future = asyncio.ensure_future(next(context.args))
        for _ in range(100):
            await asyncio.sleep(0)
        order.append("intercept goes on")
        return ToolExecutionInterceptOutcome((await asyncio.wait_for(future, 50)).result)

    intercepts.register_tool_execution("i", 0, intercept)
    assert (await tools.execute("t", {}, work)).result == "x"
    assert order == ["tool", "intercept goes on"]


async def test_next_is_over_when_the_intercept_has_returned() -> None:
    kept: list[Any] = []

    def keep(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        kept.extend((next, next(context.args)))
        return ToolExecutionInterceptOutcome("early")

    intercepts.register_tool_execution("i", 0, keep)
    assert (await tools.execute("t", {}, lambda args: ToolExecutionResult(1))).result == "early"
    text = "^invalid argument: execution continuation is no longer active$"
    with pytest.raises(RuntimeError, match=text) as caught:
        await kept[0]({})
    assert isinstance(caught.value, ContinuationClosed)
    with pytest.raises(RuntimeError, match=text):
        await kept[1]


async def test_a_branch_stands_where_next_was_called(ear: Ear) -> None:
    other = nemo_relay.create_scope_stack()

    async def elsewhere(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        with nemo_relay.use_scope_stack(other), scope.scope("branch", ScopeType.Function):
            below = await next(context.args)
        return ToolExecutionInterceptOutcome(below.result)

    async def work(args: Any) -> ToolExecutionResult[str]:
        scope.event("in the tool")
        return ToolExecutionResult(scope.get_handle().name)

    intercepts.register_tool_execution("i", 0, elsewhere)
    assert (await tools.execute("t", {}, work)).result == "branch"
    await ear.settle()
    assert ear.one("in the tool")["parent_uuid"] == ear.start("branch")["uuid"]


def test_work_of_an_intercept_is_a_child_of_the_call(run: Driver, ear: Ear) -> None:
    async def intercept(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        scope.event("in the intercept")
        scope.push("left open", ScopeType.Function)
        return ToolExecutionInterceptOutcome((await next(context.args)).result)

    intercepts.register_tool_execution("i", 0, intercept)
    with scope.scope("agent", ScopeType.Agent) as agent:
        run.tool("t", {}, lambda args: 1)
        assert scope.get_handle().uuid == agent.uuid, "what it leaves open does not move the caller"
    assert ear.one("in the intercept")["parent_uuid"] == ear.start("t")["uuid"]


def mark(name: str) -> PendingMarkSpec:
    return PendingMarkSpec(name, data={"of": name}, category="custom", severity=LogSeverity.Info)


def test_pending_marks_follow_the_end_in_the_order_of_next_and_then_their_own(run: Driver, ear: Ear) -> None:
    async def inner(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        below = await next(context.args)
        return ToolExecutionInterceptOutcome(below.result, [mark(f"inner {context.args}")])

    async def outer(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        first = await next(1)
        await next(2)
        return ToolExecutionInterceptOutcome(first.result, [mark("outer")])

    intercepts.register_tool_execution("outer", 0, outer)
    intercepts.register_tool_execution("inner", 1, inner)
    run.tool("t", 0, lambda args: args)
    assert ear.names() == ["start t", "end t", "mark inner 1", "mark inner 2", "mark outer"]
    times = [ear.end("t")["timestamp"], *(event["timestamp"] for event in ear.marks())]
    assert times == sorted(set(times))
    assert {event["parent_uuid"] for event in ear.marks()} == {ear.start("t")["uuid"]}
    assert ear.one("outer")["metadata"] == {"nemo_relay.log.severity": "info"}
    assert ear.one("outer")["data"] == {"of": "outer"}


def test_pending_marks_of_a_call_that_fails_are_discarded(run: Driver, ear: Ear) -> None:
    async def inner(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        return ToolExecutionInterceptOutcome(1, [mark("never")])

    async def outer(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        await next(context.args)
        raise ValueError("own")

    intercepts.register_tool_execution("outer", 0, outer)
    intercepts.register_tool_execution("inner", 1, inner)
    with pytest.raises(ValueError, match="own"):
        run.tool("t", 0, str)
    assert ear.names() == ["start t", "end t"]


def test_a_mark_whose_severity_has_no_place_is_dropped(run: Driver, ear: Ear) -> None:
    bad = PendingMarkSpec("bad", metadata=[1], severity=LogSeverity.Info)
    intercepts.register_tool_execution(
        "i", 0, lambda context, next: ToolExecutionInterceptOutcome(1, [bad, PendingMarkSpec("good")])
    )
    run.tool("t", 0, str)
    assert [event["name"] for event in ear.marks()] == ["good"]


def test_llm_intercepts_get_name_request_context_and_next(run: Driver, ear: Ear) -> None:
    seen: list[Any] = []

    async def intercept(name: str, request: LLMRequest, context: Any, next: Any) -> Any:
        seen.append((name, request.content, context.request_codec.codec.kind, context.response_codec.codec.kind))
        answer = await next(LLMRequest(request.headers, {"changed": 1}))
        return {"wrapped": answer}

    intercepts.register_llm_execution("i", 0, intercept)
    got: list[Any] = []
    request = LLMRequest({}, {"c": 1})
    assert run.llm("model", request, lambda request: got.append(request.content) or "x") == {"wrapped": "x"}
    assert seen == [("model", {"c": 1}, "none", "none")]
    assert got == [{"changed": 1}]
    assert ear.end("model")["data"] == {"wrapped": "x"}


def test_what_an_llm_intercept_hands_on_unchanged_is_the_same_object(run: Driver) -> None:
    async def intercept(name: str, request: LLMRequest, context: Any, next: Any) -> Any:
        return await next(request)

    intercepts.register_llm_execution("i", 0, intercept)
    content, answer = {"c": [1]}, {"a": object()}
    got: list[Any] = []
    assert run.llm("l", LLMRequest({}, content), lambda request: got.append(request.content) or answer) is answer
    assert got[0] is content


async def test_next_of_an_llm_call_takes_requests_only() -> None:
    async def intercept(name: str, request: LLMRequest, context: Any, next: Any) -> Any:
        with pytest.raises(TypeError, match="'dict' object is not an instance of 'LLMRequest'") as caught:
            next({})
        assert caught.value.__notes__ == ["while processing 'request'"]
        return "fine"

    intercepts.register_llm_execution("i", 0, intercept)
    assert await llm.execute("l", LLMRequest({}, {}), str) == "fine"


def test_a_plain_function_wraps_a_synchronous_call_with_the_result_in_hand() -> None:
    def retry(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        for attempt in range(3):
            try:
                return ToolExecutionInterceptOutcome(next({"attempt": attempt}).result)
            except ValueError:
                continue
        raise AssertionError("unreachable")

    def flaky(args: Any) -> int:
        if args["attempt"] < 2:
            raise ValueError("flaky")
        return int(args["attempt"])

    intercepts.register_tool_execution("retry", 0, retry)
    assert tools.execute_sync("t", {"attempt": -1}, flaky) == 2


async def test_cancelling_waits_for_what_intercept_and_tool_clean_up(ear: Ear) -> None:
    order: list[str] = []

    async def work(args: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            order.append("tool cleaned up")

    async def intercept(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        try:
            return ToolExecutionInterceptOutcome((await next(context.args)).result)
        finally:
            await asyncio.sleep(0.01)
            order.append("intercept cleaned up")

    intercepts.register_tool_execution("i", 0, intercept)
    task = asyncio.create_task(tools.execute("t", {}, work, tool_call_id="tc"))  # type: ignore[arg-type]
    await ear.turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order == ["tool cleaned up", "intercept cleaned up"]
    await ear.settle()
    assert ear.names() == ["start t", "end t"]
    for event in ear.heard:
        assert event["category_profile"] == {"tool_call_id": "tc"}
    assert ear.end("t")["metadata"]["otel.status_description"] == "tool execution cancelled"
