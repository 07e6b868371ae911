# SPDX-License-Identifier: Apache-2.0
"""Claude Code: hooks and the provider's address by ``--settings``, for this process alone."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo_relay_cli.errors import LaunchError
from nemo_relay_cli.launch.plan import TOKEN_HEADER, Plan, Run, forwarder, from_environment

AGENT = "claude"
HOST = "claude-code"
COMMAND = "claude"
INSTALL = "install it with: npm install -g @anthropic-ai/claude-code"
_TOOL_EVENTS = ("PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest", "PermissionDenied")
_HTTP_EVENTS = (
    *_TOOL_EVENTS,
    *("SessionEnd", "UserPromptSubmit", "Stop", "StopFailure", "SubagentStart", "SubagentStop"),
    *("PreCompact", "PostCompact", "Notification"),
)
_SECONDS = 5
_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
_BASE = "ANTHROPIC_BASE_URL"


def upstream(arguments: Sequence[str]) -> dict[str, str]:
    """Where the user's own provider is: a setting goes over the environment."""
    given, _ = _own_settings(list(arguments))
    found = _configured(given, _BASE)
    return {"anthropic": found} if found else from_environment({_BASE: "anthropic"})


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How Claude Code is started.

    Args:
        command: the words that start it.
        arguments: the user's own, which follow.
        run: the gateway that it talks to.

    Raises:
        LaunchError: the user's own ``--settings`` cannot be read.
    """
    given, rest = _own_settings(arguments)
    settings = _merged(given, run)
    environment = {**run.hook_environment(), _BASE: run.url}
    headers = os.environ.get(_HEADERS, "")
    line = f"{TOKEN_HEADER}: {run.token}"
    environment[_HEADERS] = f"{headers}\n{line}" if headers else line
    files: dict[str, str] = {}
    text = json.dumps(settings)
    configured = _configured(given, _HEADERS)
    if configured is not None:  # a setting beats the environment; the token must not stand in a command line
        settings["env"][_HEADERS] = f"{configured}\n{line}"
        files["settings.json"] = json.dumps(settings)
        text = "{run}/settings.json"
    made = Plan(AGENT, [*command, "--settings", text, *rest], environment, files)
    if _hooks_are_off(given):
        made.notes.append("your settings say disableAllHooks: tools and turns are not recorded, model calls are")
    return made


def _merged(given: dict[str, Any], run: Run) -> dict[str, Any]:
    hook = {
        "type": "http",
        "url": f"{run.url}/hooks/{HOST}",
        "timeout": _SECONDS,
        "headers": {TOKEN_HEADER: "$NEMO_RELAY_HOOK_ID"},
        "allowedEnvVars": ["NEMO_RELAY_HOOK_ID"],
    }
    start = {"type": "command", "command": shlex.join([*forwarder(), HOST]), "timeout": _SECONDS}
    environment = {**given.get("env", {}), _BASE: run.url}
    return {**hooked(given, hook, start), "env": environment}


def hooked(settings: dict[str, Any], hook: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """Settings with our hooks after those that are there.

    Args:
        settings: what is there.
        hook: our own.
        start: that of the start of a session, which Claude Code does not report over HTTP.
    """
    hooks: dict[str, list[Any]] = {name: list(groups) for name, groups in settings.get("hooks", {}).items()}
    for name in _HTTP_EVENTS:
        matcher = {"matcher": "*"} if name in _TOOL_EVENTS else {}
        hooks.setdefault(name, []).append({**matcher, "hooks": [hook]})
    hooks.setdefault("SessionStart", []).append({"hooks": [start]})
    return {**settings, "hooks": hooks}


def _own_settings(arguments: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The user's own ``--settings``, a file or JSON, and the arguments without it."""
    rest, value = [], None
    words = iter(arguments)
    for word in words:
        if word == "--settings":
            value = next(words, None)
        elif word.startswith("--settings="):
            value = word.partition("=")[2]
        else:
            rest.append(word)
    if value is None:
        return {}, rest
    try:
        text = value if value.lstrip().startswith("{") else Path(value).read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise LaunchError(f"--settings {value!r} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise LaunchError(f"--settings {value!r} holds no object")
    return found, rest


def _user_settings() -> list[dict[str, Any]]:
    home = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    found = []
    for path in (home / "settings.json", Path(".claude/settings.json"), Path(".claude/settings.local.json")):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _configured(given: dict[str, Any], name: str) -> str | None:
    """A variable as the settings set it, which goes over the environment."""
    for settings in (given, *reversed(_user_settings())):
        environment = settings.get("env")
        if isinstance(environment, dict) and isinstance(environment.get(name), str):
            return str(environment[name])
    return None


def _hooks_are_off(given: dict[str, Any]) -> bool:
    return any(settings.get("disableAllHooks") is True for settings in (given, *_user_settings()))
