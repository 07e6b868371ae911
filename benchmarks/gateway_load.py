# SPDX-License-Identifier: Apache-2.0
"""The client of ``bench_gateway.py``: one connection that is timed, or sixteen that are kept busy."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import dataclass
from typing import Any

PATH = "/v1/chat/completions"


def text_body(size: int) -> bytes:
    """A request whose one message fills it up to ``size`` bytes."""
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": ""}]}
    body["messages"][0]["content"] = "x" * (size - len(json.dumps(body)))
    return json.dumps(body).encode()


def agent_body(size: int) -> bytes:
    """A request as an agent makes it: many messages, calls and results of tools, 40 tools with schemas."""
    schema = {"type": "object", "properties": {"path": {"type": "string", "description": "Which file"}}}
    tools = [{"type": "function", "function": {"name": f"t{n}", "parameters": schema}} for n in range(40)]
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You work on a repository. " * 40}]
    body = {"model": "m", "tools": tools, "messages": messages}
    number, length = 0, len(json.dumps(body))
    while length < size:
        call = {"id": f"call_{number}", "type": "function", "function": {"name": "t1", "arguments": '{"path": "a.py"}'}}
        turn: list[dict[str, Any]] = [
            {"role": "assistant", "content": f"Step {number}: I look at the file.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{number}", "content": f"line {number} of the file\n" * 24},
        ]
        messages += turn
        length += len(json.dumps(turn))
        number += 1
    return json.dumps(body).encode()


def request(body: bytes, *, streams: bool = False) -> bytes:
    """The bytes of a request; the provider streams where the query says so."""
    if streams:
        body = body[:-1] + b', "stream": true}'
    query = "?stream" if streams else ""
    head = f"POST {PATH}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Authorization: Bearer k\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Timing:
    """Seconds from the first byte sent: until the first byte of the answer's body, and until its last."""

    first: float
    whole: float


class Client:
    """One connection, kept open, one request at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, sent: bytes) -> Timing:
        """Send a request, read its answer."""
        start = time.perf_counter()
        self._socket.sendall(sent)
        got, first, want = bytearray(), 0.0, 0
        while True:
            piece = self._socket.recv(262_144)
            if not piece:
                raise ConnectionError(f"the connection ended after {bytes(got[-200:])!r}")
            got += piece
            end = got.find(b"\r\n\r\n")
            if not first and 0 <= end < len(got) - 4:
                first = time.perf_counter()
                length = bytes(got[:end]).lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
                want = end + 4 + int(length) if length else 0
                if not got.startswith(b"HTTP/1.1 200"):
                    raise ConnectionError(f"answered with {bytes(got[:300])!r}")
            if len(got) >= want if want else got.endswith(b"\r\n0\r\n\r\n"):
                return Timing(first - start, time.perf_counter() - start)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class _Busy(asyncio.Protocol):
    def __init__(self, sent: bytes, left: list[int], over: asyncio.Future[None]) -> None:
        self._sent, self._left, self._over = sent, left, over
        self._got = bytearray()
        self._want = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._got.clear()
        self._want = 0
        if self._left[0] > 0:
            self._left[0] -= 1
            self._transport.write(self._sent)
            return
        self._transport.close()
        self._left[1] -= 1
        if not self._left[1] and not self._over.done():
            self._over.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._want:
            head, found, _ = bytes(self._got).partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            if found and length:
                self._want = len(head) + 4 + int(length)
        if len(self._got) >= self._want if self._want else self._got.endswith(b"\r\n0\r\n\r\n"):
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._want or self._got:
            self._over.set_exception(ConnectionError("a connection ended under an answer"))


async def _busy(port: int, sent: bytes, number: int, connections: int) -> float:
    loop = asyncio.get_running_loop()
    left, over = [number, connections], loop.create_future()
    start = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Busy(sent, left, over), "127.0.0.1", port)
    await over
    return number / (time.perf_counter() - start)


def rate(port: int, sent: bytes, number: int, connections: int = 16) -> float:
    """Answers per second over connections that always have a request under way."""
    return asyncio.run(_busy(port, sent, number, connections))
