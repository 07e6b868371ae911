# SPDX-License-Identifier: Apache-2.0
"""The gateway: it listens, lets in whom it may, and sends each request where it belongs."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from dataclasses import replace
from functools import lru_cache, partial
from importlib.metadata import version
from types import TracebackType
from typing import Self

from nemo_relay.runtime_registrations import is_shaped
from nemo_relay_gateway._calls.conversation import Conversation
from nemo_relay_gateway._calls.managed import Destination, ManagedExchange
from nemo_relay_gateway._calls.observed import CREDENTIALS, Heard, Place, observed
from nemo_relay_gateway._calls.passing import PassedCall
from nemo_relay_gateway._calls.upgraded import UpgradedCall
from nemo_relay_gateway._hosts.known import origins
from nemo_relay_gateway._http.client import ClientConnection, Connections, Exchange
from nemo_relay_gateway._http.message import Headers, Request, Response, forwardable
from nemo_relay_gateway._http.upstream import Origin, Outgoing, Pool
from nemo_relay_gateway._sessions.sessions import Sessions
from nemo_relay_gateway.config import CHATGPT, OPENAI, GatewayConfig
from nemo_relay_gateway.errors import AddressInUse
from nemo_relay_gateway.hooks import PREFIX, HookExchange
from nemo_relay_gateway.routes import Route, find, target, upgraded_surface

TOKEN_HEADER = b"x-nemo-relay-proxy-token"
_OURS = (b"x-nemo-relay-session-id", b"x-nemo-relay-subagent-id")
_RUN = b"/run/"
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
    """

    def __init__(self, config: GatewayConfig | None = None) -> None:
        self.config = config or GatewayConfig()
        self._origins = self.config.origins()
        self._pool = Pool(self.config.connect_seconds)
        self._clients = Connections()
        self.sessions = Sessions()
        self._server: asyncio.Server | None = None
        self.refusals: dict[int, int] = {}

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            AddressInUse: somebody else listens there.
        """
        loop = asyncio.get_running_loop()
        host, port = self.config.host, self.config.port
        try:
            self._server = await loop.create_server(lambda: ClientConnection(self, self._clients), host, port)
        except OSError as error:
            raise AddressInUse(host, port, error.strerror or str(error)) from None

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
        self._pool.close()
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
        if request.target == b"/healthz":
            return None
        if not self.config.allow_remote and not _is_local(request.header(b"host")):
            return Response.error(403, "the Host of the request is not this machine")
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
        if self.config.token is None or request.path == "/healthz":
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
        origin = self._origin(route, request)
        if self._is_self(origin):
            client.respond(Response.error(508, f"the base URL of {route.provider!r} points back at this gateway"))
            return None
        headers = self._headers(route, request)
        if request.upgrade:
            return self._upgrade(route, request, client, origin, headers)
        if route.surface is None:
            outgoing = Outgoing(origin, request.method, target(route, origin), headers, request.body)
            return _started(PassedCall(self._pool, client, outgoing, lambda: None))
        place, heard = self._placed(request)
        if route.surface.is_llm and is_shaped("llm"):
            to = Destination(self._pool, origin, target(route, origin), headers, self.config.send_traceparent)
            return _started(ManagedExchange(client, request, route.surface, place, to, heard))
        outgoing = Outgoing(origin, request.method, target(route, origin), headers, request.body)
        record = partial(observed, route.surface, request, place, heard)
        return _started(PassedCall(self._pool, client, outgoing, record))

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

    def _placed(self, request: Request) -> tuple[Place, Heard | None]:
        return self.sessions.place(origins(request))

    def _headers(self, route: Route, request: Request) -> Headers:
        """What the provider gets; the gateway's own credential only where the client has none."""
        headers = forwardable(request.headers, _OURS)
        credential = self.config.auth_headers.get(route.provider)
        if credential is not None and not any(key.lower() in CREDENTIALS for key, _ in headers):
            headers.append((b"Authorization", credential.encode()))
        return headers

    def _origin(self, route: Route, request: Request) -> Origin:
        provider = route.provider
        is_login = (request.header(b"authorization") or b"").startswith(b"Bearer eyJ")
        if provider == OPENAI and is_login and OPENAI not in self.config.base_urls:
            provider = CHATGPT  # a ChatGPT login, which the API itself would refuse
        return self._origins[provider]

    def _is_self(self, origin: Origin) -> bool:
        return origin.port == self.port and _is_local(origin.authority)

    def _local(self, request: Request) -> Response:
        if request.path == "/healthz" and request.method in (b"GET", b"HEAD"):
            return Response.json(200, {"status": "ok", "service": "nemo-relay", "version": _VERSION})
        return Response(404, [], b"")


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
