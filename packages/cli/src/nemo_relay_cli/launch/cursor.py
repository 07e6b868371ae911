# SPDX-License-Identifier: Apache-2.0
"""Cursor: it takes hooks from files only, so the project's gets ours for as long as a run needs them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo_relay_cli.edits import Edit
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.launch.plan import Plan, Run, forwarder
from nemo_relay_gateway.hosts import CURSOR_EVENTS

AGENT = "cursor"
HOST = "cursor"
COMMAND = "cursor-agent"
INSTALL = "install it as cursor.com/cli says"
_SECONDS = 10


def upstream(arguments: Sequence[str]) -> dict[str, str]:
    """Cursor's model calls go to its own service."""
    return {}


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How Cursor's agent is started.

    Args:
        command: the words that start it.
        arguments: the user's own, which follow.
        run: the gateway that its hooks go to.
    """
    here = Path.cwd()
    folder = next((one for one in (here, *here.parents) if (one / ".cursor").is_dir()), here)
    edit = Edit(folder / ".cursor" / "hooks.json", lambda found: hooked(found, shlex.join([*forwarder(), HOST])))
    notes = [f"{edit.path} has our hooks while this runs; it is put back afterwards"]
    notes.append("model calls go to Cursor's service: they are recorded from hooks, and cannot be changed")
    return Plan(AGENT, [*command, *arguments], run.hook_environment(), notes=notes, edits=[edit])


def hooked(settings: dict[str, Any], command: str) -> dict[str, Any]:
    """A hook file with ours after those that are there; entries stand directly in the list of their event."""
    hooks = settings.get("hooks", {})
    if not isinstance(hooks, dict) or not all(isinstance(entries, list) for entries in hooks.values()):
        raise ConfigurationError("the project's .cursor/hooks.json has no lists of hooks; it is left as it is")
    entry = {"command": command, "timeout": _SECONDS}
    ours = {name: [*hooks.get(name, ()), entry] for name in CURSOR_EVENTS}
    return {"version": 1, **settings, "hooks": {**hooks, **ours}}
