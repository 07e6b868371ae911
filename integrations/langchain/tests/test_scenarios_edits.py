# SPDX-License-Identifier: Apache-2.0
"""Scenarios 25 to 27: what intercepts edit or replace, seen at the provider's door."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from nemo_relay import LLMRequest, LLMRequestInterceptOutcome, ToolExecutionInterceptOutcome
from nemo_relay.integrations.langchain import (
    AdapterOptions,
    EmptyRequestError,
    RelayCallbackHandler,
    RelayMiddleware,
    UnknownSubstitute,
    UnsupportedEdit,
)
from nemo_relay.integrations.langchain._edits import parts, substitutes
from nemo_relay.integrations.langchain._views.messages import message_view
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents
from nemo_relay_provider import Reply, ScriptedProvider, ToolCall

from .agents import TIMEOUTS, agent, calling, intercepting, marks, of, run, weather

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
PROVIDERS = pytest.mark.parametrize("provider", ["openai", "anthropic"])
IMAGE = "data:image/png;base64," + base64.b64encode(b"\x89PNG" * 20).decode()


@tool
def clock(zone: str) -> str:
    """Tell the time."""
    return "noon"


CONVERSATION: list[Any] = [
    HumanMessage("What is the weather?", id="h1"),
    AIMessage(
        [{"type": "text", "text": "Let me see."}],
        id="a1",
        tool_calls=[{"name": "weather", "args": {"city": "Päris"}, "id": "t1"}],
        response_metadata={"model_name": "m-0"},
    ),
    ToolMessage("no service", tool_call_id="t1", status="error", artifact=object(), name="weather"),
    HumanMessage([{"type": "text", "text": "And this?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]),
]


def client(provider: str, server: ScriptedProvider) -> Any:
    if provider == "openai":
        given: dict[str, Any] = {"base_url": server.openai_url, "api_key": "sk-x", "max_retries": 0}
        return ChatOpenAI(model="m-1", temperature=0.5, timeout=next(TIMEOUTS), **given)
    given = {"base_url": server.url, "api_key": "sk-x", "max_retries": 0, "max_tokens_to_sample": 99}
    return ChatAnthropic(model_name="m-1", temperature=0.5, timeout=next(TIMEOUTS), **given)


async def body(provider: str, mode: str, *middleware: Any, edit: Callable[[Any], None] | None = None) -> Any:
    """What the provider gets of the first call."""

    def change(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        if edit is not None:
            edit(annotated)
        return LLMRequestInterceptOutcome(request, annotated)

    async with ScriptedProvider(["fine"]) as server:
        graph = create_agent(
            client(provider, server), [weather, clock], system_prompt="Be brief.", middleware=list(middleware)
        )
        given = {"messages": list(CONVERSATION)}
        callbacks = [RelayCallbackHandler()] if middleware else []
        if edit is None:
            await run(graph, mode, given, callbacks=callbacks)
        else:
            with intercepting("llm_request", change):
                await run(graph, mode, given, callbacks=callbacks)
        (request,) = server.requests
        return request


@BOTH
@PROVIDERS
async def test_s26_no_intercept_no_difference(events: CapturedEvents, mode: str, provider: str) -> None:
    plain = await body(provider, mode)
    ours = await body(provider, mode, RelayMiddleware())
    assert ours.body == plain.body
    (call,) = of(events, "llm")
    assert call.output["content"] == "fine"
    assert call.tokens is not None


@BOTH
@PROVIDERS
async def test_s26_an_intercept_that_edits_nothing(events: CapturedEvents, mode: str, provider: str) -> None:
    plain = await body(provider, mode)
    assert (await body(provider, mode, RelayMiddleware(), edit=lambda annotated: None)).body == plain.body

    def same_again(annotated: Any) -> None:
        annotated.messages = annotated.messages
        annotated.tools = annotated.tools
        annotated.params = annotated.params

    assert (await body(provider, mode, RelayMiddleware(), edit=same_again)).body == plain.body


def setter(name: str, make: Callable[[Any], Any]) -> Callable[[Any], None]:
    return lambda annotated: setattr(annotated, name, make(annotated))


def redacted(annotated: Any) -> list[Any]:
    def clean(message: dict[str, Any]) -> dict[str, Any]:
        text = "[redacted]"
        content = message["content"]
        if isinstance(content, str):
            return {**message, "content": text}
        return {**message, "content": [{**p, "text": text} if p["type"] == "text" else p for p in content]}

    return [clean(message) for message in annotated.messages]


# name: the edit, and what it does to the body that OpenAI gets
EDITS: dict[str, tuple[Callable[[Any], None], Callable[[dict[str, Any]], Any]]] = {
    "append": (
        setter("messages", lambda a: [*a.messages, {"role": "user", "content": "Hurry."}]),
        lambda b: b["messages"].append({"content": "Hurry.", "role": "user"}),
    ),
    "delete": (
        setter("messages", lambda a: [a.messages[0], a.messages[4]]),
        lambda b: b["messages"].__setitem__(slice(1, 4), []),
    ),
    "reorder": (
        setter("messages", lambda a: [*a.messages[:1], a.messages[4], *a.messages[1:4]]),
        lambda b: b["messages"].insert(1, b["messages"].pop(4)),
    ),
    "developer": (
        setter("messages", lambda a: [{"role": "developer", "content": "Speak French."}, *a.messages[1:]]),
        lambda b: b["messages"].__setitem__(0, {"content": "Speak French.", "role": "developer"}),
    ),
    "instructions": (
        setter("instructions", lambda a: "Be kind."),
        lambda b: b["messages"][0].update(content="Be kind."),
    ),
    "model": (setter("model", lambda a: "m-2"), lambda b: b.update(model="m-2")),
    "params": (
        setter("params", lambda a: {**a.params, "temperature": 0.0, "stop": ["END"]}),
        lambda b: b.update(temperature=0.0, stop=["END"]),
    ),
    "extra": (setter("extra", lambda a: {**a.extra, "seed": 7}), lambda b: b.update(seed=7)),
    "tools": (setter("tools", lambda a: a.tools[1:]), lambda b: b["tools"].pop(0)),
    "tool_order": (setter("tools", lambda a: a.tools[::-1]), lambda b: b["tools"].reverse()),
    "tool_choice": (
        setter("tool_choice", lambda a: {"type": "function", "function": {"name": "clock"}}),
        lambda b: b.update(tool_choice={"type": "function", "function": {"name": "clock"}}),
    ),
    "required": (setter("tool_choice", lambda a: "required"), lambda b: b.update(tool_choice="required")),
}


@pytest.mark.parametrize("name", EDITS)
@BOTH
async def test_s25_exactly_the_edit(events: CapturedEvents, mode: str, name: str) -> None:
    edit, expect = EDITS[name]
    expected = (await body("openai", mode)).json
    expect(expected)
    sent = (await body("openai", mode, RelayMiddleware(), edit=edit)).json
    assert sent == expected
    assert of(events, "llm")[0].outcome == "ok"


@PROVIDERS
async def test_s25_redact_all(events: CapturedEvents, provider: str) -> None:
    sent = (await body(provider, "ainvoke", RelayMiddleware(), edit=setter("messages", redacted))).json
    text = json.dumps(sent["messages"], ensure_ascii=False)
    for secret in ("What is", "Let me see", "no service", "And this"):
        assert secret not in text
    assert "Päris" in text
    assert IMAGE.partition(",")[2] in text
    assert text.count("[redacted]") >= 4
    assert "What is" not in json.dumps(of(events, "llm")[0].input)


async def test_s25_a_description(events: CapturedEvents) -> None:
    def edit(annotated: Any) -> None:
        tools = annotated.tools
        tools[0]["function"]["description"] = "Tell the weather of one city."
        annotated.tools = tools

    plain = (await body("openai", "ainvoke")).json
    sent = (await body("openai", "ainvoke", RelayMiddleware(), edit=edit)).json
    assert sent["tools"][0]["function"]["description"] == "Tell the weather of one city."
    assert sent["tools"][0]["function"]["parameters"] == plain["tools"][0]["function"]["parameters"]
    assert sent["tools"][1] == plain["tools"][1]


async def test_s25_an_added_tool(events: CapturedEvents) -> None:
    @tool
    def extra(number: int) -> str:
        """Do more."""
        return ""

    def edit(annotated: Any) -> None:
        annotated.tools = [*annotated.tools, {"type": "function", "function": {"name": "extra"}}]

    options = AdapterOptions(tool_registry={"extra": extra})
    sent = (await body("openai", "ainvoke", RelayMiddleware(options), edit=edit)).json
    assert [made["function"]["name"] for made in sent["tools"]] == ["weather", "clock", "extra"]
    with pytest.raises(UnsupportedEdit, match="tool_registry"):
        await body("openai", "ainvoke", RelayMiddleware(), edit=edit)


@PROVIDERS
async def test_s25_headers(events: CapturedEvents, provider: str) -> None:
    def change(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        return LLMRequestInterceptOutcome(LLMRequest({**request.headers, "x-team": "red"}, request.content), annotated)

    plain = await body(provider, "ainvoke")
    async with ScriptedProvider(["fine"]) as server:
        graph = create_agent(
            client(provider, server), [weather, clock], system_prompt="Be brief.", middleware=[RelayMiddleware()]
        )
        with intercepting("llm_request", change):
            await run(graph, "ainvoke", {"messages": list(CONVERSATION)})
        (sent,) = server.requests
    assert sent.headers["x-team"] == "red"
    assert sent.body == plain.body
    assert marks(events, "headers.dropped") == []


async def test_s25_headers_that_cannot_be_sent_leave_a_mark(events: CapturedEvents) -> None:
    def change(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        return LLMRequestInterceptOutcome(LLMRequest({"x-team": "red"}, request.content), annotated)

    with intercepting("llm_request", change):
        await run(agent(RelayMiddleware(), script=["fine"]), "ainvoke")
    (mark,) = marks(events, "headers.dropped")
    assert mark.data == {"names": ["x-team"], "provider": "ScriptedChatModel"}


@BOTH
async def test_s25_what_cannot_be_done_is_said(events: CapturedEvents, mode: str) -> None:
    with pytest.raises(EmptyRequestError):
        await body("openai", mode, RelayMiddleware(), edit=setter("messages", lambda a: []))
    with pytest.raises(UnsupportedEdit, match="temperature"):
        await body("openai", mode, RelayMiddleware(), edit=setter("params", lambda a: None))
    kept = (
        await body(
            "openai",
            mode,
            RelayMiddleware(AdapterOptions(on_unsupported_edit="mark")),
            edit=setter("params", lambda a: None),
        )
    ).json
    assert kept["temperature"] == 0.5
    (mark,) = marks(events, "edit.unsupported")
    assert mark.data["edit"] == "temperature"


async def test_s25_a_model_by_resolver(events: CapturedEvents) -> None:
    other = ScriptedChatModel(script=["I am another"], model="scripted-2")

    def change(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        annotated.model = "big"
        return LLMRequestInterceptOutcome(request, annotated)

    options = AdapterOptions(model_resolver=lambda name, current: other if name == "big" else current)
    with intercepting("llm_request", change):
        state = await run(agent(RelayMiddleware(options), script=["me"]), "ainvoke")
    assert state["messages"][-1].content == "I am another"
    assert of(events, "llm")[0].output["model"] == "scripted-2"


ANSWERS: dict[str, Any] = {
    "text": "from the cache",
    "message": AIMessage("from the cache"),
    "view": {"role": "assistant", "content": "from the cache"},
    "dict": {"type": "ai", "data": {"content": "from the cache"}},
    "openai": {
        "id": "x",
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "from the cache"}}
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    },
    "anthropic": {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "from the cache"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    },
    "responses": {
        "id": "x",
        "object": "response",
        "model": "m",
        "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "from the cache"}]}
        ],
    },
    "gemini": {"candidates": [{"content": {"role": "model", "parts": [{"text": "from the cache"}]}}]},
    "envelope": {
        "__nemo_relay_integrations_langchain_model_response": {
            "messages": [{"type": "ai", "data": {"content": "from the cache"}}]
        }
    },
}


@pytest.mark.parametrize("shape", ANSWERS)
@BOTH
async def test_s27_an_answer_of_any_shape(events: CapturedEvents, mode: str, shape: str) -> None:
    async def answer(name: str, request: Any, context: Any, proceed: Any) -> Any:
        return ANSWERS[shape]

    with intercepting("llm_execution", answer):
        state = await run(agent(RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
    assert [message.content for message in state["messages"]] == ["weather?", "from the cache"]
    assert [node.outcome for node in of(events, "llm")] == ["ok"]


@BOTH
async def test_s27_what_is_no_answer(events: CapturedEvents, mode: str) -> None:
    async def answer(name: str, request: Any, context: Any, proceed: Any) -> Any:
        return 7

    with intercepting("llm_execution", answer), pytest.raises(UnknownSubstitute, match="'int'"):
        await run(agent(RelayMiddleware()), mode)


@BOTH
async def test_s27_an_answer_that_is_edited(events: CapturedEvents, mode: str) -> None:
    async def answer(name: str, request: Any, context: Any, proceed: Any) -> Any:
        view = await proceed(request)
        return {**view, "content": view["content"].upper()} if not view["tool_calls"] else view

    with intercepting("llm_execution", answer):
        state = await run(agent(RelayMiddleware()), mode)
    last = state["messages"][-1]
    assert last.content == "IT IS SUNNY"
    assert last.response_metadata["model_name"] == "scripted-1"
    assert last.usage_metadata["total_tokens"] == 18


RESULTS: dict[str, tuple[Any, str, Any]] = {
    "text": ("rain", "rain", None),
    "object": ({"rain": 3}, '{"rain": 3}', {"rain": 3}),
    "list": ([1, 2], "[1, 2]", [1, 2]),
    "number": (7, "7", 7),
    "fields": ({"content": "rain", "artifact": [1], "status": "error"}, "rain", [1]),
    "message": (ToolMessage("rain", tool_call_id="c1"), "rain", None),
    "document": ({"schema": "nemo.relay.tool_result@1", "content": "rain", "values": [3]}, "rain", 3),
    "document without values": ({"schema": "nemo.relay.tool_result@1", "content": "rain"}, "rain", None),
}


@pytest.mark.parametrize("shape", RESULTS)
@BOTH
async def test_s27_a_tool_result_of_any_shape(events: CapturedEvents, mode: str, shape: str) -> None:
    value, content, artifact = RESULTS[shape]

    async def answer(context: Any, proceed: Any) -> Any:
        return ToolExecutionInterceptOutcome(value)

    with intercepting("tool_execution", answer):
        state = await run(agent(RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
    made = state["messages"][2]
    assert (type(made), made.content, made.artifact, made.tool_call_id) == (ToolMessage, content, artifact, "c1")
    assert made.status == ("error" if shape == "fields" else "success")


@BOTH
@pytest.mark.parametrize("in_place", [False, True])
async def test_s27_a_tool_result_that_is_edited(events: CapturedEvents, mode: str, in_place: bool) -> None:
    async def edit(context: Any, proceed: Any) -> Any:
        found = await proceed(context.args)
        if in_place:
            found.result["content"] = "cloudy"
            return ToolExecutionInterceptOutcome(found.result, annotation=found.annotation)
        return ToolExecutionInterceptOutcome({**found.result, "content": "cloudy"}, annotation=found.annotation)

    with intercepting("tool_execution", edit):
        state = await run(agent(RelayMiddleware()), mode)
    assert (state["messages"][2].content, state["messages"][2].name) == ("cloudy", "weather")


@BOTH
async def test_s27_arguments_that_are_edited(events: CapturedEvents, mode: str) -> None:
    with intercepting("tool_request", lambda name, args: {"city": args["city"].upper()}):
        state = await run(agent(RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][2].content == "sunny in PARIS"
    assert state["messages"][1].tool_calls[0]["args"] == {"city": "Paris"}
    (call,) = of(events, "tool")
    assert call.input == {"city": "PARIS"}


async def test_s27_tool_calls_of_a_provider_document(events: CapturedEvents) -> None:
    script = [Reply("", tool_calls=[ToolCall("weather", {"city": "Paris"}, id="k1")]), "done"]
    async with ScriptedProvider(script) as server:
        graph = create_agent(client("openai", server), [weather], middleware=[RelayMiddleware()])
        state = await run(graph, "ainvoke", callbacks=[RelayCallbackHandler()])
    assert state["messages"][2].content == "sunny in Paris"
    assert of(events, "tool")[0].tool_call_id == "k1"
    assert calling(("weather", {})).tool_calls[0]["id"] == "c1"
    assert isinstance(state["messages"][0], HumanMessage)
    assert SystemMessage("x").type == "system"


SECRET = {"city": "SECRET"}
RAW = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "SECRET"}'}, "extra": 1}
CARRIERS: dict[str, Any] = {
    "openai": {"content": "", "additional_kwargs": {"tool_calls": [RAW]}},
    "legacy": {
        "content": "",
        "additional_kwargs": {"function_call": {"name": "weather", "arguments": '{"city": "SECRET"}'}},
    },
    "anthropic": {"content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": SECRET}]},
    "responses": {"content": [{"type": "function_call", "id": "fc", "call_id": "c1", "arguments": json.dumps(SECRET)}]},
    "standard": {"content": [{"type": "text", "text": "so"}, {"type": "tool_call", "id": "c1", "args": SECRET}]},
}


def _call(city: str) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}


@pytest.mark.parametrize("kind", [AIMessage, AIMessageChunk])
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("gone", [False, True])
def test_c4_every_place_that_carries_a_call_is_edited(carrier: str, kind: Any, gone: bool) -> None:
    calls: Any = {"tool_calls": [{"name": "weather", "args": SECRET, "id": "c1"}]}
    message = kind(**CARRIERS[carrier], **calls)
    view = message_view(message)
    after = {**view, "tool_calls": [] if gone else [_call("Rome")]}
    (made,) = parts.conversation({"messages": [view]}, {"messages": [after]}, [message])
    assert "SECRET" not in repr(made)
    assert "SECRET" in repr(message)
    assert [call["args"] for call in made.tool_calls] == ([] if gone else [{"city": "Rome"}])
    if carrier == "openai" and not gone:
        assert made.additional_kwargs["tool_calls"][0]["extra"] == 1
    (answer,) = substitutes.edited_answer([message], view, after)
    assert "SECRET" not in repr(answer)


def test_c4_a_block_that_is_edited_edits_the_call() -> None:
    message = AIMessage(**CARRIERS["anthropic"], tool_calls=[{"name": "weather", "args": SECRET, "id": "c1"}])
    view = message_view(message)
    block = {**view["content"][0], "input": {"city": "Rome"}}
    (made,) = parts.conversation({"messages": [view]}, {"messages": [{**view, "content": [block]}]}, [message])
    assert "SECRET" not in repr(made)


def test_c4_what_was_parsed_from_the_content() -> None:
    message = AIMessage('{"city": "SECRET"}', additional_kwargs={"parsed": SECRET})
    view = message_view(message)
    (made,) = substitutes.edited_answer([message], view, {**view, "content": '{"city": "Rome"}'})
    assert made.additional_kwargs["parsed"] == {"city": "Rome"}
    with pytest.raises(UnsupportedEdit, match="no longer fits"):
        substitutes.edited_answer([message], view, {**view, "content": "Rome"})
