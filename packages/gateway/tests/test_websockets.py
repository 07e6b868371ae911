# SPDX-License-Identifier: Apache-2.0
"""Responses over a WebSocket: the bytes pass both ways, and each call is recorded as one over HTTP is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from nemo_relay import intercepts
from nemo_relay.testing import CapturedEvents, check_lifecycles
from nemo_relay_gateway import Gateway, GatewayConfig

from .conftest import RawProvider, between, eventually, request, response, send

CREATE = {"type": "response.create", "model": "m", "input": [{"role": "user", "content": "Hi"}]}
USAGE = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


def answer(number: int, stream: str | None = None) -> list[str]:
    """The messages of one answer."""
    item = {"id": "msg", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
    base = {"id": f"resp_{number}", "object": "response", "model": "m", "status": "in_progress", "output": []}
    done = {**base, "status": "completed", "output": [item], "usage": USAGE}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": base},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "msg", "delta": "Hel"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "msg", "delta": "lo"},
        {"type": "response.completed", "response": done},
    ]
    more = {} if stream is None else {"stream_id": stream}
    return [json.dumps({**event, **more}, indent=1) for event in events]


@asynccontextmanager
async def conversing(**config: Any) -> AsyncIterator[tuple[Gateway, list[Any], list[ServerConnection]]]:
    """A gateway before a provider that answers each message; what it got, and its connections."""
    got: list[Any] = []
    connections: list[ServerConnection] = []

    async def provide(connection: ServerConnection) -> None:
        connections.append(connection)
        async for message in connection:
            got.append(message)
            for event in answer(len(got), json.loads(message).get("stream_id")):
                await connection.send(event)

    async with serve(provide, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/v1"
        async with Gateway(GatewayConfig(base_urls={"openai": url}, **config)) as gateway:
            yield gateway, got, connections


def ws(gateway: Gateway, path: str = "/v1/responses") -> str:
    return gateway.url.replace("http", "ws", 1) + path


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_calls_over_a_websocket_are_recorded_one_by_one(
    captured: CapturedEvents, compression: str | None
) -> None:
    async with conversing() as (gateway, got, connections):
        headers = {"Authorization": "Bearer sk-canary-1", "session-id": "s"}
        async with connect(ws(gateway), additional_headers=headers, compression=compression) as client:  # type: ignore[arg-type]
            for number in (1, 2):
                text = json.dumps({**CREATE, "previous_response_id": f"resp_{number - 1}"}, indent=2)
                await client.send(text)
                assert [await client.recv() for _ in range(5)] == answer(number)
                assert got[-1] == text
            await client.ping()
        request_of = connections[0].request
        assert request_of is not None
        assert request_of.path == "/v1/responses"
        assert request_of.headers["Authorization"] == "Bearer sk-canary-1"
    check_lifecycles(captured.events)
    calls = [event for event in captured.events if event.name == "openai.responses"]
    assert [event.scope_category for event in calls] == ["start", "end"] * 2
    assert calls[0].data["content"]["input"] == CREATE["input"]
    assert calls[0].category_profile["annotated_request"]["messages"][0]["content"] == "Hi"
    assert calls[3].data["id"] == "resp_2"
    assert calls[3].category_profile["annotated_response"]["usage"]["prompt_tokens"] == 5
    assert calls[3].metadata["otel.status_code"] == "OK"
    assert "sk-canary-1" not in repr([event.to_dict() for event in captured.events])


async def test_the_openai_sdk_converses_through_the_gateway(captured: CapturedEvents) -> None:
    async with conversing() as (gateway, _, _):
        client = AsyncOpenAI(base_url=f"{gateway.url}/openai/v1", api_key="any")
        async with client.responses.connect() as connection:
            await connection.response.create(model="m", input="Hi")
            kinds = []
            async for event in connection:
                kinds.append(event.type)
                if event.type == "response.completed":
                    break
        await client.close()
    assert kinds[0] == "response.created"
    assert [event.name for event in captured.events] == ["openai.responses"] * 2


async def test_streams_of_one_connection_are_told_apart(captured: CapturedEvents) -> None:
    async with conversing() as (gateway, _, _), connect(ws(gateway)) as client:
        for stream in ("a", "b"):
            await client.send(json.dumps({**CREATE, "stream_id": stream}))
        for _ in range(10):
            await client.recv()
    ends = [event for event in captured.events if event.scope_category == "end"]
    assert [event.data["id"] for event in ends] == ["resp_1", "resp_2"]
    check_lifecycles(captured.events)


async def test_a_large_message_in_fragments(captured: CapturedEvents) -> None:
    text = json.dumps({**CREATE, "input": "x" * 3_000_000})
    async with conversing() as (gateway, got, connections), connect(ws(gateway), max_size=None) as client:
        await eventually(lambda: connections)
        connections[0].protocol.max_message_size = None
        await client.send(text[start : start + 100_000] for start in range(0, len(text), 100_000))
        for _ in range(5):
            await client.recv()
        assert got == [text]
    assert len(captured.events[0].data["content"]["input"]) == 3_000_000


async def test_what_is_no_call_passes_unobserved(captured: CapturedEvents) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with Gateway(GatewayConfig(base_urls={"openai": url})) as gateway:
            for path in ("/openai/v1/realtime?model=m", "/v1/responses"):
                async with connect(ws(gateway, path)) as client:
                    for message in ("not json", "[1]", '{"type": 7}', b"\x00\xff"):
                        await client.send(message)
                        assert await client.recv() == message
    assert captured.events == []


async def test_a_refused_upgrade_passes_as_it_is() -> None:
    provider = RawProvider(response(b'{"error":"no"}', status=b"426 Upgrade Required"))
    async with between(provider) as gateway:
        with pytest.raises(InvalidStatus) as caught:
            await connect(ws(gateway)).__aenter__()
        assert caught.value.response.status_code == 426
        assert caught.value.response.body == b'{"error":"no"}'
    async with Gateway(GatewayConfig(base_urls={"openai": "http://127.0.0.1:9/v1"})) as gateway:
        with pytest.raises(InvalidStatus) as caught:
            await connect(ws(gateway)).__aenter__()
        assert caught.value.response.status_code == 502


async def test_a_websocket_needs_the_token_and_no_policy_is_passed_by() -> None:
    async with conversing(token="t" * 32) as (gateway, got, _):
        with pytest.raises(InvalidStatus) as caught:
            await connect(ws(gateway)).__aenter__()
        assert caught.value.response.status_code == 401
        async with connect(ws(gateway, "/run/" + "t" * 32 + "/v1/responses")) as client:
            await client.send(json.dumps(CREATE))
            await client.recv()

        async def passing(name: str, call: Any, proceed: Any) -> Any:
            return await proceed(call)

        intercepts.register_llm_stream_execution("policy", 1, passing)
        for path in ("/v1/responses", "/responses", "/openai/v1/responses", "/openai/responses"):
            with pytest.raises(InvalidStatus) as caught:
                await connect(ws(gateway, "/run/" + "t" * 32 + path)).__aenter__()
            assert caught.value.response.status_code == 501
        assert len(got) == 1


@pytest.mark.parametrize("who", ["client", "provider", "gateway"])
async def test_a_conversation_that_breaks_off_ends_its_call(captured: CapturedEvents, who: str) -> None:
    connections: list[ServerConnection] = []

    async def stall(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.recv()
        await connection.send(answer(1)[0])
        await connection.wait_closed()

    async with serve(stall, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with Gateway(GatewayConfig(base_urls={"openai": url})) as gateway:
            client = await connect(ws(gateway))
            await client.send(json.dumps(CREATE))
            await client.recv()
            if who == "client":
                client.transport.abort()
            elif who == "provider":
                connections[0].transport.abort()
            else:
                await gateway.close(grace=0.01)
            await eventually(lambda: len(captured.events) == 2)
            await client.close()
    end = captured.events[1]
    assert end.metadata["otel.status_code"] == "ERROR"
    assert end.data["id"] == "resp_1"
    check_lifecycles(captured.events)


async def test_draining_takes_leave_of_a_conversation_that_rests() -> None:
    async with conversing() as (gateway, _, connections):
        async with connect(ws(gateway)) as client:
            await client.send(json.dumps(CREATE))
            for _ in range(5):
                await client.recv()
            await asyncio.wait_for(gateway.close(grace=30), 10)
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1001
        await connections[0].wait_closed()
        assert connections[0].close_code == 1001


@pytest.mark.parametrize("protocol", [b"h2c", b"TLS/1.0", b"\xff"])
async def test_other_protocols_are_refused(protocol: bytes) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider) as gateway:
        sent = request(b"", b"Upgrade: " + protocol, target=b"/v1/responses", method=b"GET")
        sent = sent.replace(b"Connection: close", b"Connection: Upgrade")
        assert (await send(gateway.port, sent + b"smuggled")).status == 501
    assert provider.requests == []
