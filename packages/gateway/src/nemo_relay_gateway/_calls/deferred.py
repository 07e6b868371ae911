# SPDX-License-Identifier: Apache-2.0
"""An exchange that begins once something is known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from nemo_relay_gateway._http.client import ClientConnection, Exchange
from nemo_relay_gateway._http.message import Response

_log = logging.getLogger(__name__)


class Deferred:
    """Stands for the exchange that ``making`` makes."""

    def __init__(self, client: ClientConnection, making: Coroutine[Any, Any, Exchange | None]) -> None:
        self._client = client
        self._making = making
        self._made: Exchange | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            self._made = await self._making
        except Exception:
            _log.exception("a request could not be answered")
            if not self._client.is_gone:
                self._client.respond(Response.error(500, "the gateway could not answer this request"))

    def abort(self) -> None:
        """The client is gone."""
        if self._made is None:
            self._task.cancel()
        else:
            self._made.abort()

    def pause(self) -> None:
        """The client reads slowly."""
        if self._made is not None:
            self._made.pause()

    def resume(self) -> None:
        """The client reads again."""
        if self._made is not None:
            self._made.resume()
