# SPDX-License-Identifier: Apache-2.0
"""Qwen Code: hooks over HTTP by a system settings file of this run's own, the provider's address by the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo_relay_cli.edits import read_object
from nemo_relay_cli.launch.plan import TOKEN_HEADER, Plan, Run, from_environment

AGENT = "qwen"
HOST = "qwen"
COMMAND = "qwen"
INSTALL = "install it with: npm install -g @qwen-code/qwen-code"
_SYSTEM = "QWEN_CODE_SYSTEM_SETTINGS_PATH"
_PLACE = "/etc/qwen-code/settings.json"
EVENTS = (
    *("SessionStart", "SessionEnd", "UserPromptSubmit", "Stop", "StopFailure", "SubagentStart", "SubagentStop"),
    *("PreToolUse", "PostToolUse", "PostToolUseFailure", "PreCompact", "PostCompact", "Notification"),
)
_SECONDS = 5


def upstream(arguments: Sequence[str]) -> dict[str, str]:
    """Where the user's own provider is."""
    return from_environment({"OPENAI_BASE_URL": "openai"})


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How Qwen Code is started.

    Args:
        command: the words that start it.
        arguments: the user's own, which follow.
        run: the gateway that it talks to.
    """
    system = read_object(Path(os.environ.get(_SYSTEM, _PLACE)))
    hook = {
        "name": "nemo-relay",
        "type": "http",
        "url": f"{run.url}/hooks/{HOST}",
        "timeout": _SECONDS,
        "headers": {TOKEN_HEADER: "${NEMO_RELAY_HOOK_ID}"},
        "allowedEnvVars": ["NEMO_RELAY_HOOK_ID"],
    }
    environment = {
        **run.hook_environment(),
        _SYSTEM: "{run}/settings.json",
        "OPENAI_BASE_URL": f"{run.base('openai')}/v1",
    }
    made = Plan(AGENT, [*command, *arguments], environment, {"settings.json": json.dumps(hooked(system, hook))})
    user = read_object(Path.home() / ".qwen" / "settings.json")
    if any(settings.get("disableAllHooks") is True for settings in (system, user)):
        made.notes.append("your settings say disableAllHooks: tools and turns are not recorded, model calls are")
    return made


def hooked(settings: dict[str, Any], hook: dict[str, Any]) -> dict[str, Any]:
    """Settings with our hook, at every event, after those that are there."""
    hooks = {name: list(groups) for name, groups in settings.get("hooks", {}).items()}
    for name in EVENTS:
        hooks.setdefault(name, []).append({"matcher": "*", "hooks": [hook]})
    return {**settings, "hooks": hooks}
