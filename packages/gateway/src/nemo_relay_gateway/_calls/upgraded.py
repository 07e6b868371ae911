# SPDX-License-Identifier: Apache-2.0
"""A request that changes to WebSocket: its bytes pass both ways as they came; its calls are recorded beside them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nemo_relay_gateway._calls.conversation import Conversation
from nemo_relay_gateway._http.client import ClientConnection
from nemo_relay_gateway._http.message import Headers, Response
from nemo_relay_gateway._http.tunnel import Tunnel
from nemo_relay_gateway._http.upstream import Outgoing, Unreachable

if TYPE_CHECKING:
    from nemo_relay_gateway._http.upstream import Pool

_log = logging.getLogger(__name__)
_LEAVES = b"\x88\x02\x03\xe9"  # a close frame: 1001, going away
_LEAVES_MASKED = b"\x88\x82\x00\x00\x00\x00\x03\xe9"
Begun = Callable[[Headers], Conversation | None]  # told the head of the provider's answer


class UpgradedCall:
    """One connection of a client, joined with one to its provider."""

    def __init__(self, pool: Pool, client: ClientConnection, outgoing: Outgoing, begun: Begun) -> None:
        self._pool = pool
        self._client = client
        self._outgoing = outgoing
        self._begun = begun
        self._record: Conversation | None = None
        self._tunnel: Tunnel | None = None
        self._unsent: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._is_over = self._leaves = False

    def start(self) -> None:
        """Connect, and ask the provider."""
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            tunnel = await self._pool.connect(self._outgoing.origin, Tunnel)
        except Unreachable as error:
            self.on_broken(str(error))
            return
        if self._is_over:
            tunnel.close()
            return
        self._tunnel = tunnel
        tunnel.send(self._outgoing, self)
        while True:
            await self._news.wait()
            self._news.clear()
            while self._unsent:
                await self._send(tunnel, self._unsent[0])
                self._unsent.popleft()

    async def _send(self, tunnel: Tunnel, data: bytes) -> None:
        """Pass on what the client wrote; a call that begins in it is recorded before the provider has it."""
        if self._record is not None:
            try:
                await self._record.sent(data)
            except Exception:
                self._broken_record()
        tunnel.write(data)

    def _broken_record(self) -> None:
        self._record = None
        _log.exception("the record of a WebSocket breaks off")

    def _finish(self) -> None:
        self._is_over = True
        if self._task is not asyncio.current_task():
            self._task.cancel()

    def _note(self, step: str, *what: Any) -> None:
        """Go on with the record. What fails there ends the record, not the conversation."""
        if self._record is None:
            return
        try:
            getattr(self._record, step)(*what)
        except Exception:
            self._broken_record()

    # --- the provider -------------------------------------------------------------------------------------------

    def on_head(self, status: int, reason: bytes, headers: Headers) -> None:
        if status != 101:
            self._client.start(status, reason, headers)
            return
        try:
            self._record = self._begun(headers)
        except Exception:
            _log.exception("a WebSocket is not recorded")
        self._client.switch(reason, headers)

    def on_data(self, data: bytes) -> None:
        self._client.write(data)
        self._note("received", data)
        if self._leaves:
            self.drain()

    def on_end(self) -> None:
        self._finish()
        self._note("end", "the provider closed the connection")
        self._client.end()

    def on_broken(self, error: str) -> None:
        if self._is_over:
            return
        self._finish()
        self._note("end", error)
        if self._client.is_gone:
            return
        if self._client.has_answered:
            self._client.break_off()
        else:
            self._client.respond(Response.error(502, f"gateway upstream error: {error}"))

    def on_full(self) -> None:
        self._client.pause_reading()

    def on_writable(self) -> None:
        self._client.resume_reading()

    # --- the client ---------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes of the client."""
        self._unsent.append(data)
        self._news.set()

    def abort(self) -> None:
        """The client is gone."""
        if self._is_over:
            return
        self._finish()
        if self._tunnel is not None:
            self._tunnel.close()
        self._note("end", None)

    def pause(self) -> None:
        """The client reads slowly: so does the gateway."""
        if self._tunnel is not None:
            self._tunnel.pause()

    def resume(self) -> None:
        """The client reads again."""
        if self._tunnel is not None:
            self._tunnel.resume()

    def drain(self) -> None:
        """The gateway is to end: take leave of both sides as soon as no answer is under way."""
        self._leaves = True
        is_idle = self._record is not None and self._record.is_idle and not self._unsent
        if self._is_over or self._tunnel is None or not is_idle:
            return
        self._finish()
        self._tunnel.write(_LEAVES_MASKED)
        self._tunnel.close()
        self._client.write(_LEAVES)
        self._client.end()
        self._note("end", None)
