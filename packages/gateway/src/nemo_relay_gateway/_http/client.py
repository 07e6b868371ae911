# SPDX-License-Identifier: Apache-2.0
"""One connection of a client: bytes in, whole requests out, answers back in the order of the requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import replace
from typing import Protocol, cast

import httptools

from nemo_relay_gateway._http.message import (
    Headers,
    Request,
    Response,
    end_to_end,
    first,
    has_body,
    reason_of,
    response_head,
)

MAX_HEAD = 64 * 1024  # bytes of a request line and its header fields
MAX_PIPELINED = 16
_JOINED = 64 * 1024  # bytes of a piece that is written together with the head
HEAD_SECONDS = 60.0  # for a head to arrive once it has begun
IDLE_SECONDS = 300.0  # between two requests; SDKs keep theirs for less
_log = logging.getLogger(__name__)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange(Protocol):
    """A request that is being answered."""

    def abort(self) -> None:
        """The client is gone."""

    def pause(self) -> None:
        """The client reads more slowly than the answer comes."""

    def resume(self) -> None:
        """The client reads again."""


class Upgraded(Exchange, Protocol):
    """One that has become a pipe."""

    def feed(self, data: bytes) -> None:
        """The client sends bytes."""

    def drain(self) -> None:
        """The gateway is to end: take leave when that loses nothing."""


class Handler(Protocol):
    """What answers requests."""

    def limit(self, target: bytes) -> int:
        """The largest body in bytes that a request for this target may have."""

    def answer(self, request: Request, client: ClientConnection) -> Exchange | None:
        """Begin to answer; None when the answer has been written already."""

    def answered(self, client: ClientConnection, status: int, seconds: float) -> None:
        """Count an answer whose head is out, and how long that took."""

    def refused(self, status: int) -> None:
        """Count a request that could not be read."""


class Connections(set["ClientConnection"]):
    """The connections that are open."""

    def __init__(self) -> None:
        super().__init__()
        self._none_left = asyncio.Event()

    def closed(self, connection: ClientConnection) -> None:
        """One has closed."""
        self.discard(connection)
        if not self:
            self._none_left.set()

    async def wait_closed(self, seconds: float) -> None:
        """Wait until none is open, or the time is over."""
        self._none_left.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self:
                    await self._none_left.wait()


class ClientConnection(asyncio.Protocol):
    """Reads requests, hands them over one by one, and writes what comes back."""

    def __init__(self, handler: Handler, open_connections: Connections) -> None:
        self._handler = handler
        self._open = open_connections
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._exchange: Exchange | None = None
        self._busy = False
        self._parser = httptools.HttpRequestParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._deaf = False  # nothing more is read: the stream of requests cannot be trusted or is to end
        self.draining = False
        self._reset()
        self._chunked = False
        self._keep_alive = True
        self._head_sent = False
        self._head = b""
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.provider = ""  # whom the request that is being answered is for
        self._tunnel: Upgraded | None = None
        self._early = b""

    def _reset(self) -> None:
        self._target = b""
        self._headers: Headers = []
        self._in_body = False
        self._body: list[bytes] = []
        self._size = 0
        self._limit = 0

    # --- asyncio ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._open.add(self)
        self._watch(IDLE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.closed(self)
        self._watch(None)
        self._waiting.clear()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abort()

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.feed(data)
            return
        if self._deaf:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._wants_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(400, f"the request is not HTTP/1.1: {error}")
        if not self._busy and self._waiting:  # not inside the parser: what fails here is no fault of the request
            self._next()

    def _wants_upgrade(self, rest: bytes) -> None:
        """The last request wants another protocol. What follows is no HTTP, and waits until the provider has agreed."""
        if self._deaf:
            return
        request, _ = self._waiting.pop()
        wanted = (request.header(b"upgrade") or b"").lower()
        if wanted != b"websocket" or request.method != b"GET":
            self._refuse(501, "the gateway does not speak the protocol that this request wants to change to")
            return
        self._waiting.append((replace(request, upgrade=wanted), False))
        self._early = rest
        self.pause_reading()

    def pause_reading(self) -> None:
        """Read no more for now."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.resume()

    # --- llhttp -------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._reset()
        self._watch(HEAD_SECONDS)

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer: no field of the head, whatever it is called
        self._headers.append((name, value))
        self._grow(len(name) + len(value) + 4)

    def _grow(self, more: int) -> None:
        self._size += more
        if self._size > MAX_HEAD:
            self._refuse(431, f"the head of the request is larger than {MAX_HEAD} bytes")

    def on_headers_complete(self) -> None:
        self._watch(None)
        self._size, self._in_body = 0, True
        self._limit = self._handler.limit(self._target)
        length = first(self._headers, b"content-length")
        if length is not None and int(length) > self._limit:
            self._too_large()
        elif (first(self._headers, b"expect") or b"").lower() == b"100-continue" and not self._deaf:
            self.transport.write(_CONTINUE)

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._too_large()
        else:
            self._body.append(data)

    def _too_large(self) -> None:
        self._refuse(413, f"payload too large: the body is larger than {self._limit} bytes")

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(self._parser.get_method(), self._target, self._headers, body)
        old = self._parser.get_http_version() != "1.1"
        self._waiting.append((request, not old and self._parser.should_keep_alive()))
        if len(self._waiting) > MAX_PIPELINED:
            self._refuse(400, f"more than {MAX_PIPELINED} requests wait on this connection")

    # --- requests -----------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if not self._waiting:
            if self.draining:
                self.transport.close()
            else:
                self._watch(IDLE_SECONDS)
            return
        self._began, self.provider = self._loop.time(), ""
        request, keep_alive = self._waiting.popleft()
        self._busy, self._head_sent = True, False
        self._method, self._keep_alive = request.method, keep_alive
        try:
            exchange = self._handler.answer(request, self)
        except Exception:
            _log.exception("a request could not be answered")
            self._keep_alive = False
            exchange = None
            self.respond(Response.error(500, "the gateway could not answer this request"))
        if self._busy:
            self._exchange = exchange

    def switch(self, reason: bytes, headers: Headers) -> None:
        """Agree to the other protocol, as the provider did: a pipe from now on."""
        exchange = self._exchange
        assert exchange is not None
        self._tunnel = cast(Upgraded, exchange)
        self._bodiless = self._chunked = self._keep_alive = False
        self._head_sent = True
        self.transport.write(response_head(101, reason, headers))
        early, self._early = self._early, b""
        if early:
            self._tunnel.feed(early)
        self.resume_reading()

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that cannot be read, and end: where the next one begins is not known."""
        if self._deaf:
            return
        self._deaf = True
        self._handler.refused(status)
        if not self._busy:
            self._busy, self._method, self._keep_alive = True, b"", False
            self.respond(Response.error(status, message))
        self._waiting.clear()

    def _watch(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self.transport.close)

    # --- answers ------------------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether an answer is under way."""
        return self._busy

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there to read an answer."""
        return self.transport.is_closing()

    @property
    def has_answered(self) -> bool:
        """Whether the head of the answer is out, so that no other answer can be given."""
        return self._head_sent

    def respond(self, response: Response) -> None:
        """Write a whole answer."""
        length = (b"content-length", b"%d" % len(response.body))
        self.start(response.status, reason_of(response.status), [*response.headers, length])
        self.write(response.body)
        self.end()

    def start(self, status: int, reason: bytes, headers: Headers) -> None:
        """Write the head of an answer; its body is framed by ``content-length`` if there is one, else in chunks."""
        fields = end_to_end(headers)
        self._bodiless = not has_body(self._method, status)
        self._chunked = not self._bodiless and first(fields, b"content-length") is None
        if self._chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        if not self._keep_alive or self.draining:
            self._keep_alive = False
            fields.append((b"connection", b"close"))
        self._head_sent = True
        self._head = response_head(status, reason, fields)
        self._loop.call_soon(self._flush)  # with the first piece of the body, if that is here, too
        self._handler.answered(self, status, self._loop.time() - self._began)

    def write(self, data: bytes) -> None:
        """Write a piece of the body, at once."""
        if not data or self._bodiless:
            return
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._head and len(data) < _JOINED:
            data = self._head + data
            self._head = b""
        else:
            self._flush()
        self.transport.write(data)

    def _flush(self) -> None:
        """Write the head that is still here."""
        head, self._head = self._head, b""
        if head and not self.is_gone:
            self.transport.write(head)

    def end(self) -> None:
        """End the answer; the next request is taken up."""
        self._flush()
        if self._chunked:
            self.transport.write(b"0\r\n\r\n")
        self._exchange, self._busy, self._chunked = None, False, False
        if self._deaf or not self._keep_alive:
            self.transport.close()
        else:
            self._next()

    def break_off(self) -> None:
        """End an answer that cannot be completed, so that the client sees that it is not whole."""
        self._flush()
        self._exchange, self._busy, self._deaf = None, False, True
        self.transport.abort() if self._chunked else self.transport.close()

    def drain(self) -> None:
        """Take no further request: close now if idle, else after the answer that is under way."""
        self.draining = True
        if self._tunnel is not None:
            self._tunnel.drain()
        elif not self._busy and not self._waiting:
            self.transport.close()
