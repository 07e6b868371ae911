# SPDX-License-Identifier: Apache-2.0
"""Connections to providers, kept open between calls."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

import httptools

from nemo_relay_gateway._http.message import Headers, first, has_body, request_head

KEPT_SECONDS = 20.0  # an idle connection older than that is not used again: providers close theirs after 30 to 60
_KEPT = 64  # idle connections of one origin
_MAX_HEAD = 256 * 1024  # bytes of the header fields of an answer
_LARGE = 32 * 1024  # bytes of a body; smaller ones go in one piece with their head


class Origin(NamedTuple):
    """Where a provider listens, and what comes before the path there."""

    scheme: str
    host: str
    port: int
    prefix: bytes

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Read a base URL.

        Raises:
            ValueError: it is no http or https URL, carries credentials, a query or a fragment.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"a base URL begins with http:// or https:// and a host; got {url!r}")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(f"a base URL has no credentials, query or fragment; got one for {parts.hostname!r}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/").encode())

    @property
    def authority(self) -> bytes:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.scheme == "https" else 80)
        return (host if usual else f"{host}:{self.port}").encode()


class Outgoing:
    """A request as a provider gets it."""

    __slots__ = ("body", "head", "method", "origin")

    def __init__(self, origin: Origin, method: bytes, target: bytes, headers: Headers, body: bytes) -> None:
        self.origin = origin
        self.method = method
        self.body = body
        fields = [(b"Host", origin.authority), *headers]
        self.head = request_head(method, target, fields, len(body) if body or method in (b"POST", b"PUT") else None)


class Sink(Protocol):
    """Who gets an answer, piece by piece."""

    def on_head(self, status: int, reason: bytes, headers: Headers) -> None:
        """The head is there."""

    def on_data(self, data: bytes) -> None:
        """A piece of the body is there."""

    def on_end(self) -> None:
        """The answer is whole."""

    def on_broken(self, error: str) -> None:
        """The connection ended before the answer did."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to a provider; it answers one request at a time."""

    final_interim = 0  # a status below 200 that is an answer all the same
    may_rest = False  # whether a provider that says nothing for long is no fault

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self._origin = origin
        self._sink: Sink | None = None
        self._is_raw = False
        self._is_paused = False
        self.last_byte_at = 0.0
        self.used = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._loop = asyncio.get_running_loop()
        self._pool.open.add(self)

    def send(self, outgoing: Outgoing, sink: Sink, before: Callable[[], None] | None = None) -> None:
        """Write a request.

        Args:
            outgoing: the request.
            sink: gets what comes back.
            before: called before the request is whole. A large body is on its way meanwhile, all but its last byte,
                without which no provider begins to work.
        """
        method, head, body = outgoing.method, outgoing.head, outgoing.body
        self._sink, self._method = sink, method
        self._parser = httptools.HttpResponseParser(self)
        self._status, self._reason = 0, b""
        self._headers: Headers = []
        self._ends_with_connection = self._keep_alive = False
        self.last_byte_at = self._loop.time()
        if len(body) < _LARGE:
            if before is not None:
                before()
            self.transport.write(head + body)
            return
        self.transport.write(head)
        self.transport.write(memoryview(body)[:-1])
        if before is not None:
            before()
        self.transport.write(body[-1:])

    def close(self) -> None:
        """Give the answer up."""
        self._sink = None
        self.transport.abort()

    def pause(self) -> None:
        """Read no more for now."""
        self._is_paused = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._is_paused = False
        self.last_byte_at = self._loop.time()
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def stalls(self, seconds: float) -> None:
        """Give the answer up if the provider has said nothing for so long."""
        is_waiting = self._sink is not None and not self._is_paused and not self.may_rest
        if is_waiting and self._loop.time() - self.last_byte_at > seconds:
            self._broken(f"the provider has sent nothing for {seconds:g} seconds")

    # --- asyncio ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._sink is None:  # bytes that nobody asked for
            self.transport.close()
            return
        self.last_byte_at = self._loop.time()
        if self._is_raw:
            self._sink.on_data(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._changed(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._broken(f"the provider's answer is not HTTP/1.1: {error}")

    def _changed(self, rest: bytes) -> None:
        if not self._is_raw:
            self._broken("the provider changed to a protocol that nobody asked for")
        elif rest and self._sink is not None:
            self._sink.on_data(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.open.discard(self)
        self._pool.forget(self._origin, self)
        if self._sink is None:
            return
        if self._status and self._ends_with_connection and exc is None:
            self._complete(reusable=False)
        else:
            self._broken(f"the provider closed the connection{f': {exc}' if exc else ''}")

    def _broken(self, text: str) -> None:
        sink, self._sink = self._sink, None
        self.transport.abort()
        if sink is not None:
            sink.on_broken(text)

    # --- llhttp -------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._status, self._reason, self._headers, self._size = 0, b"", [], 0
        if self._sink is None:  # an answer that nobody asked for: the next client must not get it
            self._pool.forget(self._origin, self)
            self.transport.close()

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._status:
            return  # a trailer: no field of the head, whatever it is called
        self._headers.append((name, value))
        self._size += len(name) + len(value)
        if self._size > _MAX_HEAD:
            self._broken(f"the head of the provider's answer is larger than {_MAX_HEAD} bytes")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._is_raw = status == self.final_interim
        if (100 <= status < 200 and not self._is_raw) or self._sink is None:
            return  # an interim answer, or nobody is there any more
        coding = (first(self._headers, b"transfer-encoding") or b"chunked").strip().lower()
        if status < 100 or coding != b"chunked":
            self._broken(f"the provider's answer cannot be passed on: status {status}, transfer-encoding {coding!r}")
            return
        self._status = status
        self._keep_alive = self._parser.should_keep_alive()  # after the last byte it is always False
        framed = first(self._headers, b"content-length") is not None
        chunked = first(self._headers, b"transfer-encoding") is not None
        self._ends_with_connection = self._is_raw or (not framed and not chunked and has_body(self._method, status))
        self._sink.on_head(status, self._reason, self._headers)
        if self._method == b"HEAD":  # the parser would wait for the body that its length announces
            self._complete(reusable=False)

    def on_body(self, data: bytes) -> None:
        if self._sink is not None and self._status:
            self._sink.on_data(data)

    def on_message_complete(self) -> None:
        if self._status and not self._ends_with_connection:
            self._complete(reusable=self._keep_alive)

    def _complete(self, *, reusable: bool) -> None:
        sink, self._sink = self._sink, None
        if reusable:
            self._pool.keep(self._origin, self)
        else:
            self.transport.close()
        if sink is not None:
            sink.on_end()


_Kind = TypeVar("_Kind", bound=UpstreamConnection)


class Unreachable(Exception):
    """No connection to a provider could be had."""

    def __init__(self, origin: Origin, reason: str) -> None:
        super().__init__(f"cannot reach the provider at {origin.authority.decode()}: {reason}")


class Pool:
    """The idle connections of all origins.

    Args:
        seconds: how long a provider may take to accept a connection.
        tls: how providers are trusted; None for the usual authorities.
    """

    def __init__(self, seconds: float = 30.0, tls: ssl.SSLContext | None = None) -> None:
        self._idle: dict[Origin, list[UpstreamConnection]] = {}
        self.open: set[UpstreamConnection] = set()
        self._seconds = seconds
        self._tls = tls

    def take(self, origin: Origin) -> UpstreamConnection | None:
        """An idle connection, the one used last; None when there is none."""
        idle = self._idle.get(origin._replace(prefix=b""), [])
        now = asyncio.get_running_loop().time()
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing() and now - connection.idle_since < KEPT_SECONDS:
                return connection
            connection.transport.close()
        return None

    async def connect(self, origin: Origin, kind: Callable[[Pool, Origin], _Kind]) -> _Kind:
        """A new connection.

        Args:
            origin: where to.
            kind: what it is for.

        Raises:
            Unreachable: it could not be had, or not in time.
        """
        key = origin._replace(prefix=b"")
        tls: ssl.SSLContext | None = None
        if origin.scheme == "https":
            tls = self._tls = self._tls or ssl.create_default_context()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                _, made = await loop.create_connection(lambda: kind(self, key), origin.host, origin.port, ssl=tls)
        except TimeoutError:
            raise Unreachable(origin, f"no connection within {self._seconds:g} seconds") from None
        except OSError as error:
            raise Unreachable(origin, str(error) or type(error).__name__) from None
        return made

    def keep(self, origin: Origin, connection: UpstreamConnection) -> None:
        """Take back a connection whose answer is whole."""
        idle = self._idle.setdefault(origin, [])
        if len(idle) >= _KEPT or connection.transport.is_closing():
            connection.transport.close()
            return
        connection.used = True
        connection.idle_since = asyncio.get_running_loop().time()
        idle.append(connection)

    def forget(self, origin: Origin, connection: UpstreamConnection) -> None:
        """A connection has ended."""
        idle = self._idle.get(origin, [])
        if connection in idle:
            idle.remove(connection)

    async def watch(self, seconds: float) -> None:
        """Give up answers whose providers say nothing for so long, as long as this runs."""
        while True:
            await asyncio.sleep(min(5.0, seconds / 4))
            for connection in list(self.open):
                connection.stalls(seconds)

    def close(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            for connection in idle:
                connection.transport.close()
        self._idle.clear()
