# SPDX-License-Identifier: Apache-2.0
"""The hosts that have hook endpoints, and whose provider requests are known by their headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nemo_relay_gateway._hosts import claude, codex, compatible, copilot, cursor, gemini, hermes, qwen
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Origins, Verdict


class Host(Protocol):
    """A module of a host."""

    NAME: str

    def read(self, payload: Mapping[str, Any]) -> HookEvent:
        """A payload as an event."""

    def write(self, event: HookEvent, verdict: Verdict) -> dict[str, Any]:
        """The host's answer."""

    def origins(self, request: Request) -> Origins | None:
        """Who sends a provider request."""


_ALL = (claude, codex, gemini, copilot, qwen, cursor, hermes, compatible)
HOSTS: dict[str, Any] = {host.NAME: host for host in _ALL}
_SESSION = b"x-nemo-relay-session-id"


def origins(request: Request) -> Origins | None:
    """Who sends a provider request: by our own headers first, then as each host says it; None where nobody says."""
    session = request.header(_SESSION)
    if session:
        agent = request.header(b"x-nemo-relay-subagent-id")
        return Origins("gateway", session.decode("latin-1"), agent.decode("latin-1") if agent else None)
    for host in HOSTS.values():
        found: Origins | None = host.origins(request)
        if found is not None:
            return found
    return None
