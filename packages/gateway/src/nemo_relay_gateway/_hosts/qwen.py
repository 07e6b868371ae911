# SPDX-License-Identifier: Apache-2.0
"""Qwen Code: hooks in Claude Code's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_gateway._hosts import shaped
from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._sessions.events import HookEvent, Origins

NAME = "qwen"
write = shaped.write


def read(payload: Mapping[str, Any]) -> HookEvent:
    """A payload of Qwen Code as an event."""
    return shaped.read(NAME, payload)


def origins(request: Request) -> Origins | None:
    """Qwen Code's requests do not say which session they are of."""
    return None
