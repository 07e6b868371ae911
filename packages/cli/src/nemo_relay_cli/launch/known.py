# SPDX-License-Identifier: Apache-2.0
"""The hosts that can be launched."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from nemo_relay_cli.launch import claude, codex, copilot, cursor, gemini, hermes, qwen

HOSTS: dict[str, ModuleType] = {one.AGENT: one for one in (claude, codex, gemini, copilot, qwen, cursor, hermes)}
_OTHER_NAMES = {"claude-code": "claude", "gemini-cli": "gemini", "cursor-agent": "cursor", "hermes-agent": "hermes"}


def by_program(command: str) -> ModuleType | None:
    """The host that a program is, by its name; None for any other program."""
    name = Path(command).name
    return HOSTS.get(_OTHER_NAMES.get(name, name))
