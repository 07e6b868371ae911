# SPDX-License-Identifier: Apache-2.0
"""Request intercepts rewrite what a call is made with; what they leave alone stays the very same object."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nemo_relay import (
    LLMRequest,
    LLMRequestInterceptOutcome,
    LogSeverity,
    PendingMarkSpec,
    ScopeType,
    intercepts,
    llm,
    scope,
    tools,
)
from nemo_relay.errors import CallbackError, InvalidArgument

from ..conftest import Driver, Ear, in_form


def test_each_works_on_what_the_one_before_made(run: Driver, form: str, ear: Ear) -> None:
    intercepts.register_tool_request("b", 1, False, in_form(form, lambda name, args: {**args, "b": args["a"] + 1}))
    intercepts.register_tool_request("a", 0, False, in_form(form, lambda name, args: {**args, "a": 1}))
    assert run.tool("t", {"q": 0}, lambda args: args) == {"q": 0, "a": 1, "b": 2}
    assert ear.start("t")["data"] == {"q": 0, "a": 1, "b": 2}


def test_break_chain_ends_the_chain_after_its_own_turn(run: Driver) -> None:
    intercepts.register_tool_request("a", 0, True, lambda name, args: [*args, "a"])
    intercepts.register_tool_request("b", 1, False, lambda name, args: [*args, "b"])
    assert run.tool("t", [], lambda args: args) == ["a"]


def test_what_an_intercept_leaves_alone_is_the_callers_object(run: Driver, form: str) -> None:
    args = {"deep": {"object": object()}}
    intercepts.register_tool_request("same", 0, False, in_form(form, lambda name, args: args))
    assert run.tool("t", args, lambda args: args) is args
    request = LLMRequest({}, args)
    intercepts.register_llm_request(
        "same", 0, False, in_form(form, lambda name, request, annotated: LLMRequestInterceptOutcome(request))
    )
    assert run.llm("l", request, lambda request: request.content) is args


def test_an_intercept_that_changes_its_copy_changes_the_call_and_not_the_caller(run: Driver) -> None:
    def redact(name: str, args: Any) -> Any:
        args["deep"]["list"].append(2)
        return args

    intercepts.register_tool_request("redact", 0, False, redact)
    args: dict[str, Any] = {"deep": {"list": [1]}}
    assert run.tool("t", args, lambda args: args["deep"]["list"]) == [1, 2]
    assert args == {"deep": {"list": [1]}}


@pytest.mark.parametrize("value", [0, 1, "text", [1], False])
def test_arguments_are_any_value(value: Any, run: Driver) -> None:
    intercepts.register_tool_request("i", 0, False, lambda name, args: value)
    assert run.tool("t", {}, lambda args: args) == value


def test_what_raises_stops_the_call_before_it_begins(run: Driver, form: str, ear: Ear) -> None:
    error = KeyError("own")

    def broken(*args: Any) -> Any:
        raise error

    intercepts.register_tool_request("i", 0, False, in_form(form, broken))
    intercepts.register_llm_request("i", 0, False, in_form(form, broken))
    for call in (lambda: run.tool("t", {}, str), lambda: run.llm("l", LLMRequest({}, {}), str)):
        with pytest.raises(KeyError) as caught:
            call()
        assert caught.value is error
    assert ear.events() == []


async def test_a_call_cancelled_in_an_intercept_never_began(ear: Ear) -> None:
    async def ponder(name: str, args: Any) -> Any:
        await asyncio.sleep(60)

    intercepts.register_tool_request("i", 0, False, ponder)
    task = asyncio.create_task(tools.execute("t", {}, str))  # type: ignore[arg-type]
    await ear.turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ear.settle()
    assert ear.events() == []


def tag(key: str, value: str) -> Any:
    def intercept(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        headers = {**request.headers, key: value}
        return LLMRequestInterceptOutcome(LLMRequest(headers, request.content), annotated)

    return intercept


def test_llm_intercepts_form_a_chain_too(run: Driver, form: str, ear: Ear) -> None:
    content = {"model": "m"}
    seen: list[Any] = []

    def note(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        seen.append((name, request.headers, annotated))
        return LLMRequestInterceptOutcome(request)

    intercepts.register_llm_request("a", 0, False, in_form(form, tag("x-team", "red")))
    intercepts.register_llm_request("b", 1, False, in_form(form, note))
    got: list[LLMRequest] = []
    run.llm("model", LLMRequest({}, content), lambda request: got.append(request))
    assert seen == [("model", {"x-team": "red"}, None)]
    assert got[0].headers["x-team"] == "red"
    assert got[0].content is content, "only what was changed is another object"
    assert ear.start("model")["data"]["headers"] == {"x-team": "red"}


@pytest.mark.parametrize("bad", [None, (), {}, LLMRequest({}, {})], ids=repr)
def test_an_llm_intercept_answers_with_an_outcome(bad: Any, run: Driver, ear: Ear) -> None:
    intercepts.register_llm_request("i", 0, False, lambda name, request, annotated: bad)
    shown = "'None' is" if bad is None else f"'{type(bad).__name__}' object is"
    text = f"^internal error: LLM request intercept must return LLMRequestInterceptOutcome: {shown} not an instance of"
    with pytest.raises(RuntimeError, match=text) as caught:
        run.llm("l", LLMRequest({}, {}), str)
    assert isinstance(caught.value, CallbackError)
    assert ear.events() == []


def test_pending_marks_come_right_after_the_start(run: Driver, ear: Ear) -> None:
    def marked(label: str, **more: Any) -> Any:
        def intercept(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
            return LLMRequestInterceptOutcome(request, annotated, [PendingMarkSpec(label, **more)])

        return intercept

    schema = {"name": "s", "version": "1"}
    everything = {
        "category": "custom",
        "category_profile": {"subtype": "x"},
        "data": [1],
        "metadata": {"m": 1},
        "data_schema": schema,
        "severity": LogSeverity.Warn,
    }
    intercepts.register_llm_request("a", 0, False, marked("one", **everything))
    intercepts.register_llm_request("b", 1, False, marked("two"))
    run.llm("l", LLMRequest({}, {}), lambda request: 1)
    assert ear.names() == ["start l", "mark one", "mark two", "end l"]
    first = ear.one("one")
    assert {ear.one(name)["parent_uuid"] for name in ("one", "two")} == {ear.start("l")["uuid"]}
    assert first["timestamp"] == ear.one("two")["timestamp"] > ear.start("l")["timestamp"]
    assert (first["category"], first["category_profile"]) == ("custom", {"subtype": "x"})
    assert (first["data"], first["data_schema"]) == ([1], schema)
    assert first["metadata"] == {"m": 1, "nemo_relay.log.severity": "warn"}


def test_marks_of_a_chain_that_fails_are_discarded(run: Driver, ear: Ear) -> None:
    intercepts.register_llm_request(
        "a",
        0,
        False,
        lambda name, request, annotated: LLMRequestInterceptOutcome(request, None, [PendingMarkSpec("m")]),
    )
    intercepts.register_llm_request("b", 1, False, lambda name, request, annotated: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(RuntimeError):
        run.llm("l", LLMRequest({}, {}), str)
    assert ear.events() == []


class Codec:
    """Reads `content["prompt"]` as the normalised view, and writes it back."""

    def decode(self, request: LLMRequest) -> Any:
        return {"messages": [request.content["prompt"]]}

    def encode(self, annotated: Any, original: LLMRequest) -> LLMRequest:
        return LLMRequest({**original.headers, "x-codec": "1"}, {"prompt": annotated["messages"][0]})

    def decode_response(self, response: Any) -> Any:
        return {"text": response}


def test_with_a_codec_the_normalised_view_is_what_is_edited(run: Driver, ear: Ear) -> None:
    def edit(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        return LLMRequestInterceptOutcome(request, {"messages": ["shorter"]})

    intercepts.register_llm_request("a", 0, False, tag("x-team", "red"))
    intercepts.register_llm_request("b", 1, False, edit)
    got: list[LLMRequest] = []
    run.llm("l", LLMRequest({}, {"prompt": "long"}), lambda request: got.append(request), codec=Codec())
    assert got[0].content == {"prompt": "shorter"}
    assert (got[0].headers["x-team"], got[0].headers["x-codec"]) == ("red", "1")
    assert ear.start("l")["category_profile"]["annotated_request"] == {"messages": ["shorter"]}


def test_with_a_codec_the_body_itself_is_not_to_be_changed(run: Driver, ear: Ear) -> None:
    def rewrite(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        return LLMRequestInterceptOutcome(LLMRequest(request.headers, {"prompt": "other"}), annotated)

    intercepts.register_llm_request("n", 0, False, rewrite)
    text = (
        "^invalid argument: LLM request intercept 'n' changed request.content while a request codec is active;"
        " modify annotated_request instead$"
    )
    with pytest.raises(RuntimeError, match=text) as caught:
        run.llm("l", LLMRequest({}, {"prompt": "p"}), str, codec=Codec())
    assert isinstance(caught.value, InvalidArgument)
    intercepts.deregister_llm_request("n")
    intercepts.register_llm_request("n", 0, False, lambda name, request, annotated: LLMRequestInterceptOutcome(request))
    text = "^invalid argument: LLM request intercept 'n' omitted annotated_request while a request codec is active$"
    with pytest.raises(RuntimeError, match=text):
        run.llm("l", LLMRequest({}, {"prompt": "p"}), str, codec=Codec())


def test_without_a_codec_a_view_may_be_given_and_is_recorded(run: Driver, ear: Ear) -> None:
    from nemo_relay import AnnotatedLLMRequest

    view = AnnotatedLLMRequest([{"role": "user", "content": "hi"}], model="m")
    intercepts.register_llm_request(
        "a", 0, False, lambda name, request, annotated: LLMRequestInterceptOutcome(request, view)
    )
    run.llm("l", LLMRequest({}, {}), lambda request: 1)
    assert ear.start("l")["category_profile"]["annotated_request"]["messages"] == [{"role": "user", "content": "hi"}]


def test_intercepts_can_be_run_alone(ear: Ear) -> None:
    args = {"q": 1}
    assert tools.request_intercepts("t", args) is args
    request = LLMRequest({}, {})
    outcome = llm.request_intercepts("l", request)
    assert isinstance(outcome, LLMRequestInterceptOutcome)
    assert (outcome.request.content, outcome.annotated_request, outcome.pending_marks) == ({}, None, [])
    assert "traceparent" not in outcome.request.headers
    with scope.scope("s", ScopeType.Function):
        assert "traceparent" in llm.request_intercepts("l", request).request.headers
    intercepts.register_tool_request("i", 0, False, lambda name, args: [name, args])
    intercepts.register_llm_request("i", 0, False, tag("x", "1"))
    assert tools.request_intercepts("t", args) == ["t", {"q": 1}]
    assert llm.request_intercepts("l", request).request.headers == {"x": "1"}
    assert "mark" not in str(ear.names())


async def test_run_alone_inside_a_loop_the_answer_is_awaited(form: str) -> None:
    intercepts.register_tool_request("i", 0, False, in_form(form, lambda name, args: [args]))
    assert await tools.request_intercepts("t", 1) == [1]
    assert (await llm.request_intercepts("l", LLMRequest({}, {}))).request.headers == {}
