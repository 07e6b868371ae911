# SPDX-License-Identifier: Apache-2.0
"""Hooks in the hosts' own settings, for sessions that are not started by us: what is changed, host by host.

They go to a gateway that runs by itself, and stand aside where a launched run has hooks of its own. They are commands
with every host: a command gives up at once when no gateway is there.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nemo_relay_cli.edits import Edit
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.launch import claude, codex, copilot, cursor, gemini, qwen
from nemo_relay_cli.launch.plan import forwarder

Change = Callable[[Any], Any]


def edits(host: str, url: str) -> list[Edit]:
    """What installing changes.

    Args:
        host: the host's name, as its command has it.
        url: where the gateway is.

    Raises:
        ConfigurationError: it cannot be installed for that host.
    """
    made = _HOSTS.get(host)
    if made is None:
        raise ConfigurationError(f"{host!r} cannot be installed; known are {', '.join(_HOSTS)}; others are launched")
    return [made(url)]


def installable() -> tuple[str, ...]:
    """The hosts that can be."""
    return tuple(_HOSTS)


def _command(host: str, url: str) -> str:
    return shlex.join([*forwarder(), host, f"--installed={url}"])


def _home(variable: str, folder: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / folder)


def _claude(url: str) -> Edit:
    hook = {"type": "command", "command": _command(claude.HOST, url), "timeout": 10}
    path = _home("CLAUDE_CONFIG_DIR", ".claude") / "settings.json"
    return Edit(path, partial(claude.hooked, hook=hook, start=hook))


def _codex(url: str) -> Edit:
    path = _home("CODEX_HOME", ".codex") / "config.toml"
    command = _command(codex.HOST, url)
    return Edit(path, partial(codex.hooked, path=path, command=command), codex.trusted(command))


def _gemini(url: str) -> Edit:
    events = (*gemini.EVENTS, *gemini.MODEL_EVENTS)
    return Edit(gemini.settings_file(), partial(gemini.hooked, command=_command(gemini.HOST, url), events=events))


def _qwen(url: str) -> Edit:
    hook = {"name": "nemo-relay", "type": "command", "command": _command(qwen.HOST, url), "timeout": 10_000}
    return Edit(Path.home() / ".qwen" / "settings.json", partial(qwen.hooked, hook=hook))


def _copilot(url: str) -> Edit:
    path = _home("COPILOT_HOME", ".copilot") / "hooks" / "nemo-relay.json"
    return Edit(path, lambda found: copilot.hooks(shlex.join(forwarder()), f" --installed={url}"))


def _cursor(url: str) -> Edit:
    return Edit(Path.home() / ".cursor" / "hooks.json", partial(cursor.hooked, command=_command(cursor.HOST, url)))


_HOSTS: dict[str, Callable[[str], Edit]] = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "copilot": _copilot,
    "qwen": _qwen,
    "cursor": _cursor,
}
