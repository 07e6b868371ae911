# SPDX-License-Identifier: Apache-2.0
"""Servers that take events over HTTP (``http_post``: one a request; ``ndjson``: a batch a request) or a WebSocket."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec

from nemo_relay.errors import MissingExtra
from nemo_relay_sinks.lines import Line, without_dots
from nemo_relay_sinks.settings import Stream
from nemo_relay_sinks.sink import LIMITS, Component, Sink
from nemo_relay_spool import Delivered, Item, Limits, Outcome, Retry
from nemo_relay_spool.http import HttpClient, authorization, reason, shown

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

MODEL = Stream
_SILENT = logging.Logger("nemo_relay.sinks.websocket", logging.CRITICAL)  # the client's own would note the headers


def opened(settings: Stream) -> Sink:
    """The sink of checked settings."""
    transport = WebSocketTransport if settings.transport == "websocket" else HttpTransport
    limits = Limits(1) if settings.transport == "http_post" else LIMITS
    return Sink(settings, settings.transport, lambda: transport(settings), limits)


def _item(settings: Stream, record: Line) -> Item:
    content = record.content
    if settings.field_name_policy == "replace_dots":
        content = msgspec.json.encode(without_dots(msgspec.json.decode(content)), order="sorted")
    return Item(None, content, len(content))


class HttpTransport:
    """POSTs to one URL, on a connection that is kept open."""

    def __init__(self, settings: Stream) -> None:
        self.target = shown(settings.url)
        self._settings = settings
        self._client = HttpClient(settings.url, settings.seconds)

    def encode(self, record: Line) -> Item:
        """A line as it is sent."""
        return _item(self._settings, record)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once."""
        try:
            headers = {"content-type": "application/x-ndjson", **self._settings.all_headers()}
        except (OSError, ValueError) as error:  # a header file that cannot be read
            return Retry(reason(error))
        return self._client.post(b"".join(item.content + b"\n" for item in items), headers)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class WebSocketTransport:
    """A text frame an event. The pong after each batch says that the server has received it; whether it keeps it, a
    WebSocket does not say.
    """

    def __init__(self, settings: Stream) -> None:
        try:
            import websockets.sync.client as client
        except ImportError:
            raise MissingExtra("the atof websocket sink", "websockets", "sinks") from None
        self.target = shown(settings.url)
        self._settings = settings
        self._client = client
        parts = urlsplit(settings.url)
        self._url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        self._connection: ClientConnection | None = None

    def encode(self, record: Line) -> Item:
        """A line as it is sent."""
        return _item(self._settings, record)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once, on the open connection or a new one."""
        seconds = self._settings.seconds
        try:
            connection = self._connection = self._connection or self._connect()
            for item in items:
                connection.send(item.content, text=True)
            if not connection.ping().wait(seconds):
                raise TimeoutError("no pong came")
        except Exception as error:
            self.close()
            return Retry(type(error).__name__)
        return Delivered()

    def _connect(self) -> ClientConnection:
        headers = {**authorization(self._settings.url), **self._settings.all_headers()}
        seconds = self._settings.seconds
        return self._client.connect(
            self._url,
            additional_headers=headers,
            open_timeout=seconds,
            close_timeout=1.0,
            proxy=None,
            logger=_SILENT,
        )

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()


component = Component(sys.modules[__name__], "stream")
