# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: its own thread, its own event loop, an ephemeral port on 127.0.0.1."""

import asyncio
import contextlib
import json
import threading
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

from . import anthropic_wire, gemini_wire, openai_wire, responses_wire
from .exchange import Exchange, RecordedRequest, Wire
from .replies import Failure
from .script import Script, ScriptReader

_MIB = 1024 * 1024
_JOIN_SECONDS = 10.0
_HOST = "127.0.0.1"

Numbering = Literal["arrival", "content"]


class ScriptedProvider:
    """A model provider on loopback that answers from a script.

    Used with `with`, or with `async with` inside an event loop. It speaks OpenAI Chat Completions
    (`POST /v1/chat/completions`) and Responses (`POST /v1/responses`), Anthropic Messages (`POST /v1/messages`),
    Gemini (`POST /v1beta/models/MODEL:generateContent`, `:streamGenerateContent`, `:countTokens`) and
    `GET /v1/models`. Requests are answered concurrently; a list answers in the order of arrival.

    Args:
        script: a list of answers, or a function (sync or async) from the parsed request body to an answer. A
            function runs on the server's thread and must not block: use `Reply.delay`, or make it async.
        api_key: refuse requests with another key (401); any key is fine when left out.
        models: the names that `GET /v1/models` lists.
        max_body_bytes: larger requests are refused with 413.
        keep_requests: how many of the newest requests `requests` holds.
        numbering: the ids of answers and tool calls count the requests as they arrive, or follow from what was asked
            (`"content"`): then concurrent requests get the same ids in every run, equal requests equal ones.

    Raises:
        TypeError: the script is neither a list nor callable.
        ValueError: `numbering` is neither of its two words.
        RuntimeError: on `start`, when the server does not come up.

    Example:
        >>> import urllib.request
        >>> with ScriptedProvider(["Hello!"]) as provider:
        ...     with urllib.request.urlopen(f"{provider.openai_url}/models") as answer:
        ...         answer.status
        200
    """

    def __init__(
        self,
        script: Script,
        *,
        api_key: str | None = None,
        models: tuple[str, ...] = ("scripted-1",),
        max_body_bytes: int = 16 * _MIB,
        keep_requests: int = 10_000,
        numbering: Numbering = "arrival",
    ) -> None:
        if numbering not in ("arrival", "content"):
            raise ValueError(f"numbering is 'arrival' or 'content', got {numbering!r}")
        self._numbering = numbering
        self._script = ScriptReader(script)
        self._api_key = api_key
        self._models = list(models)
        self._max_body_bytes = max_body_bytes
        self._kept: deque[RecordedRequest] = deque(maxlen=keep_requests)
        self._count = 0
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._port: int | None = None
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, the base URL an Anthropic client takes."""
        if self._port is None:
            raise RuntimeError("the scripted provider is not running; use it in a 'with' block")
        return f"http://{_HOST}:{self._port}"

    @property
    def openai_url(self) -> str:
        """`http://127.0.0.1:<port>/v1`, the base URL an OpenAI client takes."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, oldest first (at most `keep_requests`)."""
        return list(self._kept)

    @property
    def request_count(self) -> int:
        """How many requests came, also those no longer in `requests`."""
        return self._count

    def start(self) -> Self:
        """Starts the server and returns when it accepts connections."""
        if self._thread is not None:
            raise RuntimeError(f"the scripted provider at {self.url} is already running; start another one")
        self._thread = threading.Thread(target=self._run, name="nemo-relay-provider", daemon=True)
        self._thread.start()
        self._ready.wait(_JOIN_SECONDS)
        if self._port is None:
            raise RuntimeError(f"the scripted provider did not start: {self._failure!r}") from self._failure
        return self

    def close(self) -> None:
        """Stops the server, breaks what is still being answered, and joins its thread. Idempotent."""
        if self._thread is None:
            return
        if self._loop is not None and self._stop is not None:
            # The loop may be closed already, when the server ended by itself.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_JOIN_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        # Starting and closing wait for the server's thread, which an event loop must not.
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=self._max_body_bytes)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/responses", self._responses)
        app.router.add_post("/{version:v1[a-z]*}/models/{model}:{method}", self._gemini)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_route("*", "/{path:.*}", self._unknown)
        # handler_cancellation: a client that leaves ends its answer, as with a real provider.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, 0).start()
            self._port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, openai_wire)

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, anthropic_wire)

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, responses_wire)

    async def _gemini(self, request: web.Request) -> web.StreamResponse:
        wire = gemini_wire.GeminiWire(request.match_info["model"])
        match request.match_info["method"]:
            case "generateContent":
                return await self._answer(request, wire)
            case "streamGenerateContent":
                return await self._answer(request, wire, streams=True)
            case "countTokens":
                exchange = self._open(request, wire, await request.read())
                exchange.record.outcome = "sent"
                return web.json_response(gemini_wire.count_tokens(exchange.record.json or {}))
        return await self._unknown(request)

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        self._open(request, openai_wire, b"").record.outcome = "sent"
        return web.json_response(openai_wire.models(self._models))

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        failure = Failure(404, f"Invalid URL ({request.method} {request.path})")
        return self._open(request, openai_wire, b"").refuse(failure)

    async def _answer(self, request: web.Request, wire: Wire, *, streams: bool = False) -> web.StreamResponse:
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            failure = Failure(413, f"Request exceeds the maximum of {self._max_body_bytes} bytes")
            return self._open(request, wire, b"").refuse(failure)
        exchange = replace(self._open(request, wire, raw), streams=streams)
        try:
            if refusal := self._refusal(exchange):
                return exchange.refuse(refusal)
            return await exchange.send(await self._script.answer(exchange.record.json))
        except (ConnectionError, asyncio.CancelledError):
            exchange.record.outcome = "gone"
            raise

    def _refusal(self, exchange: Exchange) -> Failure | None:
        record = exchange.record
        if self._api_key is not None and _given_key(record.headers) != self._api_key:
            return Failure(401, "Incorrect API key provided.")
        if not isinstance(record.json, dict):
            return Failure(400, "We could not parse the JSON body of your request: it must be a JSON object.")
        return exchange.wire.check(record.json)

    def _open(self, request: web.Request, wire: Wire, raw: bytes) -> Exchange:
        record = RecordedRequest(request.method, request.path, request.headers, raw, _parsed(raw))
        self._count += 1
        self._kept.append(record)
        serial = self._count if self._numbering == "arrival" else _serial_of(record.json)
        return Exchange(request, record, wire, serial)


def _given_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get("x-api-key") or headers.get("x-goog-api-key")
    return key or headers.get("authorization", "").removeprefix("Bearer ") or None


def _serial_of(body: Any) -> int:
    return zlib.crc32(json.dumps(body, sort_keys=True).encode()) % 1_000_000


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
