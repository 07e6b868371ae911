# SPDX-License-Identifier: Apache-2.0
"""The real `openai` client, against the scripted provider."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import openai
import pytest

from nemo_relay_provider import Failure, Reply, ScriptedProvider, ToolCall, Usage

ASK: list[Any] = [{"role": "user", "content": "Weather in Paris and the time there?"}]
TWO_CALLS = [
    ToolCall("get_weather", {"city": "Paris", "days": [1, 2], "note": "été"}),
    ToolCall("get_time", {"zone": "Europe/Paris"}, id="call_mine"),
]


@contextmanager
def client(provider: ScriptedProvider, **options: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="sk-test", max_retries=0, **options) as made:
        yield made


@asynccontextmanager
async def async_client(provider: ScriptedProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="sk-test", max_retries=0) as made:
        yield made


def test_a_whole_answer() -> None:
    script = [Reply("Sunny.", usage=Usage(12, 3, cached=4, reasoning=1))]
    with ScriptedProvider(script) as provider, client(provider) as api:
        answer = api.chat.completions.create(model="m-1", messages=ASK)
    assert answer.choices[0].message.content == "Sunny."
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.model, answer.object, answer.service_tier) == ("m-1", "chat.completion", "default")
    usage = answer.usage
    assert usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (12, 3, 15)
    assert usage.prompt_tokens_details
    assert usage.prompt_tokens_details.cached_tokens == 4
    assert usage.completion_tokens_details
    assert usage.completion_tokens_details.reasoning_tokens == 1


def test_parallel_tool_calls_in_a_whole_answer() -> None:
    with ScriptedProvider([Reply(tool_calls=TWO_CALLS)]) as provider, client(provider) as api:
        choice = api.chat.completions.create(model="m-1", messages=ASK).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    calls: list[Any] = choice.message.tool_calls or []
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[0].function.arguments) == {"city": "Paris", "days": [1, 2], "note": "été"}
    assert calls[1].id == "call_mine"
    assert calls[0].id not in ("", "call_mine")


def test_a_stream_of_text_with_usage() -> None:
    reply = Reply("It is sunny today.", usage=Usage(9, 5))
    with ScriptedProvider([reply]) as provider, client(provider) as api:
        chunks = list(
            api.chat.completions.create(model="m-1", messages=ASK, stream=True, stream_options={"include_usage": True})
        )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert all(delta.role is None for delta in deltas[1:])
    assert [delta.content for delta in deltas] == ["", "It", " is", " sunny", " today.", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.total_tokens == 14
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_without_asking_for_usage_has_none() -> None:
    with ScriptedProvider(["Hi there"]) as provider, client(provider) as api:
        chunks = list(api.chat.completions.create(model="m-1", messages=ASK, stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


def test_streamed_tool_calls_come_in_pieces_and_assemble() -> None:
    with (
        ScriptedProvider([Reply(["On ", "it."], tool_calls=TWO_CALLS)]) as provider,
        client(provider) as api,
        api.chat.completions.stream(model="m-1", messages=ASK) as stream,
    ):
        pieces = [e for e in stream if e.type == "tool_calls.function.arguments.delta"]
        final = stream.get_final_completion().choices[0]
    assert len([piece for piece in pieces if piece.index == 0]) > 2
    assert (final.message.content, final.finish_reason) == ("On it.", "tool_calls")
    calls: list[Any] = final.message.tool_calls or []
    assert [json.loads(call.function.arguments) for call in calls] == [c.arguments for c in TWO_CALLS]


async def test_the_async_client_whole_and_streaming() -> None:
    async with ScriptedProvider(["One.", Reply(["Two", "."])]) as provider, async_client(provider) as api:
        whole = await api.chat.completions.create(model="m-1", messages=ASK)
        stream = await api.chat.completions.create(model="m-1", messages=ASK, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert (whole.choices[0].message.content, text) == ("One.", "Two.")


async def test_concurrent_requests_are_answered_concurrently() -> None:
    together = asyncio.Barrier(8)

    async def script(body: dict[str, Any]) -> Reply:
        await together.wait()  # hangs unless all eight are being answered at the same time
        return Reply(body["messages"][-1]["content"].upper())

    async with ScriptedProvider(script) as provider, async_client(provider) as api:
        questions: list[list[Any]] = [[{"role": "user", "content": f"ask {i}"}] for i in range(8)]
        asks = [api.chat.completions.create(model="m", messages=question) for question in questions]
        answers = await asyncio.gather(*asks)
    assert [a.choices[0].message.content for a in answers] == [f"ASK {i}" for i in range(8)]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(401), openai.AuthenticationError),
        (Failure(429, "Slow down."), openai.RateLimitError),
        (Failure(503), openai.InternalServerError),
        (Failure(400, "No.", code="context_length_exceeded", param="messages"), openai.BadRequestError),
    ],
)
def test_error_answers_have_the_providers_shape(failure: Failure, kind: type[openai.APIStatusError]) -> None:
    with ScriptedProvider([failure]) as provider, client(provider) as api, pytest.raises(kind) as caught:
        api.chat.completions.create(model="m-1", messages=ASK)
    body: Any = caught.value.body
    assert set(body) == {"message", "type", "param", "code"}
    assert body["message"] == failure.message
    assert caught.value.request_id == "req_000001"
    assert failure.code is None or (caught.value.code, caught.value.param) == (failure.code, failure.param)


def test_the_client_retries_and_recovers() -> None:
    script = [Failure(429, headers={"retry-after-ms": "1"}), Reply("Second try.")]
    with ScriptedProvider(script) as provider:
        with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=1) as api:
            answer = api.chat.completions.create(model="m-1", messages=ASK)
        counts = [request.headers["x-stainless-retry-count"] for request in provider.requests]
    assert answer.choices[0].message.content == "Second try."
    assert counts == ["0", "1"]


def test_a_stream_broken_in_the_middle() -> None:
    script = [Reply("one two three four", break_after=3)]
    seen: list[str | None] = []
    with ScriptedProvider(script) as provider, client(provider) as api:
        stream = api.chat.completions.create(model="m-1", messages=ASK, stream=True)
        with pytest.raises(openai.APIConnectionError):
            for chunk in stream:
                seen.append(chunk.choices[0].delta.content)
        assert provider.requests[0].outcome == "broken"
    assert seen == ["", "one", " two"]


@pytest.mark.parametrize("break_after", [0, 1])
def test_a_whole_answer_broken_off(break_after: int) -> None:
    script = [Reply("never seen whole", break_after=break_after)]
    with ScriptedProvider(script) as provider, client(provider) as api:
        with pytest.raises(openai.APIConnectionError):
            api.chat.completions.create(model="m-1", messages=ASK)
        assert provider.requests[0].outcome == "broken"


def test_the_models_route() -> None:
    with ScriptedProvider([], models=("m-1", "m-2")) as provider, client(provider) as api:
        assert [model.id for model in api.models.list()] == ["m-1", "m-2"]


def test_a_wrong_api_key_is_refused() -> None:
    with (
        ScriptedProvider(["x"], api_key="sk-other") as provider,
        client(provider) as api,
        pytest.raises(openai.AuthenticationError, match="Incorrect API key"),
    ):
        api.chat.completions.create(model="m-1", messages=ASK)


def test_the_conversation_must_answer_its_tool_calls() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}}

    asked = [*ASK, {"role": "assistant", "content": None, "tool_calls": [call("c1"), call("c2")]}]
    one = [*asked, {"role": "tool", "tool_call_id": "c1", "content": "1"}]
    both = [*one, {"role": "tool", "tool_call_id": "c2", "content": "2"}]
    stray = [*ASK, {"role": "tool", "tool_call_id": "c9", "content": "1"}]
    with ScriptedProvider(["fine"]) as provider, client(provider) as api:
        for broken, text in [(asked, "c1, c2"), (one, "c2"), (stray, "must answer a preceding message")]:
            with pytest.raises(openai.BadRequestError, match=text):
                api.chat.completions.create(model="m-1", messages=broken)
        assert api.chat.completions.create(model="m-1", messages=both).choices[0].message.content == "fine"
