# SPDX-License-Identifier: Apache-2.0
"""The call forms of programs written for 0.5 to 0.9, beside those of 0.10.4."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nemo_relay import (
    LLMRequest,
    LLMRequestInterceptOutcome,
    PendingMarkSpec,
    ScopeType,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
    guardrails,
    intercepts,
    llm,
    scope,
    subscribers,
    tools,
)

from ..conftest import Driver, Ear


@pytest.mark.parametrize("result", ["text", {"a": 1}, [1], None, 0])
def test_a_manual_tool_call_may_end_with_the_plain_result(result: Any, ear: Ear) -> None:
    tools.call_end(tools.call("t", {}), result, data={"status": "ok"}, metadata={"m": 1})
    assert ear.end("t")["data"] == ({"status": "ok"} if result is None else result)


def test_a_tool_may_return_the_plain_value_and_the_caller_gets_that(run: Driver) -> None:
    result = {"a": 1}
    assert run.tool("t", {}, lambda args: result) is result


def test_an_intercept_with_three_parameters_gets_name_arguments_and_the_plain_value(run: Driver, ear: Ear) -> None:
    seen: list[Any] = []

    async def intercept(name: str, args: Any, next: Any) -> ToolExecutionInterceptOutcome:
        result = await next({**args, "more": 1})
        seen.append((name, args, result))
        return ToolExecutionInterceptOutcome({"wrapped": result}, [PendingMarkSpec("m", "c", {}, {}, {})])

    intercepts.register_tool_execution("old", 0, intercept)
    assert run.tool("t", {"q": 1}, lambda args: args) == {"wrapped": {"q": 1, "more": 1}}
    assert seen == [("t", {"q": 1}, {"q": 1, "more": 1})]
    assert ear.end("t")["data"] == {"wrapped": {"q": 1, "more": 1}}
    assert len(ear.marks("m")) == 1


def test_older_and_newer_intercepts_wrap_one_call_together(run: Driver) -> None:
    async def old(name: str, args: Any, next: Any) -> ToolExecutionInterceptOutcome:
        below = await next(args)
        value = below.result if isinstance(below, ToolExecutionResult) else below
        return ToolExecutionInterceptOutcome([*value, "old"])

    async def new(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        below = await next(context.args)
        return ToolExecutionInterceptOutcome([*below.result, "new"], annotation=below.annotation)

    for first, second in ((old, new), (new, old)):
        intercepts.register_tool_execution("first", 0, first)
        intercepts.register_tool_execution("second", 1, second)
        answer = run.tool("t", {}, lambda args: ["plain"])
        labels = ["plain", second.__name__, first.__name__]
        assert (answer.result if isinstance(answer, ToolExecutionResult) else answer) == labels
        intercepts.deregister_tool_execution("first")
        intercepts.deregister_tool_execution("second")


def test_an_older_llm_intercept_gets_no_context(run: Driver) -> None:
    def through(name: str, request: LLMRequest, next: Any) -> Any:
        return next(request)

    async def wrap(name: str, request: LLMRequest, next: Any) -> Any:
        return {"name": name, "answer": await next(request)}

    intercepts.register_llm_execution("a", 0, wrap)
    intercepts.register_llm_execution("b", 1, through)
    assert run.llm("l", LLMRequest({}, {}), lambda request: "x") == {"name": "l", "answer": "x"}


def test_an_older_stream_intercept_gets_the_request_and_next() -> None:
    async def shout(request: LLMRequest, next: Any) -> Any:
        async for chunk in await next(request):
            yield chunk.upper()

    async def produce(request: LLMRequest) -> Any:
        for chunk in ("a", "b"):
            yield chunk

    async def main() -> list[str]:
        chunks: list[str] = []
        stream = await llm.stream_execute("l", LLMRequest({}, {}), produce, chunks.append, lambda: "".join(chunks))
        return [chunk async for chunk in stream]

    intercepts.register_llm_stream_execution("old", 0, shout)
    assert asyncio.run(main()) == ["A", "B"]


def test_sanitizers_of_one_parameter_are_still_taken(ear: Ear) -> None:
    """0.5 and 0.6 knew no context; 0.7 to 0.10 refuse them when they are registered."""
    guardrails.register_llm_sanitize_request("a", 0, lambda request: LLMRequest({}, "clean"))  # type: ignore[misc,arg-type]
    guardrails.register_llm_sanitize_response("a", 0, lambda response: "clean")  # type: ignore[misc,arg-type]
    llm.execute_sync("l", LLMRequest({}, "secret"), lambda request: "secret")
    assert ear.start("l")["data"] == {"content": "clean", "headers": {}}
    assert ear.end("l")["data"] == "clean"


def test_request_intercepts_have_had_one_form_all_along(run: Driver) -> None:
    def intercept(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        return LLMRequestInterceptOutcome(LLMRequest(request.headers, [request.content]))

    intercepts.register_llm_request("i", 0, False, intercept)
    assert run.llm("l", LLMRequest({}, 1), lambda request: request.content) == [1]


def test_a_host_that_observes_by_hand_from_many_threads(ear: Ear) -> None:
    """What a host's plugin does: handles as explicit parents, spans ended elsewhere and out of order."""
    import threading

    session = scope.push("session", ScopeType.Agent, handle=None, data={"session_id": "s"}, metadata={"m": 1})
    delegates: list[Any] = []
    worker = threading.Thread(
        target=lambda: delegates.append(scope.push("delegate", ScopeType.Agent, handle=session, data={}, metadata={}))
    )
    worker.start()
    worker.join(50)
    scope.event("turn.start", handle=session, data={}, metadata={})
    model = llm.call("provider", LLMRequest({}, {}), handle=session, data={"usage": None}, metadata={}, model_name="")
    spans = [tools.call(f"t{n}", {}, handle=delegates[0], data={}, metadata={}, tool_call_id="") for n in range(3)]
    for span in reversed(spans):
        worker = threading.Thread(target=tools.call_end, args=(span, '{"ok": true}'), kwargs={"metadata": {}})
        worker.start()
        worker.join(50)
    llm.call_end(model, {"error": {"message": "x"}}, data={"finish_reason": None}, metadata={})
    scope.pop(session, output={"done": True})
    scope.pop(delegates[0], output={"done": True})
    subscribers.flush()
    for n in range(3):
        assert ear.start(f"t{n}")["parent_uuid"] == delegates[0].uuid
        assert ear.end(f"t{n}")["data"] == '{"ok": true}'
        assert ear.start(f"t{n}")["category_profile"] == {"tool_call_id": ""}
    assert ear.start("delegate")["parent_uuid"] == session.uuid
    assert ear.start("provider")["category_profile"] == {"model_name": ""}
    assert ear.end("session")["data"] == {"done": True}
