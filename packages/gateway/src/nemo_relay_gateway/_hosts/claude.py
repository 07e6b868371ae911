# SPDX-License-Identifier: Apache-2.0
"""Claude Code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_gateway._hosts import shaped
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Origins

NAME = "claude-code"
write = shaped.write


def read(payload: Mapping[str, Any]) -> HookEvent:
    """A payload of Claude Code as an event."""
    return shaped.read(NAME, payload)


def origins(request: Request) -> Origins | None:
    """Who sends a provider request: Claude Code names the session, and the subagent as its hooks name it."""
    session = request.header(b"x-claude-code-session-id")
    if session is None:
        return None
    agent = request.header(b"x-claude-code-agent-id")
    parent = request.header(b"x-claude-code-parent-agent-id")
    return Origins(NAME, *(None if value is None else value.decode("latin-1") for value in (session, agent, parent)))  # type: ignore[arg-type]
