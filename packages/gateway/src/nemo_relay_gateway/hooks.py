# SPDX-License-Identifier: Apache-2.0
"""Hook endpoints: ``POST /hooks/HOST`` with the host's own JSON, answered in the host's own words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import msgspec

from nemo_relay_gateway._hosts.known import HOSTS
from nemo_relay_gateway._http.client import ClientConnection
from nemo_relay_gateway._http.encodings import Undecodable, decoded
from nemo_relay_gateway._http.message import Request, Response
from nemo_relay_gateway._sessions.sessions import Sessions

_log = logging.getLogger(__name__)
PREFIX = "/hooks/"


class HookExchange:
    """One hook that is being answered: applied in the order of arrival, answered when policies have decided."""

    def __init__(self, client: ClientConnection, request: Request, sessions: Sessions) -> None:
        self._client = client
        self._request = request
        self._sessions = sessions

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            response = await self._answer()
        except Exception:
            _log.exception("a hook could not be applied")
            response = Response.error(500, "the hook could not be applied; the gateway's log says why")
        if not self._client.is_gone:
            self._client.respond(response)

    async def _answer(self) -> Response:
        name, _, event_name = self._request.path.removeprefix(PREFIX).partition("/")
        host = HOSTS.get(name)
        if host is None:
            known = ", ".join(sorted(HOSTS))
            return Response.error(404, f"no host is named {name!r}; known are {known}")
        if self._request.method != b"POST":
            return Response.error(405, "a hook is sent with POST")
        try:
            coding = self._request.header(b"content-encoding") or b""
            payload = msgspec.json.decode(decoded(self._request.body, coding.decode("latin-1")) or b"{}")
        except (msgspec.MsgspecError, Undecodable, RecursionError) as error:
            return Response.error(400, f"invalid hook payload: {error}")
        if not isinstance(payload, Mapping):
            return Response.error(400, f"invalid hook payload: expected an object, got {type(payload).__name__}")
        event = host.read({"hook_event_name": event_name, **payload} if event_name else payload)
        return Response.json(200, host.write(event, await self._sessions.apply(event)))

    def abort(self) -> None:
        """The host no longer waits; what it reported still counts."""

    def pause(self) -> None:
        """Answers are small."""

    def resume(self) -> None:
        """Answers are small."""
