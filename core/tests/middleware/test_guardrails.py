# SPDX-License-Identifier: Apache-2.0
"""Conditional guardrails: asked first, shown as scopes of their own, and closed where they fail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, guardrails, intercepts, llm, scope, subscribers, tools
from nemo_relay.errors import CallbackError, GuardrailRejected

from ..conftest import Driver, Ear, in_form


def never(*args: Any) -> Any:
    raise AssertionError("the call ran")


def test_a_guardrail_that_answers_none_lets_the_call_run(run: Driver, form: str, ear: Ear) -> None:
    asked: list[Any] = []
    args = {"q": 1}

    def allow(*given: Any) -> None:
        asked.append(given)

    guardrails.register_tool_conditional_execution("g", 0, in_form(form, allow))
    with scope.scope("agent", ScopeType.Agent) as agent:
        assert run.tool("t", args, lambda args: args, metadata={"m": 1}) is args
    assert asked == [("t", {"q": 1})]
    assert ear.names() == ["start agent", "start g", "end g", "start t", "end t", "end agent"]
    start, end = ear.start("g"), ear.end("g")
    assert (start["category"], start["parent_uuid"], start["attributes"]) == ("guardrail", agent.uuid, [])
    assert start["data"] == {"kind": "tool_conditional_execution", "target_name": "t"}
    assert end["data"] == {"allowed": True, "rejected": False}
    assert start["metadata"] == end["metadata"] == {"m": 1}
    assert start["category_profile"] is None


@pytest.mark.parametrize("reason", ["not today", ""])
def test_a_reason_refuses_the_call(reason: str, run: Driver, form: str, ear: Ear) -> None:
    guardrails.register_tool_conditional_execution("g", 0, in_form(form, lambda name, args: reason))
    guardrails.register_tool_conditional_execution("h", 1, never)
    with scope.scope("agent", ScopeType.Agent) as agent:
        with pytest.raises(RuntimeError, match=f"^guardrail rejected: {reason}$") as caught:
            run.tool("t", {}, never, metadata={"m": 1})
    error = caught.value
    assert isinstance(error, GuardrailRejected)
    assert (error.reason, error.guardrail, error.target, error.kind) == (reason, "g", "t", "tool")
    assert ear.names() == ["start agent", "start g", "end g", "mark t", "end agent"]
    assert ear.end("g")["data"] == {"allowed": False, "rejected": True, "rejection_reason": reason}
    mark = ear.one("t")
    assert (mark["parent_uuid"], mark["metadata"]) == (agent.uuid, {"m": 1})
    assert mark["data"] == {"rejected": True, "rejection_reason": reason}


def test_an_llm_guardrail_gets_the_request(run: Driver, form: str, ear: Ear) -> None:
    seen: list[Any] = []

    def refuse(request: LLMRequest) -> str:
        seen.append((request.headers, request.content))
        return "too much"

    guardrails.register_llm_conditional_execution("g", 0, in_form(form, refuse))
    with pytest.raises(RuntimeError, match="^guardrail rejected: too much$"):
        run.llm("model", LLMRequest({"a": "b"}, {"c": 1}), never)
    assert seen == [({"a": "b"}, {"c": 1})]
    assert ear.start("g")["data"] == {"kind": "llm_conditional_execution"}
    assert ear.names() == ["start g", "end g", "mark model"]


def test_a_guardrail_that_raises_stops_the_call_with_its_own_error(run: Driver, form: str, ear: Ear) -> None:
    error = LookupError("gboom")

    def broken(*args: Any) -> None:
        raise error

    guardrails.register_tool_conditional_execution("g", 0, in_form(form, broken))
    guardrails.register_llm_conditional_execution("g", 0, in_form(form, broken))
    for call in (lambda: run.tool("t", {}, never), lambda: run.llm("l", LLMRequest({}, {}), never)):
        with pytest.raises(LookupError) as caught:
            call()
        assert caught.value is error
    ends = [e for e in ear.events() if e.get("scope_category") == "end"]
    assert [e["data"] for e in ends] == [{"allowed": False, "error": "internal error: LookupError: gboom"}] * 2
    assert ear.marks() == []


@pytest.mark.parametrize("answer", [5, True, False, [], {}])
def test_any_other_answer_is_an_error_and_no_permission(answer: Any, run: Driver, ear: Ear) -> None:
    shown = type(answer).__name__
    guardrails.register_tool_conditional_execution("g", 0, lambda name, args: answer)
    guardrails.register_llm_conditional_execution("g", 0, lambda request: answer)
    text = f"conditional guardrail returned unexpected type: TypeError: '{shown}' object is not an instance of 'str'"
    with pytest.raises(RuntimeError, match=f"^internal error: tool {text}\\n") as caught:
        run.tool("t", {}, never)
    assert isinstance(caught.value, CallbackError)
    with pytest.raises(RuntimeError, match=f"^internal error: LLM {text}\\n"):
        run.llm("l", LLMRequest({}, {}), never)
    assert all(e["data"]["allowed"] is False for e in ear.events() if e.get("scope_category") == "end")


def test_a_guardrail_cannot_change_the_call(run: Driver) -> None:
    def vandal(name: str, args: Any) -> None:
        args["q"] = "changed"

    guardrails.register_tool_conditional_execution("g", 0, vandal)
    args = {"q": 1}
    assert run.tool("t", args, lambda args: args["q"]) == 1
    assert args == {"q": 1}


def test_guardrails_see_the_original_arguments_before_any_intercept(run: Driver) -> None:
    seen: list[Any] = []
    intercepts.register_tool_request("i", 0, False, lambda name, args: {"rewritten": True})
    guardrails.register_tool_conditional_execution("g", 0, lambda name, args: seen.append(args))
    assert run.tool("t", {"q": 1}, lambda args: args) == {"rewritten": True}
    assert seen == [{"q": 1}]


async def test_a_call_that_is_cancelled_meanwhile_says_so(ear: Ear) -> None:
    async def ponder(name: str, args: Any) -> None:
        await asyncio.sleep(60)

    guardrails.register_tool_conditional_execution("g", 0, ponder)
    task = asyncio.create_task(tools.execute("t", {}, never))  # type: ignore[arg-type]
    await ear.turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ear.settle()
    assert ear.names() == ["start g", "end g"]
    assert ear.end("g")["data"] == {"allowed": False, "cancelled": True, "error": "guardrail evaluation cancelled"}


def test_guardrails_can_be_asked_alone(ear: Ear) -> None:
    assert tools.conditional_execution("t", {}) is None
    assert llm.conditional_execution(LLMRequest({}, {})) is None
    guardrails.register_tool_conditional_execution("g", 0, lambda name, args: "no tool")
    guardrails.register_llm_conditional_execution("g", 0, lambda request: "no model")
    with pytest.raises(RuntimeError, match="^guardrail rejected: no tool$"):
        tools.conditional_execution("t", {})
    with pytest.raises(RuntimeError, match="^guardrail rejected: no model$"):
        llm.conditional_execution(LLMRequest({}, {}))
    assert ear.names() == ["start g", "end g", "start g", "end g"], "and there is no mark of a refusal"
    assert ear.heard[0]["metadata"] is None


async def test_asked_alone_inside_a_loop_the_answer_is_awaited(form: str) -> None:
    assert await tools.conditional_execution("t", {}) is None
    guardrails.register_tool_conditional_execution("g", 0, in_form(form, lambda name, args: "no"))
    with pytest.raises(RuntimeError, match="guardrail rejected: no"):
        await tools.conditional_execution("t", {})


def test_asked_alone_outside_a_loop_async_guardrails_are_run_to_their_end() -> None:
    async def refuse(name: str, args: Any) -> str:
        await asyncio.sleep(0)
        return "no"

    guardrails.register_tool_conditional_execution("g", 0, refuse)
    with pytest.raises(RuntimeError, match="guardrail rejected: no"):
        tools.conditional_execution("t", {})


@pytest.mark.parametrize("observed", [False, True])
async def test_a_policy_that_arrives_before_the_call_is_awaited_applies(observed: bool) -> None:
    ran: list[str] = []
    if observed:
        subscribers.register("observer", lambda event: None)
    calls = [
        tools.execute("rm", {}, lambda args: ran.append("tool")),
        llm.execute("openai", LLMRequest({}, {}), lambda request: ran.append("llm")),
    ]
    guardrails.register_tool_conditional_execution("deny", 1, lambda name, args: "no")
    guardrails.register_llm_conditional_execution("deny", 1, lambda request: "no")
    try:
        for call in calls:
            with pytest.raises(GuardrailRejected):
                await call
    finally:
        guardrails.deregister_tool_conditional_execution("deny")
        guardrails.deregister_llm_conditional_execution("deny")
        subscribers.deregister("observer")
    assert ran == []
