# SPDX-License-Identifier: Apache-2.0
"""LLM calls: what the provider gets, what the caller gets, and what the events say."""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Any

import pytest

import nemo_relay
from nemo_relay import AnnotatedLLMRequest, LLMAttributes, LLMRequest, ScopeType, intercepts, llm, scope
from nemo_relay._runtime.log import faults

from ..conftest import Driver, Ear, in_form


class Codec:
    """A codec of the application: a view of messages, and of an answer."""

    def decode(self, request: LLMRequest) -> Any:
        return AnnotatedLLMRequest(request.content["messages"], model="m")

    def encode(self, annotated: Any, original: LLMRequest) -> LLMRequest:
        return LLMRequest(original.headers, {**original.content, "messages": annotated.messages})

    def decode_response(self, response: Any) -> Any:
        return {"text": response["text"]}


class Broken:
    """A codec that cannot read anything."""

    def decode(self, request: LLMRequest) -> Any:
        raise ValueError("not mine")

    def encode(self, annotated: Any, original: LLMRequest) -> LLMRequest:
        raise ValueError("not mine")

    def decode_response(self, response: Any) -> Any:
        raise ValueError("not mine")


def test_the_provider_gets_the_callers_body_and_the_caller_the_providers_answer(run: Driver, form: str) -> None:
    content, answer = {"c": object()}, {"a": object()}
    got: list[Any] = []
    assert run.llm("l", LLMRequest({}, content), in_form(form, lambda r: got.append(r.content) or answer)) is answer
    assert got[0] is content
    assert run.llm("l", LLMRequest({}, None), in_form(form, lambda r: r.content)) is None


def test_the_same_holds_while_somebody_listens(run: Driver, form: str, ear: Ear) -> None:
    test_the_provider_gets_the_callers_body_and_the_caller_the_providers_answer(run, form)
    assert len(ear.events()) == 4


def test_a_call_is_a_pair_of_events(run: Driver, ear: Ear) -> None:
    with scope.scope("agent", ScopeType.Agent) as agent:
        run.llm(
            "openai",
            LLMRequest({"x": "y"}, {"c": 1}),
            lambda request: {"a": 1},
            attributes=LLMAttributes(1),
            metadata={"m": 1},
            model_name="m-1",
        )
    start, end = ear.start("openai"), ear.end("openai")
    assert (start["category"], start["attributes"], start["parent_uuid"]) == ("llm", ["stateful"], agent.uuid)
    assert start["data"] == {"content": {"c": 1}, "headers": {"x": "y"}}
    assert end["data"] == {"a": 1}
    assert start["category_profile"] == end["category_profile"] == {"model_name": "m-1"}
    assert (start["metadata"], end["metadata"]) == ({"m": 1}, {"m": 1, "otel.status_code": "OK"})


def test_a_failure_shows_as_for_tools(run: Driver, ear: Ear) -> None:
    error = ConnectionError("down")

    def broken(request: LLMRequest) -> Any:
        raise error

    with pytest.raises(ConnectionError) as caught:
        run.llm("l", LLMRequest({}, {}), broken, data="fallback")
    assert caught.value is error
    end = ear.end("l")
    assert end["data"] == "fallback"
    assert end["metadata"]["otel.status_description"] == "internal error: ConnectionError: down"
    assert end["metadata"]["exception.type"] == "ConnectionError"


async def test_cancelling_waits_for_the_providers_cleanup(ear: Ear) -> None:
    cleaned: list[int] = []

    async def work(request: LLMRequest) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(1)

    task = asyncio.create_task(llm.execute("l", LLMRequest({}, {}), work))  # type: ignore[arg-type]
    await ear.turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [1]
    await ear.settle()
    assert ear.end("l")["metadata"] == {
        "otel.status_code": "ERROR",
        "otel.status_description": "LLM execution cancelled",
    }


def test_only_requests_are_requests(ear: Ear) -> None:
    for call in (llm.execute, llm.execute_sync):
        with pytest.raises(TypeError, match="^'dict' object is not an instance of 'LLMRequest'") as caught:
            call("l", {}, str)  # type: ignore[arg-type]
        assert caught.value.__notes__ == ["while processing 'request'"]
    with pytest.raises(TypeError):
        llm.call("l", {})  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        llm.conditional_execution({})  # type: ignore[arg-type]
    assert ear.events() == []


