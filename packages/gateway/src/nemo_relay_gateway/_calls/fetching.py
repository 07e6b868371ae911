# SPDX-License-Identifier: Apache-2.0
"""A provider's answer for code that awaits it, where middleware stands between the bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from nemo_relay_gateway._http.message import Headers
from nemo_relay_gateway._http.upstream import Unreachable, UpstreamConnection
from nemo_relay_gateway.errors import ProviderUnreachable

if TYPE_CHECKING:
    from nemo_relay_gateway._http.upstream import Outgoing, Pool

_HIGH_WATER = 1024 * 1024  # bytes that wait for the reader before the provider is made to wait


class Answer:
    """An answer whose head is there. Its body is read once, in pieces or whole."""

    def __init__(self, sink: _Collector, connection: UpstreamConnection) -> None:
        self.status = sink.status
        self.reason = sink.reason
        self.headers = sink.headers
        self._sink = sink
        self._connection = connection

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            ProviderUnreachable: the connection ended first.
        """
        sink = self._sink
        while True:
            while sink.pieces:
                piece = sink.pieces.popleft()
                sink.size -= len(piece)
                if sink.is_paused and sink.size < _HIGH_WATER // 2:
                    sink.is_paused = False
                    self._connection.resume()
                yield piece
            if sink.error is not None:
                raise ProviderUnreachable(sink.error)
            if sink.is_over:
                return
            await sink.wait()

    async def read(self) -> bytes:
        """The whole body.

        Raises:
            ProviderUnreachable: the connection ended first.
        """
        return b"".join([piece async for piece in self.pieces()])

    def close(self) -> None:
        """Give up what is left of it."""
        if not self._sink.is_over:
            self._connection.close()


class _Collector:
    """Keeps what comes until it is read."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self.status, self.reason = 0, b""
        self.headers: Headers = []
        self.pieces: deque[bytes] = deque()
        self.size = 0
        self.is_over = self.is_paused = False
        self.error: str | None = None
        self._connection = connection
        self._news = asyncio.Event()

    async def wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    def on_head(self, status: int, reason: bytes, headers: Headers) -> None:
        self.status, self.reason, self.headers = status, reason, headers
        self._news.set()

    def on_data(self, data: bytes) -> None:
        self.pieces.append(data)
        self.size += len(data)
        if self.size > _HIGH_WATER and not self.is_paused:
            self.is_paused = True
            self._connection.pause()
        self._news.set()

    def on_end(self) -> None:
        self.is_over = True
        self._news.set()

    def on_broken(self, error: str) -> None:
        self.is_over, self.error = True, error
        self._news.set()


async def fetch(pool: Pool, outgoing: Outgoing) -> Answer:
    """Send a request and wait for the head of its answer.

    Raises:
        ProviderUnreachable: no connection could be had, or it ended before the head came.
    """
    connection = pool.take(outgoing.origin)
    if connection is None:
        try:
            connection = await pool.connect(outgoing.origin, UpstreamConnection)
        except Unreachable as error:
            raise ProviderUnreachable(str(error)) from None
    sink = _Collector(connection)
    connection.send(outgoing, sink)
    try:
        while not sink.status and sink.error is None:
            await sink.wait()
    except asyncio.CancelledError:
        connection.close()
        raise
    if sink.error is not None and not sink.status:
        raise ProviderUnreachable(sink.error)
    return Answer(sink, connection)
