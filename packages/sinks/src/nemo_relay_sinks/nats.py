# SPDX-License-Identifier: Apache-2.0
"""NATS JetStream. The event's uuid is the message's id, by which the server leaves out what it has already."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nemo_relay.errors import MissingExtra
from nemo_relay_sinks.lines import Line
from nemo_relay_sinks.settings import Nats
from nemo_relay_sinks.sink import Component, Sink
from nemo_relay_spool import Delivered, Item, Outcome, Retry
from nemo_relay_spool.http import shown

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

MODEL = Nats
_HEADERS = 512  # bytes that the id and its framing may take


def opened(settings: Nats) -> Sink:
    """The sink of checked settings."""
    return Sink(settings, "nats", lambda: NatsTransport(settings))


class NatsTransport:
    """A client on an event loop of its own, which turns while something is sent."""

    def __init__(self, settings: Nats) -> None:
        try:
            import nats
        except ImportError:
            raise MissingExtra("the atof nats sink", "nats-py", "sinks") from None
        self._nats: Any = nats
        self.target = shown(settings.url)
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None

    def encode(self, record: Line) -> Item:
        """A line with its subject."""
        return Item(self._settings.subject.replace("{session}", record.session), record, len(record.content))

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once: publish all, and wait until the server has stored all."""
        loop = self._loop = self._loop or asyncio.new_event_loop()
        try:
            return loop.run_until_complete(self._send(items))
        except Exception as error:
            self._forget()
            return Retry(f"{type(error).__name__}: {error}"[:200])

    async def _send(self, items: Sequence[Item]) -> Outcome:
        client, stream = await self._connected()
        fitting = [item for item in items if item.size + _HEADERS <= client.max_payload]
        async with asyncio.timeout(self._settings.seconds * 2):
            waiting = []
            for item in fitting:
                line: Line = item.content
                ids = {"Nats-Msg-Id": line.id}
                waiting.append(await stream.publish_async(item.resource, line.content, headers=ids))
            for acknowledged in waiting:
                await acknowledged
        lost = len(items) - len(fitting)
        return Delivered(lost, f"they are larger than the server's {client.max_payload} bytes" if lost else "")

    async def _connected(self) -> tuple[Client, JetStreamContext]:
        if self._client is not None and self._stream is not None and self._client.is_connected:
            return self._client, self._stream
        await self._end()
        settings = self._settings

        async def quiet(error: Exception) -> None:
            """Trouble shows in what was to be sent."""

        options: dict[str, Any] = {"user_credentials": settings.credentials_file} if settings.credentials_file else {}
        async with asyncio.timeout(settings.seconds):
            self._client = await self._nats.connect(
                settings.url, allow_reconnect=False, error_cb=quiet, connect_timeout=settings.seconds, **options
            )
        self._stream = self._client.jetstream()
        await self._made(self._stream)
        return self._client, self._stream

    async def _made(self, stream: JetStreamContext) -> None:
        from nats.js.api import StreamConfig
        from nats.js.errors import NotFoundError

        name, subject = self._settings.stream, self._settings.subject.replace("{session}", "*")
        try:
            await stream.stream_info(name)
        except NotFoundError:
            seconds = float(self._settings.duplicate_seconds)
            await stream.add_stream(StreamConfig(name=name, subjects=[subject], duplicate_window=seconds))

    async def _end(self) -> None:
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            with contextlib.suppress(Exception):
                await client.close()

    def _forget(self) -> None:
        if self._loop is not None:
            self._loop.run_until_complete(self._end())

    def close(self) -> None:
        """Close the connection."""
        self._forget()
        if self._loop is not None:
            self._loop.close()
            self._loop = None


component = Component(sys.modules[__name__], "nats")