def header(request: LLMRequest) -> str | None:
    value: str | None = request.headers.get("traceparent")
    return value


def test_the_provider_is_told_which_span_it_works_for(run: Driver, ear: Ear) -> None:
    seen: list[Any] = []

    async def look(name: str, request: LLMRequest, context: Any, next: Any) -> Any:
        seen.append(header(request))
        return await next(request)

    intercepts.register_llm_execution("i", 0, look)

    def work(request: LLMRequest) -> str:
        seen.append((header(request), nemo_relay.capture_traceparent()))
        return "x"

    given = LLMRequest({"TraceParent": "mine", "a": "b"}, {})
    with scope.scope("agent", ScopeType.Agent) as agent:
        run.llm("l", given, work)
    call = ear.start("l")["uuid"].replace("-", "")
    expected = f"00-{agent.uuid.replace('-', '')}-{call[16:]}-01"
    assert seen == [expected, (expected, expected)]
    assert given.headers == {"TraceParent": "mine", "a": "b"}, "the caller's request is not touched"
    assert "traceparent" not in ear.start("l")["data"]["headers"]


def test_the_header_can_be_switched_off(run: Driver, ear: Ear) -> None:
    llm.configure(send_traceparent=False)
    try:
        request = LLMRequest({}, {})
        with scope.scope("agent", ScopeType.Agent):
            assert run.llm("l", request, lambda request: request) is request
    finally:
        llm.configure(send_traceparent=True)


def test_the_events_carry_the_normalised_views(run: Driver, ear: Ear) -> None:
    messages = [{"role": "user", "content": "hi"}]
    request = LLMRequest({}, {"messages": messages})
    run.llm("l", request, lambda request: {"text": "hello"}, codec=Codec(), response_codec=Codec())
    assert ear.start("l")["category_profile"]["annotated_request"]["messages"] == messages
    assert ear.end("l")["category_profile"]["annotated_response"] == {"text": "hello"}


def test_a_response_codec_that_fails_fails_nothing_else(run: Driver, ear: Ear) -> None:
    assert run.llm("l", LLMRequest({}, {}), lambda request: "raw", response_codec=Broken()) == "raw"
    assert ear.end("l")["data"] == "raw"
    assert ear.end("l")["category_profile"] == {}


def test_a_request_codec_that_fails_without_middleware_is_only_reported(run: Driver, ear: Ear) -> None:
    assert run.llm("l", LLMRequest({}, {}), lambda request: "raw", codec=Broken()) == "raw"
    assert "annotated_request" not in ear.start("l")["category_profile"]


SYSTEM = {"role": "system", "content": "be brief"}
FIRST = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "1"}]
SECOND = [{"role": "user", "content": "two"}]


def test_history_is_recorded_whole_once_and_then_only_what_is_new(run: Driver, ear: Ear) -> None:
    whole = {"messages": [SYSTEM, *FIRST, *SECOND]}
    seen: list[Any] = []

    def ask(name: str) -> None:
        run.llm(name, LLMRequest({}, whole), lambda request: seen.append(request.content), codec=Codec())

    def shown(name: str) -> tuple[Any, Any]:
        start = ear.start(name)
        return start["category_profile"]["annotated_request"]["messages"], start["data"]["content"]["messages"]

    with scope.scope("agent", ScopeType.Agent) as agent:
        ask("a")
        ask("b")
        with scope.scope("other", ScopeType.Agent):
            ask("c")
        scope.event("compaction", handle=agent)
        ask("d")
        ask("e")
    recent = [SYSTEM, *SECOND]
    for name in ("a", "c", "d"):
        assert shown(name)[0] == whole["messages"]
    for name in ("b", "e"):
        assert shown(name)[0] == recent
    assert all(content is whole for content in seen), "the provider always gets all of it"


