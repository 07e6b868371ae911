# SPDX-License-Identifier: Apache-2.0
"""The gateway: it listens, lets in whom it may, and sends each request where it belongs."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Coroutine
from dataclasses import replace
from functools import lru_cache, partial
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

from nemo_relay.runtime_registrations import is_shaped
from nemo_relay_gateway._calls.conversation import Conversation
from nemo_relay_gateway._calls.deferred import Deferred
from nemo_relay_gateway._calls.managed import Destination, ManagedExchange
from nemo_relay_gateway._calls.observed import Heard, Place, observed
from nemo_relay_gateway._calls.passing import PassedCall
from nemo_relay_gateway._calls.upgraded import UpgradedCall
from nemo_relay_gateway._hosts.known import origins
from nemo_relay_gateway._http.client import ClientConnection, Connections, Exchange
from nemo_relay_gateway._http.message import Headers, Request, Response, forwardable
from nemo_relay_gateway._http.upstream import Origin, Outgoing, Pool
from nemo_relay_gateway._sessions.positions import position
from nemo_relay_gateway._sessions.sessions import Sessions
from nemo_relay_gateway._sessions.shared import SharedSessions
from nemo_relay_gateway.config import CHATGPT, OPENAI, GatewayConfig
from nemo_relay_gateway.credentials import Credentials
from nemo_relay_gateway.errors import AddressInUse, CredentialUnavailable
from nemo_relay_gateway.hooks import PREFIX, HookExchange
from nemo_relay_gateway.metrics import Metrics
from nemo_relay_gateway.routes import Route, Surface, find, target, upgraded_surface
from nemo_relay_state import State

TOKEN_HEADER = b"x-nemo-relay-proxy-token"
_OURS = (b"x-nemo-relay-session-id", b"x-nemo-relay-subagent-id")
_RUN = b"/run/"
_BACKLOG = 1024  # connections that wait to be accepted: a host sends many hooks at once
_OPEN = frozenset(("/healthz", "/readyz", "/metrics"))  # for balancers and collectors, which have no token
_VERSION = version("nemo-relay-gateway")


class Gateway:
    """Listens on one address until it is closed.

    >>> import asyncio
    >>> async def main():
    ...     async with Gateway(GatewayConfig()) as gateway:
    ...         return gateway.url
    >>> asyncio.run(main()).startswith("http://127.0.0.1:")
    True

    Args:
        config: how it behaves.
        state: what it shares with its replicas; None for a gateway that stands alone.
    """

    def __init__(self, config: GatewayConfig | None = None, state: State | None = None) -> None:
        self.config = config or GatewayConfig()
        self._origins = self.config.origins()
        self._pool = Pool(self.config.connect_seconds)
        self._clients = Connections()
        above = position(self.config.traceparent)
        self._shared = None if state is None else SharedSessions(state)
        self.sessions = Sessions(self.config.agent_host, above) if self._shared is None else self._shared
        self._server: asyncio.Server | None = None
        self._credentials = Credentials(self.config.auth_headers, self.config.key_commands)
        self._leaves = False
        self.refusals: dict[int, int] = {}
        self.metrics = Metrics()

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            AddressInUse: somebody else listens there.
        """
        loop = asyncio.get_running_loop()
        host, port = self.config.host, self.config.port
        try:
            self._server = await loop.create_server(
                lambda: ClientConnection(self, self._clients), host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise AddressInUse(host, port, error.strerror or str(error)) from None
        self._watch = loop.create_task(self._pool.watch(self.config.idle_seconds))
        if self._shared is not None:
            await self._shared.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None, "the gateway has not been started"
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    @property
    def url(self) -> str:
        """Where local clients reach it."""
        host = self.config.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def close(self, grace: float = 10.0) -> None:
        """Stop listening, let answers that are under way end, and close what is left.

        Args:
            grace: how long in seconds they may take.
        """
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for client in list(self._clients):
            client.drain()
        await self._clients.wait_closed(grace)
        for client in list(self._clients):
            client.transport.abort()
        await asyncio.sleep(0)
        if server is not None:
            self._watch.cancel()
        self._pool.close()
        if self._shared is not None:
            await self._shared.stop()
        self.sessions.close("gateway_shutdown")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- requests -----------------------------------------------------------------------------------------------

    def limit(self, target: bytes) -> int:
        """The largest body in bytes for a request target."""
        return self.config.max_hook_bytes if b"/hooks/" in target else self.config.max_body_bytes

    def refused(self, status: int) -> None:
        """Count a request that was refused."""
        self.refusals[status] = self.refusals.get(status, 0) + 1

    def answered(self, client: ClientConnection, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            client: who gets it.
            status: its status.
            seconds: how long its head took.
        """
        self.metrics.answered(status, seconds)
        if status == 401 and client.provider:
            self._credentials.rejected(client.provider)

    def answer(self, request: Request, client: ClientConnection) -> Exchange | None:
        """Begin to answer a request.

        Args:
            request: its head; the body follows.
            client: the connection that it came on.

        Returns:
            The exchange that gets the body; None where the request was refused or answered at once.
        """
        refusal = self._unwelcome(request)
        if refusal is None:
            request, is_known = self._admitted(request)
            if is_known:
                return self._dispatch(request, client)
            refusal = _UNKNOWN_CLIENT
        self.refused(refusal.status)
        client.respond(refusal)
        return None

    def _unwelcome(self, request: Request) -> Response | None:
        if request.path in _OPEN:
            return None
        if not self.config.allow_remote and not _is_local(request.header(b"host")):
            return Response.error(403, "the Host of the request is not this machine")
        if self.config.token is None and not _is_own_page(request.header(b"origin")):
            return Response.error(403, "a page of another site may not use a gateway that has no token")
        return None

    def _admitted(self, request: Request) -> tuple[Request, bool]:
        """The request without what proves that it may come in, and whether it may."""
        given = request.header(TOKEN_HEADER)
        if given is not None:
            request = replace(request, headers=[pair for pair in request.headers if pair[0].lower() != TOKEN_HEADER])
        if request.target.startswith(_RUN):
            token, _, rest = request.target[len(_RUN) :].partition(b"/")
            given = given or token
            request = replace(request, target=b"/" + rest)
        if self.config.token is None or request.path in _OPEN:
            return request, True
        return request, hmac.compare_digest(given or b"", self.config.token.encode())

    def _dispatch(self, request: Request, client: ClientConnection) -> Exchange | None:
        if request.path.startswith(PREFIX):
            hook = HookExchange(client, request, self.sessions)
            hook.start()
            return hook
        route = find(request)
        if route is None:
            client.respond(self._local(request))
            return None
        client.provider = route.provider
        self.metrics.requests[route.provider, route.surface.name if route.surface else "other"] += 1
        origin = self._origin(route, request)
        if self._is_self(origin):
            client.respond(Response.error(508, f"the base URL of {route.provider!r} points back at this gateway"))
            return None
        headers = forwardable(request.headers, _OURS)
        if not self._credentials.missing(route.provider, headers):
            return self._forward(route, request, client, origin, headers)
        return self._later(client, self._with_key(route, request, client, origin, headers))

    async def _with_key(
        self, route: Route, request: Request, client: ClientConnection, origin: Origin, headers: Headers
    ) -> Exchange | None:
        try:
            await self._credentials.fetch(route.provider)
        except CredentialUnavailable as error:
            client.respond(Response.error(502, str(error)))
            return None
        return self._forward(route, request, client, origin, headers)

    def _later(self, client: ClientConnection, making: Coroutine[Any, Any, Exchange | None]) -> Exchange:
        deferred = Deferred(client, making)
        deferred.start()
        return deferred

    def _forward(
        self, route: Route, request: Request, client: ClientConnection, origin: Origin, headers: Headers
    ) -> Exchange | None:
        headers = self._credentials.completed(route.provider, headers)
        if request.upgrade:
            return self._upgrade(route, request, client, origin, headers)
        if route.surface is None:
            outgoing = Outgoing(origin, request.method, target(route, origin), headers, request.body)
            return _started(PassedCall(self._pool, client, outgoing, lambda: None))
        to = Destination(self._pool, origin, target(route, origin), headers, self.config.send_traceparent)
        if self._shared is None:
            return self._observe(route.surface, request, client, to, *self.sessions.place(origins(request)))
        return self._later(client, self._observe_shared(route.surface, request, client, to))

    async def _observe_shared(
        self, surface: Surface, request: Request, client: ClientConnection, to: Destination
    ) -> Exchange:
        return self._observe(surface, request, client, to, *await self._placed(request))

    def _observe(
        self,
        surface: Surface,
        request: Request,
        client: ClientConnection,
        to: Destination,
        place: Place,
        on_response: Heard | None,
    ) -> Exchange:
        if place.parent is None and request.header(b"traceparent") is not None:
            place = place._replace(stack=position(request.header(b"traceparent"), request.header(b"tracestate")))
        if surface.is_llm and is_shaped("llm"):
            return _started(ManagedExchange(client, request, surface, place, to, on_response))
        outgoing = Outgoing(to.origin, request.method, to.target, to.headers, request.body)
        return _started(
            PassedCall(self._pool, client, outgoing, partial(observed, surface, request, place, on_response))
        )

    def _upgrade(
        self, route: Route, request: Request, client: ClientConnection, origin: Origin, headers: Headers
    ) -> Exchange | None:
        """A WebSocket: its bytes pass, and middleware, which takes part in calls over HTTP, must not be passed by."""
        surface = upgraded_surface(request)
        if surface is not None and is_shaped("llm"):
            client.respond(Response.error(501, _NO_MIDDLEWARE))
            return None
        headers = [*headers, (b"Connection", b"Upgrade"), (b"Upgrade", request.upgrade)]
        outgoing = Outgoing(origin, request.method, target(route, origin), headers, b"")

        def begun(answered: Headers) -> Conversation | None:
            if surface is None:
                return None
            return Conversation(surface, request, answered, self._placed, self.config.max_body_bytes)

        return _started(UpgradedCall(self._pool, client, outgoing, begun))

    async def _placed(self, request: Request) -> tuple[Place, Heard | None]:
        if self._shared is not None:
            return await self._shared.placed(origins(request))
        return self.sessions.place(origins(request))

    def _origin(self, route: Route, request: Request) -> Origin:
        provider = route.provider
        is_login = (request.header(b"authorization") or b"").startswith(b"Bearer eyJ")
        if provider == OPENAI and is_login and OPENAI not in self.config.base_urls:
            provider = CHATGPT  # a ChatGPT login, which the API itself would refuse
        return self._origins[provider]

    def _is_self(self, origin: Origin) -> bool:
        return origin.port == self.port and _is_local(origin.authority)

    def _local(self, request: Request) -> Response:
        if request.method not in (b"GET", b"HEAD") or request.path not in _OPEN:
            return Response(404, [], b"")
        if request.path == "/metrics":
            text = self.metrics.text(self._gauges()).encode()
            return Response(200, [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")], text)
        if request.path == "/readyz":
            return Response.json(*((200, {"status": "ready"}) if self.is_ready else (503, {"status": "not ready"})))
        return Response.json(200, {"status": "ok", "service": "nemo-relay", "version": _VERSION})

    @property
    def is_ready(self) -> bool:
        """Whether a balancer should send requests here: it is not about to end, and the shared state answers."""
        is_alone = self._shared is None or self._shared.is_answered
        return self._server is not None and not self._leaves and is_alone

    def leave(self) -> None:
        """Say on ``/readyz`` that no more requests are wanted; those that come all the same are answered."""
        self._leaves = True

    def _gauges(self) -> dict[str, tuple[str, float]]:
        gauges: dict[str, tuple[str, float]] = {
            "connections": ("Connections of clients.", len(self._clients)),
            "requests_in_flight": ("Requests that are being answered.", sum(each.is_busy for each in self._clients)),
            "sessions": ("Sessions of hosts that are open here.", len(self.sessions)),
            "refusals_total": ("Requests that were refused before anybody answered.", sum(self.refusals.values())),
            "ready": ("1 where /readyz says so.", self.is_ready),
        }
        if self._shared is not None:
            gauges["state_failures_total"] = ("Times the shared state did not answer.", self._shared.unavailable)
        return gauges


def _started(exchange: PassedCall | ManagedExchange | UpgradedCall) -> Exchange:
    exchange.start()
    return exchange


_NO_MIDDLEWARE = (
    "middleware is registered, and it takes part in calls over HTTP only: "
    "send this one with POST, or switch WebSockets off in the client"
)
_UNKNOWN_CLIENT = Response.error(
    401, f"unauthorized gateway client: {TOKEN_HEADER.decode()} is missing or not that of this run"
)


def _is_own_page(origin: bytes | None) -> bool:
    """Whether a request comes from no page of the web, or from one of this machine. Browsers send simple requests, and
    WebSockets, to any address without asking first.
    """
    if origin is None:
        return True
    scheme, _, host = origin.partition(b"://")
    return origin != b"null" and (scheme not in (b"http", b"https") or _is_local(host))


@lru_cache(maxsize=64)
def _is_local(host: bytes | None) -> bool:
    """Whether a ``Host`` names this machine by a loopback address: a page in a browser cannot forge that."""
    name = (host or b"").decode("latin-1").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
