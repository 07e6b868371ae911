# SPDX-License-Identifier: Apache-2.0
"""Each route goes to its provider, under the path that the provider has, and is observed or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from google import genai
from google.genai import types
from openai import AsyncOpenAI

from nemo_relay.testing import CapturedEvents
from nemo_relay_gateway import Gateway, GatewayConfig

from .conftest import RawProvider, chunked, request, response, send

PROVIDERS = ("openai", "anthropic", "gemini")
ID = "resp_0a1b"


@asynccontextmanager
async def three(answer: bytes) -> AsyncIterator[tuple[Gateway, dict[str, RawProvider]]]:
    """A gateway before three providers that answer the same."""
    async with AsyncExitStack() as stack:
        providers = {name: RawProvider(answer) for name in PROVIDERS}
        for provider in providers.values():
            await provider.start()
            stack.push_async_callback(provider.close)
        urls = {name: provider.url for name, provider in providers.items()}
        urls["openai"] += "/v1"
        yield await stack.enter_async_context(Gateway(GatewayConfig(base_urls=urls))), providers


ROUTES = [
    ("POST", "/v1/chat/completions", "openai", "/v1/chat/completions", "openai.chat_completions"),
    ("POST", "/chat/completions", "openai", "/v1/chat/completions", "openai.chat_completions"),
    ("POST", "/openai/v1/chat/completions", "openai", "/v1/chat/completions", "openai.chat_completions"),
    ("POST", "/v1/responses", "openai", "/v1/responses", "openai.responses"),
    ("POST", "/responses", "openai", "/v1/responses", "openai.responses"),
    ("POST", "/v1/embeddings", "openai", "/v1/embeddings", "openai.embeddings"),
    ("POST", "/v1/messages", "anthropic", "/v1/messages", "anthropic.messages"),
    ("POST", "/v1/messages?beta=true", "anthropic", "/v1/messages?beta=true", "anthropic.messages"),
    ("POST", "/anthropic/v1/messages", "anthropic", "/v1/messages", "anthropic.messages"),
    ("POST", "/v1beta/models/g-1:generateContent", "gemini", "/v1beta/models/g-1:generateContent", "gemini"),
    ("POST", "/gemini/v1/models/g-1:generateContent?key=k", "gemini", "/v1/models/g-1:generateContent?key=k", "gemini"),
    ("POST", "/v1beta/models/g:streamGenerateContent?alt=sse", "gemini", None, "gemini"),
    ("GET", f"/v1/responses/{ID}", "openai", None, None),
    ("GET", f"/v1/responses/{ID}?stream=true&starting_after=3", "openai", None, None),
    ("GET", f"/v1/responses/{ID}/input_items", "openai", None, None),
    ("POST", f"/v1/responses/{ID}/cancel", "openai", None, None),
    ("DELETE", f"/v1/responses/{ID}", "openai", None, None),
    ("POST", "/v1/responses/input_tokens", "openai", None, None),
    ("POST", "/v1/responses/compact", "openai", None, None),
    ("GET", "/v1/chat/completions/c-1", "openai", None, None),
    ("GET", "/v1/models", "openai", None, None),
    ("GET", "/models", "openai", "/v1/models", None),
    ("GET", "/v1/models/m-1", "openai", None, None),
    ("POST", "/v1/messages/count_tokens", "anthropic", None, None),
    ("POST", "/v1/messages/batches", "anthropic", None, None),
    ("GET", "/v1/messages/batches/b-1/results", "anthropic", None, None),
    ("POST", "/v1/messages/batches/b-1/cancel", "anthropic", None, None),
    ("GET", "/v1beta/models", "gemini", None, None),
    ("GET", "/v1beta/models/g-1", "gemini", None, None),
    ("POST", "/v1beta/models/g-1:countTokens", "gemini", None, None),
    ("POST", "/v1beta/models/g-1:embedContent", "gemini", None, None),
    ("POST", "/v1beta/cachedContents", "gemini", None, None),
    ("POST", "/openai/v1/images/generations", "openai", "/v1/images/generations", None),
    ("PATCH", "/openai/v1/anything/at/all?x=1&x=2", "openai", "/v1/anything/at/all?x=1&x=2", None),
    ("PUT", "/anthropic/v1/files/f%2F1", "anthropic", "/v1/files/f%2F1", None),
    ("OPTIONS", "/gemini/upload/v1beta/files", "gemini", "/upload/v1beta/files", None),
]


@pytest.mark.parametrize(("method", "path", "provider", "there", "observed"), ROUTES)
async def test_a_route_w15(
    captured: CapturedEvents, method: str, path: str, provider: str, there: str | None, observed: str | None
) -> None:
    body = b"" if method in ("GET", "DELETE", "OPTIONS") else b'{"model": "m", "odd" : 1e2}'
    async with three(response(b'{"ok" : true}', b"x-request-id: r")) as (gateway, providers):
        answer = await send(gateway.port, request(body, target=path.encode(), method=method.encode()))
        assert (answer.status, answer.body) == (200, b'{"ok" : true}')
        assert answer.header(b"x-request-id") == [b"r"]
        assert [name for name, found in providers.items() if found.requests] == [provider]
        (got,) = providers[provider].requests
        assert got.startswith(f"{method} {there or path} HTTP/1.1\r\n".encode())
        assert got.endswith(b"\r\n\r\n" + body)
    names = [event.name for event in captured.events]
    if observed is None:
        assert names == []
    else:
        assert len(names) == 2
        assert names[0].startswith(observed)


NOWHERE = ["/", "/v1", "/v1/nothing", "/nothing", "/v1/messagesx", "//v1/messages", "/%2e%2e/v1"]


@pytest.mark.parametrize("path", NOWHERE)
async def test_what_nobody_has_is_not_found(path: str) -> None:
    async with three(response(b"{}")) as (gateway, providers):
        for method in (b"GET", b"HEAD", b"POST"):
            assert (await send(gateway.port, request(b"", target=path.encode(), method=method))).status == 404
        assert not any(found.requests for found in providers.values())


async def test_a_list_of_models_goes_to_whom_the_client_speaks_to() -> None:
    async with three(response(b'{"data": [], "has_more": false, "first_id": null, "last_id": null}')) as (
        gateway,
        providers,
    ):
        openai = AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k")
        anthropic = AsyncAnthropic(base_url=gateway.url, api_key="k")
        assert (await openai.models.list()).data == []
        assert (await anthropic.models.list()).data == []
        await openai.close()
        await anthropic.close()
        assert [len(providers[name].requests) for name in PROVIDERS] == [1, 1, 0]


PART = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hel"}]}}]}
LAST: dict[str, Any] = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "lo"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6},
}


def _generated(client: genai.Client, streams: bool) -> str:
    with client:
        if streams:
            return "".join(
                chunk.text or "" for chunk in client.models.generate_content_stream(model="g-1", contents="Hi")
            )
        return client.models.generate_content(model="g-1", contents="Hi").text or ""


@pytest.mark.parametrize("streams", [False, True])
async def test_the_gemini_sdk_through_the_gateway(captured: CapturedEvents, streams: bool) -> None:
    frames = [b"data: " + json.dumps(part).encode() + b"\r\n\r\n" for part in (PART, LAST)]
    async with three(chunked(*frames) if streams else response(json.dumps(LAST).encode())) as (gateway, _):
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=f"{gateway.url}/gemini"))
        text = await asyncio.to_thread(_generated, client, streams)
    assert text == ("Hello" if streams else "lo")
    start, end = captured.events
    assert start.name == "gemini.generate_content"
    assert start.category_profile["model_name"] == "g-1"
    assert end.category_profile["annotated_response"]["usage"]["prompt_tokens"] == 4
    assert end.data["candidates"][0]["content"]["parts"][0]["text"] == text


async def test_gemini_s_stream_without_server_sent_events(captured: CapturedEvents) -> None:
    async with three(response(json.dumps([PART, LAST]).encode())) as (gateway, _):
        target = b"/v1beta/models/g-1:streamGenerateContent"
        answer = await send(gateway.port, request(b'{"contents": []}', target=target))
        assert json.loads(answer.body) == [PART, LAST]
    assert captured.events[1].data["candidates"][0]["content"]["parts"][0]["text"] == "Hello"


async def test_embeddings_are_no_model_step(captured: CapturedEvents) -> None:
    body = b'{"object":"list","data":[{"embedding":[0.1],"index":0,"object":"embedding"}],"model":"e","usage":{}}'
    async with three(response(body)) as (gateway, _):
        await send(gateway.port, request(b'{"model":"e","input":"x"}', target=b"/v1/embeddings"))
    start, end = captured.events
    assert (start.category, end.category) == ("embedder", "embedder")
    assert end.data["data"][0]["embedding"] == [0.1]
