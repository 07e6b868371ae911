# SPDX-License-Identifier: Apache-2.0
"""A provider call as observers see it: the request when it starts, the answer when it has passed.

Nothing here stands between the bytes. What cannot be read, a body that is no JSON or a coding that nobody knows, is
recorded as text, and the call goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from nemo_relay import LLMRequest, ScopeStack, ScopeType, llm, scope
from nemo_relay.codecs import SSEAssembler, assembler, resolve
from nemo_relay_gateway import credentials
from nemo_relay_gateway._http.encodings import Decoder, Undecodable, decoded
from nemo_relay_gateway._http.message import Headers, Request, first
from nemo_relay_gateway._sessions.positions import entered
from nemo_relay_gateway.routes import Surface

_log = logging.getLogger(__name__)
_SHOWN = 100_000  # characters of a body that is no JSON
_STREAM_ERROR = "the provider sent an error in its stream"
CUT = {"otel.status_code": "ERROR", "otel.status_description": "the client left before the answer was whole"}


def readable(body: bytes, coding: bytes | None) -> Any:
    """A body for observers: its JSON value, else its text, else how many bytes it has."""
    try:
        plain = decoded(body, coding.decode("latin-1")) if coding else body
    except Undecodable as error:
        return {"unreadable": str(error), "bytes": len(body)}
    if not plain:
        return None
    try:
        return msgspec.json.decode(plain)
    except (msgspec.MsgspecError, RecursionError):
        return plain[:_SHOWN].decode("utf-8", "replace")


def shown_headers(headers: Headers) -> dict[str, str]:
    """Header fields for observers: credentials stay out, whatever an exporter would do with them."""
    return {
        key.decode("latin-1").lower(): value.decode("latin-1")
        for key, value in headers
        if key.lower() not in credentials.NAMES
    }


Heard = Callable[[Any], None]  # told the response of a call when it has passed


class Place(NamedTuple):
    """Where a call stands: the scope it belongs to, None for the current one, and what its events say of its host;
    the stack that is current when it starts, None for the root's.
    """

    parent: Any = None
    metadata: dict[str, Any] | None = None
    stack: ScopeStack | None = None


class ObservedCall:
    """The record of one call, written as its bytes pass."""

    def __init__(self, surface: Surface, request: Request, place: Place, on_response: Heard | None) -> None:
        self._on_response = on_response
        self._surface = surface
        self._parts: list[bytes] = []
        self._stream: SSEAssembler | None = None
        self._decoder: Decoder | None = None
        self._status = 0
        self._coding: bytes | None = None
        self._started = time.perf_counter()
        self._first: float | None = None
        self._over = False
        content = readable(request.body, request.header(b"content-encoding"))
        with entered(place.stack):
            self._start(surface, request, place, content)

    def _start(self, surface: Surface, request: Request, place: Place, content: Any) -> None:
        headers = shown_headers(request.headers)
        if surface.is_llm:
            self.handle: Any = llm.call(
                surface.name,
                LLMRequest(headers, content),
                handle=place.parent,
                metadata=place.metadata,
                model_name=model_of(content, request.path),
                codec=resolve(surface.codec),
            )
        else:
            payload = {"headers": headers, "content": content}
            self.handle = scope.start(
                *(surface.name, ScopeType.Embedder), parent=place.parent, metadata=place.metadata, input=payload
            )

    def head(self, status: int, headers: Headers) -> None:
        """The head of the answer has passed."""
        self._status = status
        self._coding = first(headers, b"content-encoding")
        kind = (first(headers, b"content-type") or b"").lower()
        if status < 300 and kind.startswith(b"text/event-stream") and self._surface.codec:
            self._stream = SSEAssembler(assembler(self._surface.codec))
            try:
                self._decoder = Decoder((self._coding or b"").decode("latin-1"))
            except Undecodable:
                self._stream = None

    def data(self, data: bytes) -> None:
        """A piece of the answer's body has passed."""
        if self._first is None:
            self._first = time.perf_counter()
        if self._stream is not None and self._decoder is not None:
            try:
                self._stream.feed(self._decoder.feed(data))
                return
            except Undecodable:
                self._stream = None
        self._parts.append(data)

    def end(self) -> None:
        """The answer has passed whole."""
        status = {"otel.status_code": "OK"}
        if self._status >= 400:
            status = {"otel.status_code": "ERROR", "otel.status_description": f"HTTP {self._status}"}
        elif self._stream is not None and self._stream.assembler.error is not None:
            status = {
                "otel.status_code": "ERROR",
                "otel.status_description": "the provider sent an error in its stream",
            }
        self._finish(status)

    def fail(self, text: str) -> None:
        """The answer did not come, or not whole."""
        self._finish({"otel.status_code": "ERROR", "otel.status_description": text})

    def cut(self) -> None:
        """The client left."""
        self._finish(CUT)

    def _finish(self, status: dict[str, Any]) -> None:
        if self._over:
            return
        self._over = True
        whole = status["otel.status_code"] == "OK"
        metadata = {**status, "http.response.status_code": self._status} if self._status else status
        response = self._response()
        if self._on_response is not None:
            self._on_response(response)
        if not self._surface.is_llm:
            scope.end(self.handle, output=response, metadata=metadata)
            return
        streamed = self._stream is not None and self._first is not None
        readable_answer = isinstance(response, dict) and (whole or self._stream is not None)
        llm.call_end(
            self.handle,
            response,
            metadata=metadata,
            response_codec=resolve(self._surface.codec) if readable_answer else None,
            time_to_first_chunk=self._first - self._started if streamed and self._first else None,
        )

    def _response(self) -> Any:
        if self._stream is not None:
            return self._stream.finish() if self._first is not None else None
        body = b"".join(self._parts)
        self._parts.clear()
        value = readable(body, self._coding)
        if isinstance(value, list) and self._surface.codec:  # Gemini's stream without server-sent events
            whole = assembler(self._surface.codec)
            for chunk in value:
                whole.push(chunk)
            return whole.finish()
        return value


def observed(surface: Surface, request: Request, place: Place, on_response: Heard | None) -> ObservedCall | None:
    """The record of a call that begins; None, and a line in the log, where it cannot be made: the call goes on."""
    try:
        return ObservedCall(surface, request, place, on_response)
    except Exception:
        _log.exception("a call is not recorded")
        return None


def model_of(content: Any, path: str) -> str | None:
    """The model that a request names: in its body, or in its path as Gemini has it."""
    model = content.get("model") if isinstance(content, dict) else None
    if isinstance(model, str):
        return model
    _, found, rest = path.rpartition("/models/")
    return rest.partition(":")[0] if found else None
