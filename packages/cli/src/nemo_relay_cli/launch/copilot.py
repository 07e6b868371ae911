# SPDX-License-Identifier: Apache-2.0
"""GitHub Copilot CLI: hooks by a plugin folder of this run's own; with a model provider of the user's, its address."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from typing import Any

from nemo_relay_cli.launch.plan import Plan, Run, forwarder
from nemo_relay_gateway.hosts import COPILOT_EVENTS

AGENT = "copilot"
HOST = "copilot"
COMMAND = "copilot"
INSTALL = "install it with: npm install -g @github/copilot"
_BASE = "COPILOT_PROVIDER_BASE_URL"
_SECONDS = 5


def upstream(arguments: Sequence[str]) -> dict[str, str]:
    """Where the user's own provider is."""
    url = os.environ.get(_BASE)
    return {_provider(): url} if url else {}


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How Copilot CLI is started.

    Args:
        command: the words that start it.
        arguments: the user's own, which follow.
        run: the gateway that it talks to.
    """
    environment = run.hook_environment()
    notes = []
    if os.environ.get(_BASE):
        provider = _provider()
        environment[_BASE] = run.base(provider) + ("/v1" if provider == "openai" else "")
    else:
        notes.append(f"model calls go to GitHub and are not recorded; {_BASE} names a provider of yours")
    files = {
        "plugin/plugin.json": json.dumps({"name": "nemo-relay", "version": "1.0.0", "hooks": "hooks.json"}),
        "plugin/hooks.json": json.dumps(hooks(shlex.join(forwarder()))),
    }
    return Plan(AGENT, [*command, "--plugin-dir", "{run}/plugin", *arguments], environment, files, notes)


def hooks(words: str, more: str = "") -> dict[str, Any]:
    """Copilot's hook file. Payloads do not name their event, so the command does.

    Args:
        words: the command that forwards a hook.
        more: what follows the host and the event.

    Returns:
        The file.
    """
    made = {
        event: [{"type": "command", "bash": f"{words} {HOST}/{event}{more}", "timeoutSec": _SECONDS}]
        for event in COPILOT_EVENTS
    }
    return {"version": 1, "hooks": made}


def _provider() -> str:
    return "anthropic" if os.environ.get("COPILOT_PROVIDER_TYPE") == "anthropic" else "openai"
