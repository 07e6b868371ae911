# SPDX-License-Identifier: Apache-2.0
"""A call with middleware around it: guardrails, intercepts, caches and routes of the runtime decide about its bytes.

What nobody changed leaves as it came: the body that the client wrote, the events that the provider sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from nemo_relay import LLMRequest, llm
from nemo_relay.codecs import assembler, resolve
from nemo_relay.errors import GuardrailRejected, RelayError
from nemo_relay_gateway import credentials
from nemo_relay_gateway._calls.fetching import Answer, fetch
from nemo_relay_gateway._calls.frames import NOTHING, FrameCutter, encoded
from nemo_relay_gateway._calls.observed import Heard, Place, model_of, readable, shown_headers
from nemo_relay_gateway._http.client import ClientConnection
from nemo_relay_gateway._http.encodings import Decoder
from nemo_relay_gateway._http.message import Headers, Request, Response, first, forwardable, reason_of
from nemo_relay_gateway._http.upstream import Outgoing
from nemo_relay_gateway._sessions.positions import entered
from nemo_relay_gateway.errors import ProviderAnswered, ProviderUnreachable
from nemo_relay_gateway.routes import Surface

if TYPE_CHECKING:
    from nemo_relay_gateway._http.upstream import Origin, Pool

_log = logging.getLogger(__name__)
_TRACE = "traceparent"


@dataclass(frozen=True)
class Destination:
    """Where a call goes once middleware has had its say."""

    pool: Pool
    origin: Origin
    target: bytes
    headers: Headers  # as they are forwarded, credentials included
    send_traceparent: bool


class ManagedExchange:
    """One exchange that the runtime carries out."""

    def __init__(
        self,
        client: ClientConnection,
        request: Request,
        surface: Surface,
        place: Place,
        destination: Destination,
        on_response: Heard | None,
    ) -> None:
        self._on_response = on_response or (lambda response: None)
        self._client = client
        self._request = request
        self._surface = surface
        self._place = place
        self._to = destination
        self._content = readable(request.body, request.header(b"content-encoding"))
        self._shown = shown_headers(request.headers)
        self._answer: Answer | None = None
        self._raw: dict[int, tuple[Any, bytes]] = {}  # what the provider sent, by the object middleware got of it
        self._between: list[bytes] = []  # comments and other events without a value, in their places
        self._may_write = asyncio.Event()
        self._may_write.set()

    def start(self) -> None:
        """Begin."""
        with entered(self._place.stack):
            self._task = asyncio.get_running_loop().create_task(self._run())

    def abort(self) -> None:
        """The client is gone."""
        self._task.cancel()

    def pause(self) -> None:
        """The client reads slowly: nothing more is produced for now."""
        self._may_write.clear()

    def resume(self) -> None:
        """The client reads again."""
        self._may_write.set()

    async def _run(self) -> None:
        try:
            if isinstance(self._content, dict) and self._content.get("stream") is True:
                await self._stream()
            else:
                await self._unary()
        except ProviderAnswered as error:
            self._pass_on(error)
        except GuardrailRejected as error:
            reason = str(error).removeprefix("guardrail rejected: ")
            self._respond(403, str(error), "nemo_relay_guardrail_rejected", reason=reason)
        except ProviderUnreachable as error:
            self._respond(502, str(error))
        except RelayError as error:
            self._respond(400, str(error))
        except Exception as error:
            _log.exception("middleware failed")
            self._respond(500, f"middleware failed: {type(error).__name__}: {error}")
        finally:
            if self._answer is not None:
                self._answer.close()

    def _respond(self, status: int, message: str, kind: str = "nemo_relay_gateway_error", **more: str) -> None:
        if self._client.is_gone:
            return
        if self._client.has_answered:
            self._client.break_off()
        else:
            self._client.respond(Response.error(status, message, kind, **more))

    def _pass_on(self, answered: ProviderAnswered) -> None:
        if self._client.has_answered:
            self._client.break_off()
            return
        self._client.start(answered.status, answered.reason, answered.headers)
        self._client.write(answered.body)
        self._client.end()

    # --- the request --------------------------------------------------------------------------------------------

    def _arguments(self) -> dict[str, Any]:
        codec = resolve(self._surface.codec)
        model = model_of(self._content, self._request.path)
        return {
            "handle": self._place.parent,
            "metadata": self._place.metadata,
            "model_name": model,
            "codec": codec if isinstance(self._content, dict) else None,
            "response_codec": codec,
        }

    def _outgoing(self, request: LLMRequest) -> Outgoing:
        headers = self._edited_headers(request.headers)
        body = self._request.body
        if request.content is not self._content:
            body = msgspec.json.encode(request.content)
            headers = [pair for pair in headers if pair[0].lower() != b"content-encoding"]
        return Outgoing(self._to.origin, self._request.method, self._to.target, headers, body)

    def _edited_headers(self, wanted: dict[str, Any]) -> Headers:
        """The client's own fields with the differences that middleware made."""
        before = self._shown
        wanted = {key.lower(): str(value) for key, value in wanted.items()}
        if not self._to.send_traceparent and _TRACE not in before:
            wanted.pop(_TRACE, None)
        changed = {key for key, value in wanted.items() if before.get(key) != value}
        gone = {key for key in before if key not in wanted and key.encode("latin-1") not in credentials.NAMES}
        touched = {key.encode("latin-1") for key in changed | gone}
        kept = [pair for pair in self._to.headers if pair[0].lower() not in touched]
        added = [(key.encode("latin-1"), wanted[key].encode("latin-1")) for key in sorted(changed)]
        return forwardable([*kept, *added])

    # --- whole answers ------------------------------------------------------------------------------------------

    async def _unary(self) -> None:
        fetched: dict[int, tuple[Any, Answer, bytes]] = {}

        async def call(request: LLMRequest) -> Any:
            answer = await fetch(self._to.pool, self._outgoing(request))
            body = await answer.read()
            if answer.status >= 400:
                raise ProviderAnswered(answer.status, answer.reason, answer.headers, body)
            value = readable(body, first(answer.headers, b"content-encoding"))
            fetched[id(value)] = value, answer, body
            self._on_response(value)
            return value

        shown = LLMRequest(self._shown, self._content)
        result = await llm.execute(self._surface.name, shown, call, **self._arguments())
        if self._client.is_gone:
            return
        found = fetched.get(id(result))
        if found is not None:
            _, answer, body = found
            self._client.start(answer.status, answer.reason, answer.headers)
            self._client.write(body)
            self._client.end()
        else:
            last = next(reversed(fetched.values()), None)
            self._client.respond(Response(200, _edited(last[1].headers if last else []), msgspec.json.encode(result)))

    # --- streams ------------------------------------------------------------------------------------------------

    async def _stream(self) -> None:
        whole = assembler(self._surface.codec)
        shown = LLMRequest(self._shown, self._content)
        stream = await llm.stream_execute(
            *(self._surface.name, shown, self._chunks, whole.push, whole.finish), **self._arguments()
        )
        try:
            async for chunk in stream:
                self._open_stream()
                self._client.write(b"".join(self._between) + self._bytes_of(chunk))
                self._between.clear()
                await self._may_write.wait()
        finally:
            await stream.aclose()
            self._on_response(whole.partial)
        self._open_stream()
        self._client.write(b"".join(self._between))
        self._client.end()

    def _open_stream(self) -> None:
        if self._client.has_answered:
            return
        if self._answer is None:
            self._client.start(200, reason_of(200), [(b"content-type", b"text/event-stream")])
        else:
            drop = (b"content-length", b"content-encoding")
            headers = [pair for pair in self._answer.headers if pair[0].lower() not in drop]
            self._client.start(self._answer.status, self._answer.reason, headers)

    def _bytes_of(self, chunk: Any) -> bytes:
        original, raw = self._raw.pop(id(chunk), (NOTHING, b""))
        return raw if original is chunk else encoded(chunk)

    async def _chunks(self, request: LLMRequest) -> AsyncIterator[Any]:
        self._answer = answer = await fetch(self._to.pool, self._outgoing(request))
        kind = (first(answer.headers, b"content-type") or b"").lower()
        if answer.status >= 400 or not kind.startswith(b"text/event-stream"):
            self._answer = None
            raise ProviderAnswered(answer.status, answer.reason, answer.headers, await answer.read())
        decoder = Decoder((first(answer.headers, b"content-encoding") or b"").decode("latin-1"))
        cutter = FrameCutter()
        try:
            async for piece in answer.pieces():
                for frame in cutter.feed(decoder.feed(piece)):
                    if frame.value is NOTHING:
                        self._between.append(frame.raw)
                    else:
                        self._raw[id(frame.value)] = frame.value, frame.raw
                        yield frame.value
            self._between += [frame.raw for frame in cutter.finish()]
        finally:
            answer.close()


def _edited(headers: Headers) -> Headers:
    """The header fields of an answer whose body was made anew."""
    drop = (b"content-length", b"content-encoding", b"content-type")
    kept = [pair for pair in headers if pair[0].lower() not in drop]
    return [*kept, (b"content-type", b"application/json")]
