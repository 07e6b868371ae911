# SPDX-License-Identifier: Apache-2.0
"""The hosts that the gateway knows: their names, and the hook events of those that must be told them one by one."""

from __future__ import annotations

from nemo_relay_gateway._hosts.codex import EVENTS as CODEX_EVENTS
from nemo_relay_gateway._hosts.copilot import EVENTS as COPILOT_EVENTS
from nemo_relay_gateway._hosts.cursor import EVENTS as CURSOR_EVENTS
from nemo_relay_gateway._hosts.known import HOSTS as _HOSTS

NAMES = tuple(sorted(_HOSTS))

__all__ = ["CODEX_EVENTS", "COPILOT_EVENTS", "CURSOR_EVENTS", "NAMES"]
