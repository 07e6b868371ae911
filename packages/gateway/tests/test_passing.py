# SPDX-License-Identifier: Apache-2.0
"""What passes unedited passes as it came: bytes, status, header fields, chunk by chunk."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard

from nemo_relay.testing import CapturedEvents

from .conftest import RawProvider, between, chunked, eventually, request, response, send

BODY = b'{"model": "m", "zeta": 1e3, "alpha":[ ],"messages":[{"role":"user","content":"\xc3\xa9"}]}'
ANSWER = b'{"zeta": 1e3 , "id": "x", "choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}'


def got(provider: RawProvider) -> tuple[bytes, dict[bytes, list[bytes]], bytes]:
    head, _, body = provider.requests[-1].partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        key, _, value = line.partition(b": ")
        fields.setdefault(key.lower(), []).append(value)
    return first, fields, body


async def test_c04_a_request_and_its_answer_keep_their_bytes(captured: CapturedEvents) -> None:
    provider = RawProvider(response(ANSWER, b"x-request-id: r-1", b"X-Dup: 1", b"X-Dup: 2", b"Keep-Alive: timeout=5"))
    async with between(provider) as gateway:
        sent = request(BODY, b"Authorization: Bearer sk-1", b"X-Many: a", b"X-Many: b", b"Accept-Encoding: br, gzip")
        answer = await send(gateway.port, sent)
    first, fields, body = got(provider)
    assert (first, body) == (b"POST /v1/chat/completions HTTP/1.1", BODY)
    assert fields[b"x-many"] == [b"a", b"b"]
    assert fields[b"accept-encoding"] == [b"br, gzip"]
    assert fields[b"authorization"] == [b"Bearer sk-1"]
    assert fields[b"host"] == [f"127.0.0.1:{provider.port}".encode()]
    assert not [key for key in fields if key.startswith((b"x-nemo", b"x-dynamo", b"traceparent", b"connection"))]
    assert (answer.status, answer.body) == (200, ANSWER)
    assert answer.header(b"x-dup") == [b"1", b"2"]
    assert answer.header(b"x-request-id") == [b"r-1"]
    assert not answer.header(b"keep-alive")
    start, end = captured.events
    assert start.name == "openai.chat_completions"
    assert start.category_profile["annotated_request"]["messages"][0]["content"] == "é"
    assert "authorization" not in start.data["headers"]
    assert end.data["id"] == "x"
    assert end.metadata["otel.status_code"] == "OK"


@pytest.mark.parametrize("status", [b"400 Bad Request", b"429 Too Many Requests", b"500 Oops", b"529 Overloaded"])
async def test_an_error_of_the_provider_passes_whole(captured: CapturedEvents, status: bytes) -> None:
    provider = RawProvider(response(b"upstream says no", b"Retry-After: 3", status=status, kind=b"text/plain"))
    async with between(provider) as gateway:
        answer = await send(gateway.port, request(b'{"model":"m","stream":true,"messages":[]}'))
    assert (answer.status, answer.body) == (int(status[:3]), b"upstream says no")
    assert answer.header(b"retry-after") == [b"3"]
    assert answer.head.startswith(b"HTTP/1.1 " + status)
    assert captured.events[1].metadata["otel.status_description"] == f"HTTP {status[:3].decode()}"


async def test_c05_a_stream_keeps_every_byte_wherever_it_is_cut(captured: CapturedEvents) -> None:
    frames = (
        b": keep-alive\n\n",
        b"id: 7\nretry: 10\nevent: chunk\n"
        b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
        b"data: not json\n\n",
        b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n',
        b'event: error\ndata: {"error":{"message":"boom"}}\n\n',
    )
    for pieces in (1, 7, 100_000):
        provider = RawProvider(chunked(*frames), pieces=pieces)
        async with between(provider) as gateway:
            answer = await send(gateway.port, request(b'{"model":"m","stream":true,"messages":[]}'))
        assert answer.body == b"".join(frames)
    end = captured.events[-1]
    assert end.data["choices"][0]["message"]["content"] == "Hello"
    assert end.metadata["otel.status_code"] == "ERROR"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_w15_codings_pass_and_are_undone_for_the_record(captured: CapturedEvents, coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zstandard.ZstdCompressor().compress
    provider = RawProvider(response(pack(ANSWER), b"Content-Encoding: " + coding.encode()))
    async with between(provider) as gateway:
        answer = await send(gateway.port, request(pack(BODY), b"Content-Encoding: " + coding.encode()))
    assert got(provider)[2] == pack(BODY) or coding == "gzip"
    assert got(provider)[1][b"content-encoding"] == [coding.encode()]
    assert answer.header(b"content-encoding") == [coding.encode()]
    start, end = captured.events
    assert start.data["content"]["zeta"] == 1000
    assert end.data["id"] == "x"


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"\xff\xfe", b'{"model": 7}', b'{"a":' * 3000])
async def test_a_body_that_is_no_request_passes_all_the_same(captured: CapturedEvents, body: bytes) -> None:
    provider = RawProvider(response(b"also not json"))
    async with between(provider) as gateway:
        answer = await send(gateway.port, request(body))
    assert got(provider)[2] == body
    assert (answer.status, answer.body) == (200, b"also not json")
    assert len(captured.events) == 2


async def test_w15_paths_that_are_no_model_calls_pass_unobserved(captured: CapturedEvents) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider) as gateway:
        for method, path in (
            (b"GET", b"/v1/models?limit=3"),
            (b"GET", b"/v1/responses/resp_1"),
            (b"POST", b"/v1/messages/count_tokens"),
            (b"POST", b"/v1/messages/batches"),
            (b"DELETE", b"/openai/v1/files/f-1"),
            (b"POST", b"/anthropic/v1/anything"),
        ):
            assert (await send(gateway.port, request(b"", target=path, method=method))).status == 200
            want = path.removeprefix(b"/openai").removeprefix(b"/anthropic")
            assert got(provider)[0] == method + b" " + want + b" HTTP/1.1"
        assert (await send(gateway.port, request(b"", target=b"/", method=b"HEAD"))).status == 404
    assert captured.events == []


async def test_head_and_answers_without_a_length() -> None:
    provider = RawProvider(b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")
    async with between(provider) as gateway:
        answer = await send(gateway.port, request(b"", target=b"/v1/models", method=b"HEAD"))
        assert (answer.status, answer.raw_body) == (200, b"")
        assert answer.header(b"content-length") == [b"77"]
        provider.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"
        assert (await send(gateway.port, request(b"", target=b"/v1/models", method=b"GET"))).body == b"until the end"
        provider.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        answer = await send(gateway.port, request(b"", target=b"/openai/v1/x", method=b"DELETE"))
        assert (answer.status, answer.raw_body) == (204, b"")
        provider.answer = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + response(b"{}")
        assert (await send(gateway.port, request(b"", target=b"/v1/models", method=b"GET"))).body == b"{}"


async def test_a_provider_that_cannot_be_reached_or_breaks_off(captured: CapturedEvents) -> None:
    provider = RawProvider(b"")
    async with between(provider) as gateway:
        assert (await send(gateway.port, request(BODY))).status == 502
        provider.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhalf"
        broken = await send(gateway.port, request(BODY))
        assert broken.raw_body == b"half"
        provider.answer = b"garbage\r\n\r\n"
        assert (await send(gateway.port, request(BODY))).status == 502
        await provider.close()
        refused = await send(gateway.port, request(BODY))
        assert refused.status == 502
        assert b"cannot reach the provider" in refused.body
    ends = captured.events[1::2]
    assert [end.metadata["otel.status_code"] for end in ends] == ["ERROR"] * 4


async def test_the_provider_is_left_when_the_client_leaves(captured: CapturedEvents) -> None:
    provider = RawProvider(lambda _: asyncio.sleep(3600))  # type: ignore[arg-type,return-value]
    async with between(provider) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(BODY))
        await eventually(lambda: provider.requests)
        writer.close()
        await eventually(lambda: len(captured.events) > 1)
        assert "client left" in captured.events[1].metadata["otel.status_description"]
        del reader


async def test_requests_in_a_row_and_pipelined_share_connections() -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        one = request(b"", target=b"/v1/models", method=b"GET").replace(b"Connection: close\r\n", b"")
        writer.write(one * 5)
        for _ in range(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(2) == b"{}"
        writer.close()
    assert len(provider.requests) == 5


@pytest.mark.parametrize("path", ["/v1", ""])
async def test_the_version_stands_once_in_the_path(path: str) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider) as gateway:
        gateway._origins["openai"] = gateway._origins["openai"]._replace(prefix=path.encode())
        for asked in (b"/v1/chat/completions", b"/chat/completions", b"/openai/v1/chat/completions"):
            await send(gateway.port, request(BODY, target=asked))
            assert got(provider)[0] == b"POST /v1/chat/completions HTTP/1.1"


def _cassettes() -> list[Path]:
    root = Path(__file__).resolve().parents[4] / "shared" / "data" / "cassettes"
    return sorted(root.rglob("*.yaml")) if root.exists() else []


def _interactions() -> list[tuple[bytes, bytes, bytes]]:
    found = []
    for path in _cassettes():
        for entry in yaml.load(path.read_text(), yaml.CSafeLoader).get("interactions", []):
            sent, answered = entry["request"], entry["response"]
            asked = sent.get("body") or sent.get("parsed_body")
            body = answered.get("body")
            text = (body.get("string") if isinstance(body, dict) else body) or answered.get("parsed_body")
            if asked and text:
                kinds = answered["headers"].get("content-type") or ["application/json"]
                found.append((_bytes(asked), _bytes(text), next(iter(kinds)).encode()))
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@pytest.mark.skipif(not _cassettes(), reason="the recorded traffic is not beside this checkout")
@pytest.mark.timeout(300)
async def test_c04_c05_recorded_traffic_keeps_its_bytes() -> None:
    recorded = _interactions()
    assert len(recorded) > 50
    queue: list[bytes] = []
    provider = RawProvider(lambda _: queue.pop())
    async with between(provider) as gateway:
        for number, (asked, answered, kind) in enumerate(recorded):
            queue.append(response(answered, kind=kind))
            target = (b"/v1/messages", b"/v1/chat/completions", b"/v1/responses")[number % 3]
            answer = await send(gateway.port, request(asked, target=target))
            assert got(provider)[2] == asked
            assert answer.body == answered


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")
async def test_a_large_body_and_a_client_that_reads_slowly() -> None:
    large = b'{"x":"' + b"y" * (8 * 1024 * 1024) + b'"}'
    provider = RawProvider(response(large))
    async with between(provider) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
        writer.write(request(large))
        await writer.drain()
        data = b""
        while piece := await reader.read(65536):
            data += piece
            await asyncio.sleep(0)
        writer.close()
    assert data.partition(b"\r\n\r\n")[2] == large
    assert got(provider)[2] == large
