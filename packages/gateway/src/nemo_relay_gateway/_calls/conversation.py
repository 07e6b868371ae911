# SPDX-License-Identifier: Apache-2.0
"""Model calls over one WebSocket: OpenAI's Responses, whose events are those of its stream, a message each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from nemo_relay_gateway._calls.observed import Heard, ObservedCall, Place
from nemo_relay_gateway._http.message import Headers, Request, first
from nemo_relay_gateway.routes import Surface

if TYPE_CHECKING:
    from websockets.extensions.permessage_deflate import PerMessageDeflate
    from websockets.protocol import Side

_BEGINS = "response.create"
_ENDS = frozenset(("response.completed", "response.failed", "response.incomplete", "response.cancelled", "error"))
_STREAM = [(b"content-type", b"text/event-stream")]
Placing = Callable[[Request], Awaitable[tuple[Place, Heard | None]]]


class Conversation:
    """The record of one WebSocket.

    Args:
        surface: what its calls are recorded as.
        handshake: the request that opened it.
        headers: the provider's answer to it.
        placing: where a call belongs.
        limit: the largest message in bytes that is recorded.
    """

    def __init__(self, surface: Surface, handshake: Request, headers: Headers, placing: Placing, limit: int) -> None:
        from websockets.protocol import CLIENT, SERVER

        self._surface = surface
        self._handshake = handshake
        self._placing = placing
        extensions = first(headers, b"sec-websocket-extensions")
        self._sent = _Messages(SERVER, extensions, limit)
        self._received = _Messages(CLIENT, extensions, limit)
        self._open: dict[Any, ObservedCall] = {}  # by the stream in the connection, None where there is one alone

    @property
    def is_idle(self) -> bool:
        """Whether no call is under way."""
        return not self._open

    async def sent(self, data: bytes) -> None:
        """Bytes that the provider is about to get."""
        for message in self._sent.feed(data):
            event = _event(message)
            if event is not None and event.get("type") == _BEGINS:
                await self._begin(event)

    async def _begin(self, event: dict[str, Any]) -> None:
        content = {key: value for key, value in event.items() if key not in ("type", "stream_id")}
        stream = event.get("stream_id")
        before = self._open.pop(stream, None)
        if before is not None:
            before.fail("another call began on the same stream")
        headers = [*self._handshake.headers, *_metadata(content)]
        request = replace(self._handshake, headers=headers, body=msgspec.json.encode(content))
        call = ObservedCall(self._surface, request, *await self._placing(request))
        call.head(101, _STREAM)
        self._open[stream] = call

    def received(self, data: bytes) -> None:
        """Bytes that the client has got."""
        for message in self._received.feed(data):
            event = _event(message)
            stream = None if event is None else event.get("stream_id")
            call = self._open.get(stream)
            if event is None or call is None:
                continue
            kind = event.get("type")
            call.data(b"event: %b\ndata: %b\n\n" % (str(kind).encode(), msgspec.json.encode(event)))
            if kind in _ENDS:
                del self._open[stream]
                call.end()

    def end(self, why: str | None) -> None:
        """The connection has ended; ``why`` is None where the client ended it."""
        calls, self._open = self._open, {}
        for call in calls.values():
            call.cut() if why is None else call.fail(why)


def _event(message: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(message)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _metadata(content: dict[str, Any]) -> Headers:
    """What a client says of one call, where a call over HTTP says it in header fields."""
    found = content.get("client_metadata")
    pairs = found.items() if isinstance(found, dict) else ()
    return [
        (key.encode(), value.encode()) for key, value in pairs if key.startswith("x-codex-") and isinstance(value, str)
    ]


class _Messages:
    """The messages of one direction."""

    def __init__(self, side: Side, extensions: bytes | None, limit: int) -> None:
        from websockets.protocol import Protocol

        self._protocol = Protocol(side, max_size=limit)
        self._protocol.extensions = [*_deflate(side, extensions)]
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes.

        Raises:
            ValueError: the bytes are no WebSocket, or a message is larger than the limit.
        """
        from websockets.frames import Opcode

        self._protocol.receive_data(data)
        self._protocol.data_to_send()  # an observer answers no ping
        found = []
        for frame in self._protocol.events_received():
            opcode = getattr(frame, "opcode", None)
            if opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            self._parts.append(bytes(frame.data))  # type: ignore[union-attr]
            if frame.fin:  # type: ignore[union-attr]
                found.append(b"".join(self._parts))
                self._parts.clear()
        if self._protocol.parser_exc is not None:
            raise ValueError(f"this is no WebSocket: {self._protocol.parser_exc}")
        return found


def _deflate(side: Side, header: bytes | None) -> list[PerMessageDeflate]:
    """What undoes the compression that both ends agreed on."""
    from websockets.extensions.permessage_deflate import PerMessageDeflate
    from websockets.headers import parse_extension
    from websockets.protocol import CLIENT

    for name, parameters in parse_extension((header or b"").decode("latin-1")) if header else []:
        if name == "permessage-deflate":
            fields = dict(parameters)
            remote, local = ("server", "client") if side is CLIENT else ("client", "server")
            return [
                PerMessageDeflate(
                    f"{remote}_no_context_takeover" in fields,
                    f"{local}_no_context_takeover" in fields,
                    int(fields.get(f"{remote}_max_window_bits") or 15),
                    int(fields.get(f"{local}_max_window_bits") or 15),
                )
            ]
    return []