def test_a_manual_call_is_a_pair_of_events_too(ear: Ear) -> None:
    handle = llm.call("l", LLMRequest({"Authorization": "k"}, {"c": 1}), data="fallback", model_name="m-1")
    llm.call_end(handle, {"a": 1}, metadata={"n": 1})
    llm.call_end(llm.call("none", LLMRequest({}, {}), data="handle data"), None)
    llm.call_end(llm.call("data", LLMRequest({}, {})), None, data="fallback")
    start, end = ear.start("l"), ear.end("l")
    assert start["data"] == {"content": {"c": 1}, "headers": {}}
    assert start["category_profile"] == {"model_name": "m-1"}
    assert (end["data"], end["metadata"]) == ({"a": 1}, {"n": 1, "otel.status_code": "OK"})
    assert (ear.end("none")["data"], ear.end("data")["data"]) == (None, "fallback")
    with pytest.raises(TypeError, match="not an instance of 'LLMHandle'"):
        llm.call_end(scope.get_handle(), None)  # type: ignore[arg-type]


def test_a_manual_end_takes_a_view_or_a_codec(ear: Ear) -> None:
    view = {"id": "r1", "model": "m-2"}
    llm.call_end(llm.call("view", LLMRequest({}, {})), {}, annotated_response=view, response_codec=Broken())
    llm.call_end(llm.call("codec", LLMRequest({}, {})), {"text": "x"}, response_codec=Codec())
    llm.call_end(llm.call("broken", LLMRequest({}, {})), {"text": "x"}, response_codec=Broken())
    assert ear.end("view")["category_profile"]["annotated_response"]["model"] == "m-2"
    assert ear.end("codec")["category_profile"]["annotated_response"] == {"text": "x"}
    assert ear.end("broken")["category_profile"] == {}
    with pytest.raises(ValueError, match="^invalid annotated_response: "):
        llm.call_end(llm.call("bad", LLMRequest({}, {})), {}, annotated_response=5)


def test_a_manual_call_takes_a_codec_and_the_time_to_its_first_chunk(ear: Ear) -> None:
    request = LLMRequest({}, {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    for codec in (Codec(), "openai_chat", Broken()):
        llm.call_end(llm.call("l", request, codec=codec), {"text": "t"}, time_to_first_chunk=0.5)
    first, end, named, _, broken, _ = ear.events()
    assert first["category_profile"]["annotated_request"]["messages"] == request.content["messages"]
    assert named["category_profile"]["annotated_request"]["messages"] == request.content["messages"]
    assert "annotated_request" not in (broken["category_profile"] or {})
    assert end["category_profile"]["time_to_first_chunk"] == 0.5
    llm.call_end(llm.call("l", request, codec="nobody"), {}, response_codec="nobody")
    assert faults.counts["managed_llm_codec_unknown"] == 2


def test_a_manual_end_is_stamped_when_it_is_called(ear: Ear) -> None:
    """And not when the queue comes to it."""
    import threading
    from datetime import datetime

    release = threading.Event()
    nemo_relay.subscribers.register("a stuck", lambda event: release.wait(20))
    llm.call_end(llm.call("l", LLMRequest({}, {})), {})
    called = datetime.now(UTC)
    release.set()
    assert datetime.fromisoformat(ear.end("l")["timestamp"][:26] + "+00:00") <= called


def test_optimisation_contributions_become_marks_and_a_summary(run: Driver, ear: Ear) -> None:
    contribution = {"producer": "p", "kind": "prompt_cache", "applied": True, "own": 1}

    def contribute(name: str, request: LLMRequest, annotated: Any) -> nemo_relay.LLMRequestInterceptOutcome:
        return nemo_relay.LLMRequestInterceptOutcome(request, annotated, optimization_contributions=[contribution])

    intercepts.register_llm_request("i", 0, False, contribute)
    run.llm("l", LLMRequest({}, {}), lambda request: {"a": 1}, model_name="m-1")
    mark = ear.one("nemo_relay.llm.optimization")
    assert (mark["category"], mark["category_profile"]) == ("custom", {"subtype": "nemo_relay.llm.optimization"})
    assert mark["data_schema"] == {"name": "nemo.relay.llm_optimization_contribution", "version": "1"}
    assert mark["parent_uuid"] == ear.start("l")["uuid"]
    assert {**mark["data"], **contribution, "sequence": 0} == mark["data"]
    summary = ear.end("l")["category_profile"]["annotated_response"]["optimization_summary"]
    assert (summary["schema_version"], summary["effective_model"]) == ("1", {"model": "m-1"})
    assert len(summary["contributions"]) == 1
