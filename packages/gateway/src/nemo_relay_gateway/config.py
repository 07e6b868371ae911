# SPDX-License-Identifier: Apache-2.0
"""What a gateway is told: where it listens, where providers are, what it refuses."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, fields
from typing import Final

from nemo_relay_gateway._http.upstream import Origin
from nemo_relay_gateway.errors import InvalidGatewayConfig

OPENAI, ANTHROPIC, GEMINI, CHATGPT = "openai", "anthropic", "gemini", "chatgpt"
DEFAULT_BASE_URLS: Final = {
    OPENAI: "https://api.openai.com/v1",
    ANTHROPIC: "https://api.anthropic.com",
    GEMINI: "https://generativelanguage.googleapis.com",
    CHATGPT: "https://chatgpt.com/backend-api/codex",
}
_MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """How a gateway behaves.

    Args:
        host: the address to listen on. Anything but loopback needs ``allow_remote``.
        port: the port to listen on; 0 for one that is free.
        allow_remote: listen beyond loopback, and accept any ``Host``. A token is then required.
        token: what clients must present, as the header ``x-nemo-relay-proxy-token`` or as the path prefix
            ``/run/TOKEN``; None lets every local process in.
        base_urls: where providers are, by name (``openai``, ``anthropic``, ``gemini``, ``chatgpt``); those that are
            left out have their usual address.
        auth_headers: ``Authorization`` values by provider, used only where a client sends no credential of its own,
            and only at the base URL of that provider.
        key_commands: the words of commands by provider that print a key, or an ``Authorization`` value; used where
            ``auth_headers`` would be. What one printed is used for five minutes, or until the provider refuses it.
        max_body_bytes: the largest body of a provider request.
        max_hook_bytes: the largest body of a hook.
        connect_seconds: how long a provider may take to accept a connection.
        agent_host: the one agent host that this gateway is for, by its name in hooks. Its provider requests that do not
            say which session they are of belong to its open session, where there is only one.
        idle_seconds: how long a provider may send nothing while an answer is under way; there is no limit for a whole
            answer, however long it streams.
        traceparent: the W3C trace context of whoever started this gateway, which its sessions continue.
        send_traceparent: tell providers the trace that a call belongs to.

    Raises:
        InvalidGatewayConfig: a value cannot be used; the text names it.
    """

    host: str = "127.0.0.1"
    port: int = 0
    allow_remote: bool = False
    token: str | None = field(default=None, repr=False)
    base_urls: dict[str, str] = field(default_factory=dict)
    auth_headers: dict[str, str] = field(default_factory=dict, repr=False)
    key_commands: dict[str, list[str]] = field(default_factory=dict)
    max_body_bytes: int = 100 * _MIB
    max_hook_bytes: int = 20 * _MIB
    connect_seconds: float = 30.0
    agent_host: str | None = None
    idle_seconds: float = 600.0
    traceparent: str | None = None
    send_traceparent: bool = False

    def __post_init__(self) -> None:
        self._check_address()
        for name in ("max_body_bytes", "max_hook_bytes", "connect_seconds", "idle_seconds"):
            if getattr(self, name) <= 0:
                raise InvalidGatewayConfig(name, getattr(self, name), "must be greater than 0")
        if self.token is not None and not re.fullmatch(r"[A-Za-z0-9._~-]{16,256}", self.token):
            raise InvalidGatewayConfig("token", "(not shown)", "has 16 to 256 characters of A-Z a-z 0-9 . _ ~ -")
        for where in ("base_urls", "auth_headers", "key_commands"):
            for provider in getattr(self, where):
                if provider not in DEFAULT_BASE_URLS:
                    known = ", ".join(DEFAULT_BASE_URLS)
                    raise InvalidGatewayConfig(where, provider, f"no such provider; known are {known}")
        for provider, value in self.auth_headers.items():
            if not value.isprintable() or not value.isascii():
                raise InvalidGatewayConfig("auth_headers", provider, "its value is no header value")
        for provider, words in self.key_commands.items():
            if type(words) is not list or not words or not all(type(word) is str for word in words):
                raise InvalidGatewayConfig("key_commands", provider, "is a list of words, the program first")
        if self.token is None and (self.auth_headers or self.key_commands):
            reason = "is required where the gateway adds credentials, which every local process could use"
            raise InvalidGatewayConfig("token", None, reason)
        self.origins()

    def _check_address(self) -> None:
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            raise InvalidGatewayConfig("host", self.host, "must be an IP address, such as 127.0.0.1") from None
        if not 0 <= self.port <= 65535:
            raise InvalidGatewayConfig("port", self.port, "must be 0 to 65535")
        if not address.is_loopback:
            if not self.allow_remote:
                raise InvalidGatewayConfig("host", self.host, "is not loopback; say allow_remote if that is meant")
            if self.token is None:
                raise InvalidGatewayConfig("token", None, "is required where other machines can connect")

    def origins(self) -> dict[str, Origin]:
        """Where each provider is.

        Raises:
            InvalidGatewayConfig: a base URL is none.
        """
        found = {}
        for provider, url in {**DEFAULT_BASE_URLS, **self.base_urls}.items():
            try:
                found[provider] = Origin.parse(url)
            except ValueError as error:
                raise InvalidGatewayConfig("base_urls", provider, str(error)) from None
        return found

    def replaced(self, **changes: object) -> GatewayConfig:
        """A copy with other values."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return GatewayConfig(**{**values, **changes})
