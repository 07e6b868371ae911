# SPDX-License-Identifier: Apache-2.0
"""Gemini CLI: the provider's address by the environment, hooks by the user's settings for as long as a run needs them.

Settings of this run's own would have to be a system settings file, which Gemini CLI takes from root alone.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nemo_relay_cli.edits import Edit, read_object
from nemo_relay_cli.launch.plan import Plan, Run, forwarder, from_environment

AGENT = "gemini"
HOST = "gemini-cli"
COMMAND = "gemini"
INSTALL = "install it with: npm install -g @google/gemini-cli"
EVENTS = (
    *("SessionStart", "SessionEnd", "BeforeAgent", "AfterAgent", "BeforeTool", "AfterTool"),
    *("PreCompress", "Notification"),
)
MODEL_EVENTS = ("BeforeModel", "AfterModel")  # the second comes once a chunk, a process each time
_BASE = "GOOGLE_GEMINI_BASE_URL"
_KEY = "gemini-api-key"
_MILLISECONDS = 5000


def upstream(arguments: Sequence[str]) -> dict[str, str]:
    """Where the user's own provider is."""
    return from_environment({_BASE: "gemini"})


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How Gemini CLI is started.

    Args:
        command: the words that start it.
        arguments: the user's own, which follow.
        run: the gateway that it talks to.
    """
    settings = settings_file()
    chosen = read_object(settings).get("security", {}).get("auth", {}).get("selectedType")
    environment = run.hook_environment()
    by_key = chosen in (_KEY, None) and bool(os.environ.get("GEMINI_API_KEY"))
    notes = [f"{settings} has our hooks while this runs; it is put back afterwards"]
    if by_key:
        environment[_BASE] = run.base("gemini")
    else:
        notes.append("without GEMINI_API_KEY model calls go to Google directly: they are recorded from hooks")
    # With a base URL in the environment and nothing chosen, Gemini CLI ends with "Invalid auth method".
    change = partial(hooked, events=(*EVENTS, *(() if by_key else MODEL_EVENTS)), choose=by_key and chosen is None)
    words = shlex.join([*forwarder(), HOST])
    edit = Edit(settings, partial(change, command=words), (_KEY,) if by_key and chosen is None else ())
    return Plan(AGENT, [*command, *arguments], environment, notes=notes, edits=[edit])


def settings_file() -> Path:
    """The user's settings."""
    return Path(os.environ.get("GEMINI_CLI_HOME") or Path.home()) / ".gemini" / "settings.json"


def hooked(
    settings: dict[str, Any], command: str, events: Sequence[str] = EVENTS, choose: bool = False
) -> dict[str, Any]:
    """Settings with our hooks after those that are there.

    Args:
        settings: what is there.
        command: forwards a hook.
        events: the hooks.
        choose: say that the key in the environment is what identifies the user.
    """
    hooks = {name: list(groups) for name, groups in settings.get("hooks", {}).items()}
    for name in events:
        hook = {"name": "nemo-relay", "type": "command", "command": command, "timeout": _MILLISECONDS}
        hooks[name] = [*hooks.get(name, ()), {"hooks": [hook]}]
    security = settings.get("security", {})
    chosen = {"security": {**security, "auth": {**security.get("auth", {}), "selectedType": _KEY}}} if choose else {}
    return {**settings, **chosen, "hooks": hooks}
