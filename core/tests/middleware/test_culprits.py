# SPDX-License-Identifier: Apache-2.0
"""Errors name in whose code they were raised, and stay the same objects; a call that nobody awaits is named, too."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from nemo_relay import (
    LLMRequest,
    ScopeType,
    ToolExecutionInterceptOutcome,
    guardrails,
    intercepts,
    llm,
    scope,
    tools,
)

REQUEST = LLMRequest({}, {})


class Own(Exception):
    pass


def raising(error: BaseException) -> Any:
    def callback(*_: Any) -> Any:
        raise error

    return callback


def notes_of(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


TOOL = lambda: tools.execute_sync("search", {"q": 1}, lambda _args: 1)  # noqa: E731
LLM = lambda: llm.execute_sync("provider", REQUEST, lambda _request: 1)  # noqa: E731
TOOL_ASYNC = lambda: asyncio.run(tools.execute("search", {"q": 1}, lambda _args: 1))  # type: ignore[arg-type] # noqa: E731
LLM_ASYNC = lambda: asyncio.run(llm.execute("provider", REQUEST, lambda _request: 1))  # type: ignore[arg-type] # noqa: E731


@pytest.mark.parametrize(
    ("register", "calls", "note"),
    [
        (
            lambda fn: guardrails.register_tool_conditional_execution("mine", 1, fn),
            (TOOL, TOOL_ASYNC),
            "raised by the guardrail 'mine' that was asked about the tool call 'search'",
        ),
        (
            lambda fn: guardrails.register_llm_conditional_execution("mine", 1, fn),
            (LLM, LLM_ASYNC),
            "raised by the guardrail 'mine' that was asked about the llm call 'provider'",
        ),
        (
            lambda fn: intercepts.register_tool_request("mine", 1, False, fn),
            (TOOL, TOOL_ASYNC),
            "raised by the request intercept 'mine' of the tool call 'search'",
        ),
        (
            lambda fn: intercepts.register_llm_request("mine", 1, False, fn),
            (LLM, LLM_ASYNC),
            "raised by the request intercept 'mine' of the LLM call 'provider'",
        ),
        (
            lambda fn: intercepts.register_tool_execution("mine", 1, fn),
            (TOOL, TOOL_ASYNC),
            "raised by the execution intercept 'mine' of the tool call 'search'",
        ),
        (
            lambda fn: intercepts.register_llm_execution("mine", 1, fn),
            (LLM, LLM_ASYNC),
            "raised by the execution intercept 'mine' of the llm call 'provider'",
        ),
    ],
)
def test_an_error_of_middleware_says_whose_it_is(register: Any, calls: Any, note: str) -> None:
    error = Own("no")
    register(raising(error))
    for call in calls:  # the same object twice: it is not noted twice
        with pytest.raises(Own) as caught:
            call()
        assert caught.value is error
        assert notes_of(error) == [note]


def test_an_error_of_the_callee_is_nobody_elses() -> None:
    error = Own("the tool's")

    async def around(context: Any, proceed: Any) -> Any:
        done = await proceed(context.args)
        return ToolExecutionInterceptOutcome(done.result)

    intercepts.register_tool_execution("outer", 1, around)
    intercepts.register_tool_execution("inner", 2, around)
    for call in (
        lambda: tools.execute_sync("t", {}, raising(error)),
        lambda: asyncio.run(tools.execute("t", {}, raising(error))),  # type: ignore[arg-type]
    ):
        with pytest.raises(Own) as caught:
            call()
        assert caught.value is error
        assert notes_of(error) == []


def test_an_error_of_an_inner_intercept_is_not_the_outer_ones() -> None:
    async def around(context: Any, proceed: Any) -> Any:
        done = await proceed(context.args)
        return ToolExecutionInterceptOutcome(done.result)

    intercepts.register_tool_execution("outer", 1, around)
    intercepts.register_tool_execution("inner", 2, raising(Own()))
    with pytest.raises(Own) as caught:
        TOOL()
    assert notes_of(caught.value) == ["raised by the execution intercept 'inner' of the tool call 'search'"]


def test_answers_that_may_not_be_name_who_gave_them() -> None:
    guardrails.register_tool_conditional_execution("numbers", 1, lambda *_: 7)  # type: ignore[arg-type, return-value]
    with pytest.raises(RuntimeError, match="conditional guardrail returned unexpected type") as caught:
        TOOL()
    assert notes_of(caught.value) == ["raised by the guardrail 'numbers' that was asked about the tool call 'search'"]
    guardrails.deregister_tool_conditional_execution("numbers")
    intercepts.register_tool_execution("nothing", 1, lambda *_: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(RuntimeError, match="must return ToolExecutionInterceptOutcome") as caught:
        TOOL()
    assert notes_of(caught.value) == ["raised by the execution intercept 'nothing' of the tool call 'search'"]


def test_a_request_intercept_that_returns_none_where_arguments_are_due() -> None:
    intercepts.register_tool_request("forgets", 1, False, lambda _name, args: None)
    ran: list[Any] = []
    with pytest.raises(RuntimeError, match="returned None; it must return the arguments") as caught:
        tools.execute_sync("search", {"q": 1}, ran.append)
    assert ran == []
    assert notes_of(caught.value) == ["raised by the request intercept 'forgets' of the tool call 'search'"]
    assert tools.execute_sync("search", None, lambda args: args) is None, "there were none"


def test_a_parameter_is_named() -> None:
    for call, name in (
        (lambda: scope.push(1, ScopeType.Agent), "name"),  # type: ignore[arg-type]
        (lambda: scope.push("s", 1), "scope_type"),  # type: ignore[arg-type]
        (lambda: scope.push("s", ScopeType.Agent, handle=1), "handle"),  # type: ignore[arg-type]
        (lambda: scope.push("s", ScopeType.Agent, attributes=1), "attributes"),  # type: ignore[arg-type]
        (lambda: scope.event("m", severity=1), "severity"),  # type: ignore[arg-type]
        (lambda: tools.call("t", {}, tool_call_id=1), "tool_call_id"),  # type: ignore[arg-type]
        (lambda: guardrails.register_mark_sanitize(1, 1, print), "name"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert notes_of(caught.value) == [f"while processing '{name}'"]


def forget(call: Any) -> None:
    call()
    gc.collect()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("shaped", [False, True])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: tools.execute("t", {}, print), "tools.execute"),
        (lambda: llm.execute("l", REQUEST, print), "llm.execute"),
        (lambda: llm.stream_execute("l", REQUEST, print, print, print), "llm.stream_execute"),
        (lambda: tools.request_intercepts("t", {}), "tools.request_intercepts"),
        (lambda: tools.conditional_execution("t", {}), "tools.conditional_execution"),
        (lambda: llm.request_intercepts("l", REQUEST), "llm.request_intercepts"),
        (lambda: llm.conditional_execution(REQUEST), "llm.conditional_execution"),
    ],
)
async def test_a_call_that_nobody_awaits_is_named(call: Any, name: str, shaped: bool) -> None:
    if shaped:
        guardrails.register_tool_conditional_execution("g", 1, lambda *_: None)
        guardrails.register_llm_conditional_execution("g", 1, lambda *_: None)
    with pytest.warns(RuntimeWarning, match=f"coroutine '{name}' was never awaited"):
        forget(call)
