# SPDX-License-Identifier: Apache-2.0
"""Servers that take events over HTTP (``http_post``: one a request; ``ndjson``: a batch a request) or a WebSocket."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from nemo_relay.errors import MissingExtra
from nemo_relay_sinks.lines import Line, without_dots
from nemo_relay_sinks.settings import Stream, shown
from nemo_relay_sinks.sink import LIMITS, Component, Sink
from nemo_relay_spool import Delivered, Item, Limits, Outcome, Refused, Retry, TooLarge

if TYPE_CHECKING:
    import urllib3
    from websockets.sync.client import ClientConnection

MODEL = Stream
_TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))
_LONGEST_WAIT = 300.0


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


def _without_login(url: str) -> tuple[str, str | None]:
    """A URL without its credentials, and these as ``user:password``."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), login


class HttpTransport:
    """POSTs to one URL, on a connection that is kept open."""

    def __init__(self, settings: Stream) -> None:
        try:
            import urllib3
        except ImportError:
            raise MissingExtra("the atof stream sinks", "urllib3", "sinks") from None
        self.target = shown(settings.url)
        self._settings = settings
        self._url, self._login = _without_login(settings.url)
        self._pool: urllib3.PoolManager = urllib3.PoolManager(retries=False, maxsize=1)

    def encode(self, record: Line) -> Item:
        """A line as it is sent."""
        return _item(self._settings, record)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once."""
        import urllib3

        body = b"".join(item.content + b"\n" for item in items)

        try:
            headers = {"content-type": "application/x-ndjson", **self._settings.all_headers()}
            if self._login is not None:
                headers.update(urllib3.make_headers(basic_auth=self._login))
            answer = self._pool.request(
                "POST", self._url, body=body, headers=headers, timeout=self._settings.seconds, redirect=False
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return Retry(type(error).__name__)
        if answer.status < 300:
            return Delivered()
        if answer.status == 413:
            return TooLarge("HTTP 413")
        if answer.status in _TRANSIENT:
            after = answer.headers.get("retry-after", "")
            return Retry(f"HTTP {answer.status}", min(float(after), _LONGEST_WAIT) if after.isdecimal() else None)
        return Refused(f"HTTP {answer.status}")

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()


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
        self._url, self._login = _without_login(settings.url)
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
        headers = self._settings.all_headers()
        if self._login is not None:
            import base64

            headers["Authorization"] = "Basic " + base64.b64encode(self._login.encode()).decode()
        seconds = self._settings.seconds
        return self._client.connect(
            self._url, additional_headers=headers, open_timeout=seconds, close_timeout=1.0, proxy=None
        )

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()


component = Component(sys.modules[__name__], "stream")
