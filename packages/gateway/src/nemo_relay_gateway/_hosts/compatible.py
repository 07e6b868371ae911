# SPDX-License-Identifier: Apache-2.0
"""Any host whose hooks have Claude Code's shape: VS Code agents, Devin, and those that are yet to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_gateway._hosts import shaped
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Origins

NAME = "compatible"
write = shaped.write


def read(payload: Mapping[str, Any]) -> HookEvent:
    """A payload as an event."""
    return shaped.read(NAME, payload)


def origins(request: Request) -> Origins | None:
    """What is not known sends no header that is."""
    return None
