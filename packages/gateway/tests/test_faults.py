# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at either end: nobody waits for ever, nobody gets another's answer, what was recorded is whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from nemo_relay import intercepts
from nemo_relay.testing import CapturedEvents, check_lifecycles
from nemo_relay_gateway import GatewayConfig

from .conftest import Answer, RawProvider, between, chunked, eventually, request, response, send
from .test_hooks import claude

ASKED = b'{"model":"m","stream":true,"messages":[]}'
PART = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
BEGUN = HEAD + b"Connection: close\r\n\r\n" + b"%x\r\n%b\r\n" % (len(PART), PART)


@pytest.fixture(params=["passing", "managed"])
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways that a call can take through the gateway."""
    if request.param == "managed":

        async def passing(name: str, call: Any, context: Any, proceed: Any) -> Any:
            return await proceed(call)

        intercepts.register_llm_execution("on", 1, passing)
        intercepts.register_llm_stream_execution("on", 1, passing)
    yield request.param
    if request.param == "managed":
        intercepts.deregister_llm_execution("on")
        intercepts.deregister_llm_stream_execution("on")


def ended(captured: CapturedEvents) -> Any:
    """The end of the one call there was."""
    check_lifecycles(captured.events)
    (end,) = [event for event in captured.events if event.kind == "scope" and event.scope_category == "end"]
    return end


async def test_a_provider_that_drops_a_stream_in_the_middle(captured: CapturedEvents, path: str) -> None:
    async with between(RawProvider(BEGUN)) as gateway:
        answer = await send(gateway.port, request(ASKED))
    assert answer.status == 200
    assert PART in answer.raw_body
    assert not answer.raw_body.endswith(b"0\r\n\r\n")  # the client sees that it is not whole
    end = ended(captured)
    assert end.metadata["otel.status_code"] == "ERROR"
    assert "Hel" in json.dumps(end.data)


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabcd",
    ],
)
async def test_a_provider_that_answers_garbage(captured: CapturedEvents, path: str, answer: bytes) -> None:
    async with between(RawProvider(answer)) as gateway:
        got = await send(gateway.port, request(b'{"model":"m"}'))
    begun = b"200 OK" in answer and b"chunked\r\n\r\n" in answer and b"Content-Length" not in answer
    assert got.status in ((200, 502) if begun else (502,)), got.head
    assert not got.raw_body.endswith(b"0\r\n\r\n")
    assert ended(captured).metadata["otel.status_code"] == "ERROR"


async def test_an_answer_that_nobody_asked_for_reaches_nobody(path: str) -> None:
    answers = [response(b'{"n":1}') + response(b'{"evil":1}'), response(b'{"n":2}')]
    provider = RawProvider(lambda _: answers.pop(0))
    async with between(provider) as gateway:
        assert (await send(gateway.port, request(b"{}"))).body == b'{"n":1}'
        assert (await send(gateway.port, request(b"{}"))).body == b'{"n":2}'


async def test_trailers_are_no_header_fields() -> None:
    tail = b"2\r\n{}\r\n0\r\nX-Secret: 1\r\nHost: evil\r\n\r\n"
    head = b"Host: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Secret\r\n\r\n"
    provider = RawProvider(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + tail)
    async with between(provider) as gateway:
        answer = await send(gateway.port, b"POST /v1/messages HTTP/1.1\r\n" + head + tail)
        assert (answer.status, answer.body) == (200, b"{}")
    (sent,) = provider.requests
    for text in (sent, answer.head):
        assert b"X-Secret: 1" not in text
        assert b"evil" not in text
    assert b"Content-Length: 2\r\n" in sent


@pytest.mark.parametrize("begins", [b"", BEGUN])
async def test_a_provider_that_stalls_is_given_up(captured: CapturedEvents, path: str, begins: bytes) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begins)
        await reader.read(-1)
        writer.close()

    provider = RawProvider(b"")
    provider._serve = stall  # type: ignore[method-assign]
    async with between(provider, idle_seconds=0.2) as gateway:
        answer = await send(gateway.port, request(ASKED))
    assert answer.status == (200 if begins else 502)
    assert not answer.raw_body.endswith(b"0\r\n\r\n")
    assert "sent nothing for 0.2 seconds" in ended(captured).metadata["otel.status_description"]


async def test_a_client_that_reads_slowly_is_no_stalling_provider() -> None:
    large = b'{"x":"' + b"y" * (4 * 1024 * 1024) + b'"}'
    async with between(RawProvider(response(large)), idle_seconds=1) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
        writer.write(request(b"{}"))
        await reader.read(10)
        await asyncio.sleep(2)
        rest = await reader.read(-1)
        assert rest.endswith(large[-100:])
        writer.close()


async def test_w12_a_stream_may_last_as_long_as_something_comes(path: str) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"\r\n")
        for _ in range(60):
            writer.write(b"%x\r\n%b\r\n" % (len(PART), PART))
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
        writer.close()

    provider = RawProvider(b"")
    provider._serve = slowly  # type: ignore[method-assign]
    async with between(provider, idle_seconds=2) as gateway:
        answer = await send(gateway.port, request(ASKED))
    assert answer.body == PART * 60


async def test_a_client_that_leaves_in_the_middle_of_a_stream(captured: CapturedEvents, path: str) -> None:
    gone = asyncio.Event()

    async def streaming(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BEGUN)
        while await reader.read(65536):
            pass
        gone.set()
        writer.close()

    provider = RawProvider(b"")
    provider._serve = streaming  # type: ignore[method-assign]
    async with between(provider) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(ASKED))
        await reader.readuntil(b"\n\n")
        writer.transport.abort()
        await asyncio.wait_for(gone.wait(), 10)
        await eventually(lambda: len(captured.events) > 1)
    end = ended(captured)
    assert end.metadata["otel.status_code"] == "ERROR"
    assert "Hel" in json.dumps(end.data)


@pytest.mark.timeout(120)
async def test_a_body_of_64_mb_passes_and_is_recorded(captured: CapturedEvents) -> None:
    large = b'{"model":"m","messages":[{"role":"user","content":"' + b"y" * (64 * 1024 * 1024) + b'"}]}'
    provider = RawProvider(response(large))
    async with between(provider) as gateway:
        answer = await send(gateway.port, request(large))
        assert answer.raw_body == large
        assert provider.requests[0].endswith(large)
        assert (await send(gateway.port, request(b"{}"))).status == 200
    assert len(captured.events[0].data["content"]["messages"][0]["content"]) == 64 * 1024 * 1024


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[1]", b"\xff\xfe", b'{"model":', b'{"a":' * 3000, b'"x"', b"1e999"]
)
async def test_malformed_json_passes_both_ways(captured: CapturedEvents, path: str, body: bytes) -> None:
    provider = RawProvider(response(body))
    async with between(provider) as gateway:
        answer = await send(gateway.port, request(body))
    assert (answer.status, answer.body) == (200, body)
    assert provider.requests[0].endswith(b"\r\n\r\n" + body)
    assert ended(captured).metadata["otel.status_code"] == "OK"


MALFORMED = [
    b"data: not json\n\n" + PART,
    b"data\n\n: only a comment\n\n" + PART,
    b"event: \xff\xfe\ndata: \xff\n\n" + PART,
    b"\n\n\n\n" + PART + b"data: {",
    b"data: [1,2]\n\ndata: 7\n\ndata: null\n\n" + PART,
    b'data: {"choices": {"odd": 1}}\n\ndata: {"choices":[null]}\n\n' + PART,
    b"nothing of the kind",
    PART.replace(b"\n", b"\r") + PART.replace(b"\n", b"\r\n"),
    b"data: " + b"[" * 5000 + b"\n\n" + PART,
]


@pytest.mark.parametrize("stream", MALFORMED)
@pytest.mark.parametrize("step", [1, 1 << 20])
async def test_malformed_events_pass_with_every_byte(
    captured: CapturedEvents, path: str, stream: bytes, step: int
) -> None:
    async with between(RawProvider(chunked(stream), pieces=step)) as gateway:
        answer = await send(gateway.port, request(ASKED))
    assert answer.body == stream
    ended(captured)


@pytest.mark.timeout(120)
async def test_1000_hooks_at_once(captured: CapturedEvents) -> None:
    async with between(RawProvider(b"")) as gateway:
        payloads = [
            claude("PreToolUse", tool_name="Bash", tool_input={"n": number}, tool_use_id=f"t{number}")
            for number in range(1000)
        ]
        sent = [request(json.dumps(payload).encode(), target=b"/hooks/claude-code") for payload in payloads]
        answers = await asyncio.gather(*(send(gateway.port, data) for data in sent))
        assert all((answer.status, answer.body) == (200, b"{}") for answer in answers)
    check_lifecycles(captured.events)
    starts = [event for event in captured.events if event.name == "Bash" and event.scope_category == "start"]
    assert sorted(event.data["n"] for event in starts) == list(range(1000))


async def test_a_request_that_never_ends_is_not_waited_for_by_others() -> None:
    async with between(RawProvider(response(b"{}"))) as gateway:
        held = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(50)]
        for number, (_, writer) in enumerate(held):
            writer.write(request(b"x" * 1000)[: 20 + number * 5])
        assert (await send(gateway.port, request(b"{}"))).status == 200
        for _, writer in held:
            writer.close()


def test_idle_seconds_are_checked() -> None:
    with pytest.raises(ValueError, match="idle_seconds"):
        GatewayConfig(idle_seconds=0)


__all__ = ["Answer"]
