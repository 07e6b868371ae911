# SPDX-License-Identifier: Apache-2.0
"""One request and its answer: what arrived, and how the answer goes out."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from aiohttp import web

from .replies import Failure, Reply


class Wire(Protocol):
    """One provider's wire format; the modules `openai_wire` and `anthropic_wire` are two."""

    @property
    def REQUEST_ID_HEADER(self) -> str: ...

    def check(self, body: Mapping[str, Any], /) -> Failure | None: ...
    def unary(self, reply: Reply, body: Mapping[str, Any], serial: int, /) -> dict[str, Any]: ...
    def frames(self, reply: Reply, body: Mapping[str, Any], serial: int, /) -> Iterator[bytes]: ...
    def error(self, failure: Failure, serial: int, /) -> dict[str, Any]: ...


@dataclass(slots=True)
class RecordedRequest:
    """One request as it arrived.

    `headers` is case-insensitive, `body` the raw bytes, `json` the parsed body (None when it is not JSON).
    `outcome` tells how the answer went: `pending`, `sent`, `broken` (on purpose), or `gone` when the client
    left before the end.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    json: Any
    outcome: Literal["pending", "sent", "broken", "gone"] = "pending"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A recorded request that waits for its answer. ``streams``: it asked for a stream by its path."""

    request: web.Request
    record: RecordedRequest
    wire: Wire
    serial: int
    streams: bool = False

    async def send(self, answer: Reply | Failure) -> web.StreamResponse:
        """Sends the answer, after its delay."""
        await asyncio.sleep(answer.delay)
        if isinstance(answer, Failure):
            return self.refuse(answer)
        if self.streams or self.record.json.get("stream"):
            return await self._stream(answer)
        return await self._whole(answer)

    def refuse(self, failure: Failure) -> web.Response:
        """The error answer, in the provider's shape."""
        self.record.outcome = "sent"
        payload = self.wire.error(failure, self.serial)
        return web.json_response(payload, status=failure.status, headers=self._headers(failure.headers))

    async def _stream(self, reply: Reply) -> web.StreamResponse:
        response = self._response(reply, "text/event-stream")
        response.headers["cache-control"] = "no-cache"
        response.charset = "utf-8"
        await response.prepare(self.request)
        for index, frame in enumerate(self.wire.frames(reply, self.record.json, self.serial)):
            if index == reply.break_after:
                return self._broken(response)
            if index and reply.chunk_delay:
                await asyncio.sleep(reply.chunk_delay)
            await response.write(frame)
        await response.write_eof()
        self.record.outcome = "sent"
        return response

    async def _whole(self, reply: Reply) -> web.StreamResponse:
        payload = self.wire.unary(reply, self.record.json, self.serial)
        text = json.dumps(payload, separators=(",", ":")).encode()
        response = self._response(reply, "application/json")
        response.content_length = len(text)
        if reply.break_after == 0:
            return self._broken(response)
        await response.prepare(self.request)
        await response.write(text if reply.break_after is None else text[: len(text) // 2])
        if reply.break_after is not None:
            return self._broken(response)
        await response.write_eof()
        self.record.outcome = "sent"
        return response

    def _broken(self, response: web.StreamResponse) -> web.StreamResponse:
        # close(), not abort(): what was written before still arrives, so the break has a known place.
        if self.request.transport is not None:
            self.request.transport.close()
        self.record.outcome = "broken"
        return response

    def _response(self, reply: Reply, content_type: str) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._headers(reply.headers))
        response.content_type = content_type
        return response

    def _headers(self, extra: Mapping[str, str]) -> dict[str, str]:
        return {self.wire.REQUEST_ID_HEADER: f"req_{self.serial:06d}", **extra}
