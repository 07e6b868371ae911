# SPDX-License-Identifier: Apache-2.0
"""A request that passes as it came: to the provider, and its answer back, chunk by chunk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nemo_relay_gateway._calls.observed import ObservedCall
from nemo_relay_gateway._http.client import ClientConnection
from nemo_relay_gateway._http.message import Headers, Response
from nemo_relay_gateway._http.upstream import Outgoing, Unreachable, UpstreamConnection

if TYPE_CHECKING:
    from nemo_relay_gateway._http.upstream import Pool

_log = logging.getLogger(__name__)
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class PassedCall:
    """One exchange. The client's bytes go first; the record follows them."""

    def __init__(
        self, pool: Pool, client: ClientConnection, outgoing: Outgoing, record: Callable[[], ObservedCall | None]
    ) -> None:
        self._pool = pool
        self._client = client
        self._outgoing = outgoing
        self._make_record = record
        self._record: ObservedCall | None = None
        self._is_announced = False
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._reused = False
        self._over = False

    def start(self) -> None:
        """Send it over an idle connection, or over a new one."""
        connection = self._pool.take(self._outgoing.origin)
        if connection is not None:
            self._reused = True
            self._send(connection)
        else:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            self._announce()

    def _announce(self) -> None:
        """Record the start, before the provider can begin to work."""
        if not self._is_announced:
            self._is_announced = True
            self._record = self._make_record()

    async def _connect(self) -> None:
        try:
            connection = await self._pool.connect(self._outgoing.origin, UpstreamConnection)
        except Unreachable as error:
            self._unanswered(str(error))
            return
        finally:
            self._connecting = None
        if self._over:
            connection.close()
            return
        self._reused = False
        self._send(connection)

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.send(self._outgoing, self, self._announce)

    def _note(self, step: str, *what: Any) -> None:
        """Go on with the record. What fails there ends the record, not the call."""
        record = self._record
        if record is None:
            return
        try:
            getattr(record, step)(*what)
        except Exception:
            self._record = None
            _log.exception("the record of a call breaks off")

    # --- the provider -------------------------------------------------------------------------------------------

    def on_head(self, status: int, reason: bytes, headers: Headers) -> None:
        self._client.start(status, reason, headers)
        self._note("head", status, headers)

    def on_data(self, data: bytes) -> None:
        self._client.write(data)
        self._note("data", data)

    def on_end(self) -> None:
        self._over = True
        self._client.end()
        self._note("end")

    def on_broken(self, error: str) -> None:
        if self._client.has_answered:
            self._over = True
            self._client.break_off()
            self._note("fail", error)
        elif self._reused and self._outgoing.method in _IDEMPOTENT:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        else:
            self._unanswered(error)

    def _unanswered(self, text: str) -> None:
        if self._over:
            return
        self._over = True
        self._client.respond(Response.error(502, f"gateway upstream error: {text}"))
        self._note("fail", text)

    # --- the client ---------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """The client is gone: the provider need not go on."""
        if self._over:
            return
        self._over = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()
        self._note("cut")

    def pause(self) -> None:
        """The client reads slowly: so does the gateway."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """The client reads again."""
        if self._connection is not None:
            self._connection.resume()
