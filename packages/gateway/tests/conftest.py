# SPDX-License-Identifier: Apache-2.0
"""A provider of raw bytes, a client of raw bytes, and a gateway between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nemo_relay.testing import CapturedEvents, capture_events
from nemo_relay_gateway import Gateway, GatewayConfig

Answering = bytes | Callable[[bytes], bytes | Awaitable[bytes]]


class RawProvider:
    """Answers every request with the same bytes, and keeps what it got."""

    def __init__(self, answer: Answering, *, pieces: int | None = None) -> None:
        self.answer = answer
        self.pieces = pieces
        self.requests: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def close(self) -> None:
        self.server.close()
        for task in list(self._tasks):
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next((int(line[15:]) for line in lines if line[:15] == b"content-length:"), 0)
                request = head + await reader.readexactly(length)
                self.requests.append(request)
                made = self.answer(request) if callable(self.answer) else self.answer
                answer = made if isinstance(made, bytes) else await made
                step = self.pieces or len(answer) or 1
                for start in range(0, len(answer), step):
                    writer.write(answer[start : start + step])
                    await writer.drain()
                    await asyncio.sleep(0)
                if not answer or b"connection: close" in answer.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


def response(body: bytes, *headers: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json") -> bytes:
    """An answer with a length."""
    fields = [b"HTTP/1.1 " + status, b"Content-Type: " + kind, *headers, b"Content-Length: %d" % len(body), b"", b""]
    return b"\r\n".join(fields) + body


def chunked(*pieces: bytes, kind: bytes = b"text/event-stream") -> bytes:
    """An answer in chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + body


class Answer:
    """What a raw client got."""

    def __init__(self, data: bytes) -> None:
        head, _, self.raw_body = data.partition(b"\r\n\r\n")
        first, *fields = head.split(b"\r\n")
        self.status = int(first.split(b" ")[1]) if first else 0
        self.fields = [tuple(field.split(b": ", 1)) for field in fields]
        self.head = head

    @property
    def body(self) -> bytes:
        """The body without its chunks."""
        if (b"transfer-encoding", b"chunked") not in [(key.lower(), value) for key, value in self.fields]:
            return self.raw_body
        rest, out = self.raw_body, b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            out += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
        return out

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name]


async def send(port: int, data: bytes) -> Answer:
    """Send bytes, and read until the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return Answer(await asyncio.wait_for(reader.read(), 60))  # a hang, not a measure
    finally:
        writer.close()


def request(body: bytes, *headers: bytes, target: bytes = b"/v1/chat/completions", method: bytes = b"POST") -> bytes:
    """The bytes of a request after which the connection closes."""
    fields = [b"%b %b HTTP/1.1" % (method, target), b"Host: 127.0.0.1", b"Connection: close", *headers]
    if body or method == b"POST":
        fields.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join((*fields, b"", b"")) + body


async def eventually(holds: Callable[[], object]) -> None:
    """Wait until something holds; the test's own time limit ends what never does."""
    while not holds():  # noqa: ASYNC110 - what is waited for happens on other connections
        await asyncio.sleep(0.001)


@asynccontextmanager
async def between(provider: RawProvider, **config: Any) -> AsyncIterator[Gateway]:
    """A gateway in front of a provider."""
    await provider.start()
    bases = {"openai": provider.url + "/v1", "anthropic": provider.url, "gemini": provider.url}
    try:
        async with Gateway(GatewayConfig(base_urls=bases, **config)) as gateway:
            yield gateway
    finally:
        await provider.close()


@pytest.fixture
def captured() -> Any:
    with capture_events() as events:
        yield events


__all__ = ["Answer", "CapturedEvents", "RawProvider", "between", "chunked", "request", "response", "send"]
