# SPDX-License-Identifier: Apache-2.0
"""A request's event: what both of its forms share is encoded once, and no byte is other than if it were not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import AtofExporter, AtofExporterConfig, LLMRequest, ScopeType, llm, scope
from nemo_relay._runtime.managed.history import encoded_once, latest, recent
from nemo_relay.codecs import AnthropicMessagesCodec, OpenAIChatCodec, OpenAIResponsesCodec
from nemo_relay.testing import capture_events
from nemo_relay_records.encoding import decode, encode

PIXELS = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXELS}"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SYSTEM = {"role": "system", "content": "Be brief."}
FIRST = {"role": "user", "content": "Olá, chove? ☔"}
SECOND = {"role": "user", "content": [{"type": "text", "text": "And this?"}, IMAGE]}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "rain"}
UNSAYABLE = {"role": "user", "content": "half a pair: \ud83d"}

CONVERSATIONS: dict[str, list[Any]] = {
    "one text": [FIRST],
    "texts": [SYSTEM, FIRST, {"role": "assistant", "content": "Yes."}, FIRST],
    "the same object again": [FIRST, FIRST, FIRST],
    "calls": [SYSTEM, FIRST, CALLING, RESULT, {"role": "assistant", "content": "Rain."}, FIRST, CALLING, RESULT],
    "an image": [SYSTEM, FIRST, {"role": "assistant", "content": "Yes."}, SECOND],
    "what UTF-8 cannot say": [SYSTEM, UNSAYABLE, FIRST],
    "nothing": [],
}


@pytest.fixture(params=CONVERSATIONS)
def request_(request: pytest.FixtureRequest) -> LLMRequest:
    return LLMRequest({}, {"model": "m", "messages": CONVERSATIONS[request.param], "temperature": 0})


def test_what_is_encoded_once_is_what_it_would_be_encoded_twice(request_: LLMRequest) -> None:
    view = OpenAIChatCodec().decode(request_).to_event()
    made = encoded_once(view, request_.content)[:2]
    assert [encode(form) for form in made] == [encode(view), encode(request_.content)]


def test_neither_form_is_changed(request_: LLMRequest) -> None:
    view = OpenAIChatCodec().decode(request_).to_event()
    before = encode([view, request_.content])
    messages = request_.content["messages"]
    encoded_once(view, request_.content)
    recent(OpenAIChatCodec().decode(request_), request_.content, OpenAIChatCodec(), request_)
    assert request_.content["messages"] is messages
    assert encode([view, request_.content]) == before


def test_a_shorter_history_is_that_of_both_forms(request_: LLMRequest) -> None:
    codec = OpenAIChatCodec()
    messages = request_.content["messages"]
    view, content = recent(codec.decode(request_), request_.content, codec, request_)
    kept = latest(messages)
    assert content["messages"] == kept
    assert view.to_event() == codec.decode(LLMRequest({}, {**request_.content, "messages": kept})).to_event()


@pytest.mark.parametrize("view", [None, "text", [], {}, {"messages": None}, {"messages": [1]}, {"messages": ({},)}])
@pytest.mark.parametrize("content", [None, "text", [], {}, {"messages": None}, {"messages": {}}, {"messages": [1]}])
def test_forms_of_any_kind_are_taken(view: Any, content: Any) -> None:
    before = encode([view, content])
    assert encode(list(encoded_once(view, content)[:2])) == before
    if view is not None:
        recent(view, content, None, LLMRequest({}, content))


def test_a_cycle_inside_a_message_costs_itself() -> None:
    message: dict[str, Any] = {"role": "user", "content": "x"}
    message["self"] = message
    view, content, _shared = encoded_once({"messages": [message]}, {"messages": [message]})
    assert decode(encode(view))["messages"][0]["content"] == "x"
    assert encode(view) == encode(content)


BODIES = {
    OpenAIChatCodec: {"model": "m", "messages": [SYSTEM, FIRST, CALLING, RESULT, FIRST]},
    OpenAIResponsesCodec: {"model": "m", "input": [FIRST, {"role": "assistant", "content": "Yes."}, FIRST]},
    AnthropicMessagesCodec: {
        "model": "m",
        "max_tokens": 1,
        "system": "Be brief.",
        "messages": [FIRST, {"role": "assistant", "content": "Yes."}, FIRST],
    },
}


@pytest.mark.parametrize("codec", BODIES)
def test_the_events_of_a_call_say_both_forms(codec: Any) -> None:
    request = LLMRequest({}, BODIES[codec])
    with capture_events() as events:
        with scope.scope("agent", ScopeType.Agent):
            for _ in range(2):
                llm.execute_sync("p", request, lambda request: None, codec=codec())
    whole, shorter = [event for event in events if event.name == "p" and event.scope_category == "start"]
    assert whole.data["content"] == request.content
    assert whole.category_profile["annotated_request"] == codec().decode(request).to_event()
    key = "input" if "input" in request.content else "messages"
    assert shorter.data["content"] == {**request.content, key: latest(request.content[key])}
    assert shorter.data["content"][key][-1] == FIRST
    assert (
        shorter.category_profile["annotated_request"]
        == codec().decode(LLMRequest({}, shorter.data["content"])).to_event()
    )


@pytest.mark.parametrize("place", ["message", "call", "parameter", "header"])
def test_a_secret_in_a_long_request_is_in_neither_of_its_forms(place: str, tmp_path: Path) -> None:
    secret = "sk-ant-api03-abcdefghijklmnop"
    messages: list[Any] = [{"role": "user", "content": "word " * 100} for _ in range(20)]
    content: dict[str, Any] = {"model": "m", "messages": messages}
    headers = {"x-team": "red"}
    config = AtofExporterConfig()
    config.output_directory, config.filename = str(tmp_path), "events.jsonl"
    exporter = AtofExporter(config)
    exporter.register("test")
    try:
        with scope.scope("agent", ScopeType.Agent):  # harmless, and known from then on
            llm.call("provider", LLMRequest(headers, content), codec=OpenAIChatCodec())
        if place == "message":
            messages[7] = {"role": "user", "content": f"my key is {secret}"}
        elif place == "call":
            arguments = json.dumps({"password": secret})
            call = {"id": "c", "type": "function", "function": {"name": "login", "arguments": arguments}}
            messages[7] = {"role": "assistant", "content": None, "tool_calls": [call]}
        elif place == "parameter":
            content["metadata"] = {"note": secret}
        else:
            headers = {"x-note": secret}
        for _ in range(2):
            with scope.scope("agent", ScopeType.Agent):
                llm.call("provider", LLMRequest(headers, content), codec=OpenAIChatCodec())
    finally:
        exporter.deregister("test")
        exporter.shutdown()
    text = (tmp_path / "events.jsonl").read_text()
    assert text.count("word word") >= 20
    assert "abcdefghijklmnop" not in text
    assert "REDACTED" in text
