# SPDX-License-Identifier: Apache-2.0
"""The component at work: what observers see of calls, and that the calls themselves are untouched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, llm, plugin, scope, tools
from nemo_relay.codecs import AnthropicMessagesCodec, GeminiGenerateContentCodec, OpenAIChatCodec, OpenAIResponsesCodec
from nemo_relay.pii_redaction import counters

from .conftest import KIND, Json, observed

X = "[REDACTED]"
EMAIL: Json = {"builtin": {"action": "redact", "detector": "email"}}
MAIL = "jane@example.com"
CODECS: dict[str, Any] = {
    "openai_chat": OpenAIChatCodec,
    "openai_responses": OpenAIResponsesCodec,
    "anthropic_messages": AnthropicMessagesCodec,
    "gemini_generate_content": GeminiGenerateContentCodec,
}
REQUESTS: dict[str, Json] = {
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": f"I am {MAIL}"}], "user": MAIL},
    "openai_responses": {
        "model": "m",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": f"I am {MAIL}"}]}],
        "user": MAIL,
    },
    "anthropic_messages": {
        "model": "m",
        "max_tokens": 9,
        "system": "s",
        "messages": [{"role": "user", "content": f"I am {MAIL}"}],
        "metadata": {"user_id": MAIL},
    },
    "gemini_generate_content": {"contents": [{"role": "user", "parts": [{"text": f"I am {MAIL}"}]}]},
}
RESPONSE: Json = {
    "id": "r1",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"Hello {MAIL}"}}],
}


async def test_marks_and_scopes_are_cleaned_and_statuses_are_not() -> None:
    async def body() -> None:
        scope.event("mark", data={"to": MAIL}, metadata={"from": MAIL})
        with scope.scope("agent", ScopeType.Agent, metadata={"who": MAIL}, input={"q": MAIL}):
            pass

    text = json.dumps(await observed(EMAIL, body))
    assert MAIL not in text and text.count(X) == 5  # the metadata of a scope is told at its end again
    blanket = await observed({"builtin": {"action": "mask"}}, body)
    assert blanket[-1]["metadata"]["otel.status_code"] == "OK"


async def test_tools_get_and_give_what_they_did_before() -> None:
    arguments, result = {"to": MAIL}, {"sent": MAIL}
    got: list[Any] = []

    def send(given: Any) -> Any:
        got.append(given)
        return result

    async def body() -> None:
        assert await tools.execute("send", arguments, send, metadata={"by": MAIL}) is result

    events = await observed(EMAIL, body)
    assert got[0] is arguments and arguments == {"to": MAIL}
    assert [event["data"] for event in events] == [{"to": X}, {"sent": X}]
    assert all(MAIL not in json.dumps(event) for event in events)


async def test_the_annotation_of_a_result_is_cleaned() -> None:
    async def body() -> None:
        await tools.execute("t", {}, lambda _: tools.ToolExecutionResult({"r": 1}, {"by": MAIL}))

    end = (await observed(EMAIL, body))[-1]
    assert end["category_profile"]["tool_result_annotation"] == {"by": X}


@pytest.mark.parametrize("name", CODECS)
async def test_requests_without_targets(name: str) -> None:
    codec, request = CODECS[name](), LLMRequest({"x-user": MAIL}, REQUESTS[name])

    async def body() -> None:
        def provider(given: LLMRequest) -> Json:
            assert given.content is request.content
            return RESPONSE

        assert await llm.execute("p", request, provider, codec=codec, response_codec=OpenAIChatCodec()) is RESPONSE

    start, end = await observed(EMAIL, body)
    assert MAIL not in json.dumps([start, end])
    assert start["data"]["headers"] == {"x-user": X}
    assert f"I am {X}" in json.dumps(start["category_profile"]["annotated_request"])
    assert end["category_profile"]["annotated_response"]["message"] == f"Hello {X}"


@pytest.mark.parametrize("with_codec", [True, False])
@pytest.mark.parametrize("name", CODECS)
async def test_targets_are_paths_of_the_normalised_request(name: str, with_codec: bool) -> None:
    config = {
        "builtin": {
            "action": "redact",
            "detector": "email",
            "target_path_globs": ["/messages/*/content", "/headers/x-user"],
        }
    }
    codec = CODECS[name]() if with_codec else None

    async def body() -> None:
        await llm.execute("p", LLMRequest({"x-user": MAIL}, REQUESTS[name]), lambda _: RESPONSE, codec=codec)

    start = (await observed(config, body))[0]
    text = json.dumps(start["data"])
    assert f"I am {X}" in text and start["data"]["headers"] == {"x-user": X}
    assert start["data"]["content"].get("user") == REQUESTS[name].get("user")  # no target


async def test_targets_of_responses_go_into_arguments_too() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"to": MAIL, "n": 1})}}
    response = {
        **RESPONSE,
        "choices": [
            {**RESPONSE["choices"][0], "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
        ],
    }
    config = {"builtin": {"action": "redact", "detector": "email", "target_paths": ["/tool_calls/0/arguments"]}}

    async def body() -> None:
        await llm.execute(
            "p", LLMRequest({}, REQUESTS["openai_chat"]), lambda _: response, response_codec=OpenAIChatCodec()
        )

    end = (await observed(config, body))[-1]
    shown = end["data"]["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(shown) == {"to": X, "n": 1}
    assert end["category_profile"]["annotated_response"]["tool_calls"][0]["arguments"] == {"to": X, "n": 1}


async def test_what_no_codec_reads_keeps_its_shape_and_loses_its_texts() -> None:
    config = {"builtin": {"action": "redact", "detector": "email", "target_paths": ["/messages/0/content"]}}
    before = counters().get("omitted", 0)

    async def body() -> None:
        await llm.execute("p", LLMRequest({}, {"prompt": MAIL, "n": 3, "opts": ["a"]}), lambda _: "plain")

    start = (await observed(config, body))[0]
    assert start["data"] == {"headers": {}, "content": {"prompt": X, "n": 3, "opts": [X]}}
    assert counters()["omitted"] > before


async def test_profiles_run_by_priority_then_in_their_order() -> None:
    first = {"builtin": {"action": "redact", "detector": "email", "replacement": "<E>"}}
    second = {"builtin": {"action": "redact", "pattern": "<E>", "replacement": "<F>"}}
    off = {"enabled": False, "builtin": {"action": "redact", "pattern": "x", "replacement": "never"}}

    async def body() -> None:
        scope.event("mark", data={"v": "x a@b.co"})

    for profiles in ([off, first, second], [{**second, "priority": 200}, first]):
        assert (await observed({"profiles": profiles}, body))[0]["data"] == {"v": "x <F>"}


@pytest.mark.parametrize("surface", ["input", "output", "tool_input", "tool_output", "mark"])
async def test_a_surface_that_is_off_is_left_alone(surface: str) -> None:
    async def body() -> None:
        scope.event("mark", data={"v": MAIL})
        await tools.execute("t", {"a": MAIL}, lambda _: {"r": MAIL})
        await llm.execute("p", LLMRequest({}, {"prompt": MAIL}), lambda _: {"text": MAIL})

    names = ["mark", "tool_input", "tool_output", "input", "output"]
    shown = {
        name: MAIL in json.dumps(event["data"])
        for name, event in zip(names, await observed({**EMAIL, surface: False}, body), strict=True)
    }
    assert shown == {name: name == surface for name in names}


async def test_a_stream_is_cleaned_in_its_end_event_and_not_on_its_way() -> None:
    async def provider(request: LLMRequest) -> Any:
        async def chunks() -> Any:
            for part in ("jane@", "example.com"):
                yield {"choices": [{"index": 0, "delta": {"content": part}}]}

        return chunks()

    async def body() -> None:
        seen: list[str] = []
        stream = await llm.stream_execute(
            "p",
            LLMRequest({}, REQUESTS["openai_chat"]),
            provider,
            lambda chunk: None,
            lambda: {**RESPONSE},
            response_codec=OpenAIChatCodec(),
        )
        async for chunk in stream:
            seen.append(chunk["choices"][0]["delta"]["content"])
        assert "".join(seen) == MAIL

    events = await observed(EMAIL, body)
    assert MAIL not in json.dumps([event for event in events if event["kind"] == "scope"])


async def test_the_component_is_listed_and_leaves_nothing_behind() -> None:
    assert KIND in plugin.list_kinds()

    async def body() -> None:
        scope.event("mark", data={"v": MAIL})

    await observed(EMAIL, body)
    assert (await observed({"builtin": {"action": "redact", "pattern": "never"}}, body))[0]["data"] == {"v": MAIL}
