# SPDX-License-Identifier: Apache-2.0
"""Sanitizers change what observers see and never the call; when one fails, what it should have cleaned is left out."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest

from nemo_relay import (
    LLMRequest,
    LLMRequestInterceptOutcome,
    ScopeType,
    ToolExecutionResult,
    guardrails,
    llm,
    scope,
    subscribers,
    tools,
)

from ..conftest import Driver, Ear, in_form

SECRET = {"password": "hunter2"}


def boom(*args: Any) -> Any:
    raise ValueError("z")


def test_a_tools_sanitizers_form_a_chain_that_only_events_show(run: Driver, form: str, ear: Ear) -> None:
    seen: list[Any] = []

    def second(name: str, payload: Any) -> Any:
        seen.append((name, payload))
        return {"clean": True}

    guardrails.register_tool_sanitize_request("b", 1, in_form(form, second))
    guardrails.register_tool_sanitize_request("a", 0, in_form(form, lambda name, payload: [payload]))
    guardrails.register_tool_sanitize_response("r", 0, in_form(form, lambda name, payload: "cleaned"))
    assert run.tool("t", SECRET, lambda args: args) is SECRET
    assert ear.start("t")["data"] == {"clean": True}
    assert ear.end("t")["data"] == "cleaned"
    assert seen == [("t", [SECRET])]


@pytest.mark.parametrize("bad", [boom, lambda name, payload: object()], ids=["raises", "no JSON"])
def test_a_failing_tool_sanitizer_omits_the_payload(
    bad: Any, run: Driver, form: str, ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    after: list[Any] = []
    guardrails.register_tool_sanitize_request("a", 0, in_form(form, bad))
    guardrails.register_tool_sanitize_response("a", 0, in_form(form, bad))
    guardrails.register_tool_sanitize_response("b", 1, lambda name, payload: after.append(payload))
    assert run.tool("t", SECRET, lambda args: "fine", data="fallback") == "fine"
    assert ear.start("t")["data"] is None
    assert ear.end("t")["data"] is None, "and nothing else is shown in its place"
    assert after == [], "the chain stops"
    assert "nemo_relay: Python tool sanitizer callable failed: internal error: " in capsys.readouterr().err
    assert "hunter2" not in str(ear.heard)


def test_none_is_a_payload_like_any_other(run: Driver, ear: Ear) -> None:
    guardrails.register_tool_sanitize_request("a", 0, lambda name, payload: None)
    guardrails.register_tool_sanitize_response("a", 0, lambda name, payload: None)
    run.tool("t", SECRET, lambda args: "secret", data="fallback")
    assert (ear.start("t")["data"], ear.end("t")["data"]) == (None, "fallback")


def test_manual_calls_meet_the_sanitizers_too(ear: Ear) -> None:
    guardrails.register_tool_sanitize_request("a", 0, lambda name, payload: "args")
    guardrails.register_tool_sanitize_response("a", 0, lambda name, payload: "result")
    tools.call_end(tools.call("t", SECRET), ToolExecutionResult(SECRET))
    assert (ear.start("t")["data"], ear.end("t")["data"]) == ("args", "result")
    for register in (guardrails.register_tool_sanitize_request, guardrails.register_tool_sanitize_response):
        register("b", 1, boom)
    tools.call_end(tools.call("u", SECRET), ToolExecutionResult(SECRET))
    assert (ear.start("u")["data"], ear.end("u")["data"]) == (None, None)


def test_an_annotation_is_beyond_tool_sanitizers_and_within_those_of_the_end(run: Driver, ear: Ear) -> None:
    guardrails.register_tool_sanitize_response("a", 0, boom)
    run.tool("t", {}, lambda args: ToolExecutionResult(1, {"note": 1}))
    assert ear.end("t")["category_profile"] == {"tool_result_annotation": {"note": 1}}

    def strip(event: Any, fields: Any) -> Any:
        return {**fields, "category_profile": {}}

    guardrails.register_scope_sanitize_end("e", 0, strip)
    run.tool("u", {}, lambda args: ToolExecutionResult(1, {"note": 1}))
    assert ear.end("u")["category_profile"] == {}


def request_with(**headers: str) -> LLMRequest:
    return LLMRequest(dict(headers), {"prompt": "secret"})


def test_an_llms_sanitizers_form_a_chain_that_only_events_show(run: Driver, form: str, ear: Ear) -> None:
    def clean(request: LLMRequest, context: Any) -> LLMRequest:
        assert (context.codec.kind, context.codec.id, context.resolve_codec()) == ("none", None, None)
        return LLMRequest(request.headers, {"prompt": "***"})

    guardrails.register_llm_sanitize_request("a", 0, in_form(form, clean))
    guardrails.register_llm_sanitize_response("a", 0, in_form(form, lambda payload, context: [payload]))
    guardrails.register_llm_sanitize_response("b", 1, in_form(form, lambda payload, context: {"was": payload}))
    request = request_with(a="b")
    seen: list[Any] = []
    assert run.llm("l", request, lambda request: seen.append(request.content) or "answer") == "answer"
    assert seen[0] is request.content
    assert ear.start("l")["data"] == {"content": {"prompt": "***"}, "headers": {"a": "b"}}
    assert ear.end("l")["data"] == {"was": ["answer"]}


@pytest.mark.parametrize("bad", [boom, lambda payload, context: object()], ids=["raises", "wrong"])
def test_a_failing_llm_sanitizer_omits_the_payload(
    bad: Any, run: Driver, form: str, ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    after: list[Any] = []
    guardrails.register_llm_sanitize_request("a", 0, in_form(form, bad))
    guardrails.register_llm_sanitize_request("b", 1, lambda payload, context: after.append(payload))
    guardrails.register_llm_sanitize_response("a", 0, in_form(form, bad))
    assert run.llm("l", request_with(), lambda request: "fine", data="fallback") == "fine"
    assert (ear.start("l")["data"], ear.end("l")["data"], after) == (None, None, [])
    shown = capsys.readouterr().err
    assert "nemo_relay: Python LLM sanitize request callable failed: " in shown
    assert "nemo_relay: Python LLM sanitize response callable failed: " in shown


def test_none_from_an_llm_sanitizer_omits_and_ends_the_chain(
    run: Driver, ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    after: list[Any] = []
    for register in (guardrails.register_llm_sanitize_request, guardrails.register_llm_sanitize_response):
        register("a", 0, lambda payload, context: None)
        register("b", 1, lambda payload, context: after.append(payload))
    run.llm("l", request_with(), lambda request: "secret")
    assert (ear.start("l")["data"], ear.end("l")["data"], after) == (None, None, [])
    assert "failed" not in capsys.readouterr().err, "that is a decision, not a failure"


CREDENTIALS = "Authorization proxy-authorization Cookie X-API-Key api-key anthropic-api-key x-goog-api-key".split()


def test_credentials_never_reach_an_event_nor_a_sanitizer(run: Driver, ear: Ear) -> None:
    seen: list[Any] = []

    def note(request: LLMRequest, context: Any) -> LLMRequest:
        seen.append(dict(request.headers))
        return LLMRequest({**request.headers, "AUTHORIZATION": "Bearer leaked"}, request.content)

    guardrails.register_llm_sanitize_request("a", 0, note)
    given = dict.fromkeys(CREDENTIALS, "Bearer k") | {"x-team": "red"}
    got: list[Any] = []
    run.llm("l", LLMRequest(given, {}), lambda request: got.append(request.headers))
    assert ear.start("l")["data"]["headers"] == {"x-team": "red"}
    assert seen == [{"x-team": "red"}]
    assert all(got[0][name] == "Bearer k" for name in CREDENTIALS), "the provider gets them"
    assert len(given) == len(CREDENTIALS) + 1


FAMILIES: list[tuple[str, Callable[..., None], Callable[[], None]]] = [
    ("mark", guardrails.register_mark_sanitize, lambda: scope.event("e", data=SECRET, metadata={"m": 1})),
    (
        "start",
        guardrails.register_scope_sanitize_start,
        lambda: scope.pop(scope.push("e", ScopeType.Function, input=SECRET, metadata={"m": 1})),
    ),
    (
        "end",
        guardrails.register_scope_sanitize_end,
        lambda: scope.pop(scope.push("e", ScopeType.Function), output=SECRET, metadata={"m": 1}),
    ),
]


@pytest.fixture(params=FAMILIES, ids=[name for name, _, _ in FAMILIES])
def kind(request: pytest.FixtureRequest) -> Any:
    """A family of event sanitizers: its name, how to register, how to make an event for it."""
    return request.param


def of(kind: Any, ear: Ear) -> Any:
    return ear.one("e", None if kind[0] == "mark" else kind[0])


def test_an_event_sanitizer_replaces_all_three_fields(kind: Any, form: str, ear: Ear) -> None:
    seen: list[Any] = []

    def clean(event: Any, fields: Any) -> Any:
        seen.append((event.name, event.data, fields["data"], set(fields)))
        return {"data": "clean", "extra": "ignored"}

    kind[1]("b", 1, in_form(form, lambda event, fields: {**fields, "metadata": {"saw": fields["data"]}}))
    kind[1]("a", 0, in_form(form, clean))
    kind[2]()
    found = of(kind, ear)
    assert (found["data"], found["metadata"], found["category_profile"]) == ("clean", {"saw": "clean"}, None)
    assert seen == [("e", SECRET, SECRET, {"data", "metadata", "category_profile"})]
    assert "extra" not in found


BAD = [
    boom,
    lambda event, fields: None,
    lambda event, fields: [],
    lambda event, fields: "x",
    lambda event, fields: {**fields, "data": object()},
    lambda event, fields: {**fields, "category_profile": []},
    lambda event, fields: {**fields, "category_profile": {"model_name": 1}},
]


@pytest.mark.parametrize("bad", BAD, ids=["raises", "none", "list", "text", "no JSON", "profile", "typed profile"])
def test_a_failing_event_sanitizer_clears_all_three(
    bad: Any, kind: Any, form: str, ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    after: list[Any] = []
    kind[1]("a", 0, in_form(form, bad))
    kind[1]("b", 1, lambda event, fields: after.append(1) or fields)
    kind[2]()
    found = of(kind, ear)
    assert (found["data"], found["metadata"], found["category_profile"], after) == (None, None, None, [])
    assert "nemo_relay: Python event sanitizer callable failed: internal error: " in capsys.readouterr().err


def test_an_empty_profile_and_own_keys_in_it_are_fine(ear: Ear) -> None:
    guardrails.register_mark_sanitize("a", 0, lambda event, fields: {**fields, "category_profile": {"own": [1]}})
    scope.event("m")
    assert ear.one("m")["category_profile"] == {"own": [1]}


def test_clearing_the_profile_of_an_llm_event_removes_the_normalised_view(ear: Ear) -> None:
    outcome = {"model": "m", "messages": [{"role": "user", "content": "secret"}]}

    class Codec:
        def decode(self, request: LLMRequest) -> Any:
            return outcome

        def encode(self, annotated: Any, original: LLMRequest) -> LLMRequest:
            return original

    guardrails.register_scope_sanitize_start("a", 0, lambda event, fields: {**fields, "category_profile": None})
    llm.execute_sync("l", LLMRequest({}, {}), lambda request: "x", codec=Codec())
    assert ear.start("l")["category_profile"] is None
    assert LLMRequestInterceptOutcome is not None
    assert "secret" not in str(ear.start("l"))


def test_a_start_sanitizer_sees_the_scope_it_is_about(ear: Ear) -> None:
    seen: list[tuple[str, str]] = []
    guardrails.register_scope_sanitize_start(
        "a", 0, lambda event, fields: seen.append((event.uuid, scope.get_handle().uuid)) or fields
    )
    with scope.scope("s", ScopeType.Function) as handle:
        pass
    assert seen == [(handle.uuid, handle.uuid)]


async def test_async_sanitizers_run_on_the_loop_of_the_emitter_in_its_context(ear: Ear) -> None:
    own = contextvars.ContextVar("own", default="")
    seen: list[Any] = []

    async def clean(event: Any, fields: Any) -> Any:
        await asyncio.sleep(0)
        seen.append((asyncio.get_running_loop() is loop, own.get(), scope.get_handle().uuid))
        return {**fields, "data": "clean"}

    loop = asyncio.get_running_loop()
    guardrails.register_mark_sanitize("a", 0, clean)
    own.set("mine")
    with scope.scope("s", ScopeType.Function) as handle:
        scope.event("m", data="secret")
    own.set("later")
    await ear.settle()
    assert ear.one("m")["data"] == "clean"
    assert seen == [(True, "mine", handle.uuid)], "also when the scope has closed meanwhile"
    assert ear.names() == ["start s", "mark m", "end s"], "what was emitted later waits for it"


def test_an_async_sanitizer_works_without_any_loop_and_after_its_loop_has_closed(ear: Ear) -> None:
    async def clean(event: Any, fields: Any) -> Any:
        await asyncio.sleep(0)
        return {**fields, "data": "clean"}

    async def register() -> None:
        guardrails.register_mark_sanitize("a", 0, clean)
        scope.event("in the loop", data="secret")
        await ear.settle()

    asyncio.run(register())
    scope.event("after it", data="secret")
    thread = threading.Thread(target=lambda: scope.event("elsewhere", data="secret"))
    thread.start()
    thread.join(50)
    assert {event["data"] for event in ear.marks()} == {"clean"}
    assert len(ear.marks()) == 3


def test_flush_inside_a_sanitizer_returns_at_once(ear: Ear) -> None:
    answers: list[Any] = []
    guardrails.register_mark_sanitize("a", 0, lambda event, fields: answers.append(subscribers.flush()) or fields)
    scope.event("m")
    assert ear.names() == ["mark m"]
    assert answers == [True]


async def test_a_sanitizer_does_not_need_the_loops_default_executor(ear: Ear) -> None:
    from concurrent.futures import ThreadPoolExecutor

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))

    async def clean(event: Any, fields: Any) -> Any:
        return {**fields, "data": await asyncio.to_thread(lambda: "from the executor")}

    guardrails.register_mark_sanitize("a", 0, clean)
    scope.event("m", data="secret")
    await ear.settle()
    assert ear.one("m")["data"] == "from the executor"
