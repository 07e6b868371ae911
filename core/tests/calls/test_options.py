# SPDX-License-Identifier: Apache-2.0
"""What later releases of the published package added to calls: execution options and context, handle=, snapshots."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

import nemo_relay
from nemo_relay import (
    LLMRequest,
    ScopeType,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
    current_scope_stack_snapshot,
    guardrails,
    intercepts,
    llm,
    scope,
    scope_local,
    tools,
    typed,
)
from nemo_relay.testing import capture_events

REQUEST = LLMRequest({}, {"model": "m"})
SWITCHES = ("conditional_execution", "request_intercepts", "execution_intercepts")


@pytest.fixture
def asked() -> list[str]:
    """Every kind of middleware, each noting that it took part."""
    seen: list[str] = []

    def note(name: str, answer: Any) -> Any:
        seen.append(name)
        return answer

    async def around_tool(context: Any, proceed: Any) -> Any:
        note("execution_intercepts", None)
        done = await proceed(context.args)
        return ToolExecutionInterceptOutcome(done.result, annotation=done.annotation)

    async def around_llm(_name: str, request: Any, _context: Any, proceed: Any) -> Any:
        return await proceed(note("execution_intercepts", request))

    guardrails.register_tool_conditional_execution("g", 1, lambda *_: note("conditional_execution", None))
    guardrails.register_llm_conditional_execution("g", 1, lambda *_: note("conditional_execution", None))
    intercepts.register_tool_request("r", 1, False, lambda _name, args: note("request_intercepts", args))
    intercepts.register_llm_request(
        "r",
        1,
        False,
        lambda _name, request, annotated: note(
            "request_intercepts", nemo_relay.LLMRequestInterceptOutcome(request, annotated)
        ),
    )
    intercepts.register_tool_execution("e", 1, around_tool)
    intercepts.register_llm_execution("e", 1, around_llm)
    intercepts.register_llm_stream_execution("e", 1, around_llm)
    return seen


def everywhere(**options: Any) -> list[Any]:
    """One call by each of the eight ways; their results."""

    async def produce(_request: Any) -> Any:
        yield "chunk"

    async def asynchronously() -> list[Any]:
        codec = typed.JsonPassthrough()
        chunks = await llm.stream_execute("l", REQUEST, produce, print, lambda: None, **options)
        typed_tool = typed.tool_execute("t", {}, lambda _args: ToolExecutionResult(1), codec, codec, **options)
        return [
            await tools.execute("t", {}, lambda _args: 1, **options),
            await llm.execute("l", REQUEST, lambda _request: 1, **options),
            [chunk async for chunk in chunks],
            (await typed_tool).result,
            await typed.llm_execute("l", REQUEST, lambda _request: 1, codec, **options),
        ]

    return [
        *asyncio.run(asynchronously()),
        tools.execute_sync("t", {}, lambda _args: 1, **options),
        llm.execute_sync("l", REQUEST, lambda _request: 1, **options),
    ]


@pytest.mark.parametrize("off", [(), *[(switch,) for switch in SWITCHES], SWITCHES])
@pytest.mark.parametrize("kind", [dict, SimpleNamespace])
def test_n3_a_call_says_which_middleware_takes_part(asked: list[str], off: tuple[str, ...], kind: Any) -> None:
    with capture_events() as captured:
        results = everywhere(execution_options=kind(**dict.fromkeys(off, False)) if off or kind is dict else None)
    assert results == [1, 1, ["chunk"], 1, 1, 1, 1]
    assert asked == [switch for switch in SWITCHES if switch not in off] * len(results)
    ended = [event for event in captured.ends() if event.category in ("tool", "llm")]
    assert len(ended) == len(results), "each call is recorded"
    assert bool([event for event in captured.starts() if event.category == "guardrail"]) is (SWITCHES[0] not in off)


def test_n3_nested_calls_have_their_own(asked: list[str]) -> None:
    off = dict.fromkeys(SWITCHES, False)
    inner = lambda _args: tools.execute_sync("inner", {}, lambda _args: 1)  # noqa: E731
    assert tools.execute_sync("outer", {}, inner, execution_options=off) == 1
    assert asked == list(SWITCHES)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"request_intercept": False}, ValueError, "has no 'request_intercept'"),
        ({"request_intercepts": 0}, TypeError, "is a bool, not 0"),
        (7, TypeError, "unlike 7"),
    ],
)
def test_n3_options_that_are_none(options: Any, error: type[Exception], text: str) -> None:
    for call in (tools.execute_sync, tools.execute):
        with pytest.raises(error, match=text):
            call("t", {}, lambda _args: 1, execution_options=options)


@pytest.mark.parametrize("context", [None, {}, {"data": {}}, {"data": {"tenant": ["a", {"b": 1}]}}])
def test_n4_execution_intercepts_read_a_copy_of_their_own_and_nobody_else_does(context: Any) -> None:
    seen: list[Any] = []

    async def around_tool(told: Any, proceed: Any) -> Any:
        seen.append(told.execution_context)
        if told.execution_context is not None:
            told.execution_context["data"] = "mine"
        done = await proceed(told.args)
        return ToolExecutionInterceptOutcome(done.result)

    async def around_llm(_name: str, request: Any, told: Any, proceed: Any) -> Any:
        seen.append(told.execution_context)
        return await proceed(request)

    for order in (1, 2):
        intercepts.register_tool_execution(f"e{order}", order, around_tool)
        intercepts.register_llm_execution(f"e{order}", order, around_llm)
        intercepts.register_llm_stream_execution(f"e{order}", order, around_llm)
    with capture_events() as captured:
        results = everywhere(execution_context=context)
    assert seen == [context] * 2 * len(results)
    assert len({id(one) for one in seen if one is not None}) in (0, len(seen)), "no two share one"
    assert not any("tenant" in event.to_json() for event in captured.events)


@pytest.mark.parametrize(
    ("context", "text"),
    [
        ({"other": 1}, "whose only key is data"),
        ([], "whose only key is data"),
        ({"data": ["secret"]}, "is a JSON object"),
        ({"data": {"a": object()}}, "no JSON"),
        ({"data": {"a": "x" * 70_000}}, "larger than"),
        ({"data": json.loads('{"a":' * 40 + "1" + "}" * 40)}, "deeper than"),
    ],
)
def test_n4_a_context_that_is_none_is_refused_without_its_values(context: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        tools.execute_sync("t", {}, lambda _args: 1, execution_context=context)
    assert "secret" not in str(caught.value)


def test_n5_a_snapshot_shows_what_is_open_and_nothing_later() -> None:
    with scope.scope("agent", ScopeType.Agent) as agent:
        snapshots: list[Any] = []
        tools.execute_sync("t", {}, lambda _args: snapshots.append(current_scope_stack_snapshot()))
        root = scope.get_handle().parent
    (taken,) = snapshots
    assert root is not None
    assert [entry.scope_type for entry in taken.scopes] == [ScopeType.Agent, ScopeType.Agent, ScopeType.Tool]
    assert [entry.scope_id for entry in taken.scopes][:2] == [root.uuid, agent.uuid]
    taken.scopes.clear()
    assert len(taken.scopes) == 3
    with pytest.raises(AttributeError):
        taken.scopes[0].scope_id = "x"


async def test_handle_on_the_single_steps() -> None:
    with scope.scope("a", ScopeType.Agent) as a:
        pass
    here = scope.push("here", ScopeType.Agent)
    other = scope.start("other", ScopeType.Agent, parent=a.parent)
    scope_local.register_tool_request(other, "r", 1, False, lambda _name, args: {**args, "more": 1})
    scope_local.register_tool_conditional_execution(other, "g", 1, lambda *_: "not in there")
    scope_local.register_llm_conditional_execution(other, "g", 1, lambda *_: "not in there")
    assert await tools.request_intercepts("t", {}) == {}
    assert await tools.request_intercepts("t", {}, handle=other) == {"more": 1}
    await tools.conditional_execution("t", {})
    with pytest.raises(nemo_relay.GuardrailRejected, match="not in there"):
        await tools.conditional_execution("t", {}, handle=other)
    await llm.conditional_execution(REQUEST)
    with pytest.raises(nemo_relay.GuardrailRejected, match="not in there"):
        await llm.conditional_execution(REQUEST, handle=other)
    traced = (await llm.request_intercepts("l", REQUEST, handle=other)).request.headers["traceparent"]
    assert other.uuid.replace("-", "")[16:] in traced
    scope.end(other)
    scope.pop(here)
