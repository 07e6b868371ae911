# SPDX-License-Identifier: Apache-2.0
"""The provider of ``bench_gateway.py``: it answers at once, or streams 100 chunks, one about every millisecond.

It prints its port, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys

CHUNKS = 100
SECONDS = 0.001  # between two chunks
_TEXT = "Paris is the capital of France. " * 8
_USAGE = {"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80}


def _whole() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop"}
    body = json.dumps({"id": "c-1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": _USAGE})
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def _chunks() -> list[bytes]:
    frames = []
    for number in range(CHUNKS - 1):
        end = number == CHUNKS - 2
        choice = {"index": 0, "delta": {} if end else {"content": "word "}, "finish_reason": "stop" if end else None}
        chunk = {"id": "c-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
        frames.append(f"data: {json.dumps(chunk)}\n\n".encode())
    frames.append(b"data: [DONE]\n\n")
    return [b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames]


WHOLE, PIECES = _whole(), _chunks()
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Provider(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._got = bytearray()
        self._want = 0
        self._streams = False

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._want:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._got[:end]).lower()
            length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            self._want = end + 4 + int(length or b"0")
            self._streams = b"stream" in head.split(b"\r\n", 1)[0]
        if len(self._got) >= self._want:
            self._got.clear()
            self._want = 0
            if self._streams:
                self._transport.write(STREAM + PIECES[0])
                asyncio.get_running_loop().call_later(SECONDS, self._next, 1)
            else:
                self._transport.write(WHOLE)

    def _next(self, number: int) -> None:
        if number == len(PIECES):
            self._transport.write(b"0\r\n\r\n")
        elif not self._transport.is_closing():
            self._transport.write(PIECES[number])
            asyncio.get_running_loop().call_later(SECONDS, self._next, number + 1)


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
