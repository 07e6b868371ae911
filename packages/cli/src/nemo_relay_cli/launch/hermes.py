# SPDX-License-Identifier: Apache-2.0
"""Hermes Agent: hooks by a managed configuration folder of this run's own."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nemo_relay_cli.edits import Edit
from nemo_relay_cli.errors import LaunchError
from nemo_relay_cli.launch.plan import Plan, Run, forwarder

AGENT = "hermes"
HOST = "hermes"
COMMAND = "hermes"
INSTALL = "install it with: pip install hermes-agent"
EVENTS = (
    *("on_session_start", "on_session_end", "on_session_finalize", "on_session_reset", "pre_llm_call"),
    *("pre_api_request", "post_api_request", "api_request_error", "pre_tool_call", "post_tool_call"),
    *("subagent_start", "subagent_stop"),
)
_MANAGED = "HERMES_MANAGED_DIR"
_SECONDS = 10


def upstream(arguments: Sequence[str]) -> dict[str, str]:
    """Its hooks carry its model calls; their way is not changed."""
    return {}


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How Hermes Agent is started.

    Args:
        command: the words that start it.
        arguments: the user's own, which follow.
        run: the gateway that its hooks go to.
    """
    managed = Path(os.environ.get(_MANAGED) or "/etc/hermes")
    home = Path(os.environ.get("HERMES_HOME") or Path.home() / ".hermes")
    words = shlex.join([*forwarder(), HOST])
    config, user = _read(managed / "config.yaml"), _read(home / "config.yaml")
    hooks = _hooks(config) or {name: entries for name, entries in _hooks(user).items() if name in EVENTS}
    entry = {"command": words, "timeout": _SECONDS}
    hooks = {**hooks, **{name: [*hooks.get(name, ()), entry] for name in EVENTS}}
    files = {"managed/config.yaml": json.dumps({**config, "hooks": hooks})}  # JSON is YAML
    if (managed / ".env").is_file():
        files["managed/.env"] = (managed / ".env").read_text(encoding="utf-8")
    environment = {**run.hook_environment(), _MANAGED: "{run}/managed"}
    consent = Edit(home / "shell-hooks-allowlist.json", lambda found: approved(found, words))
    notes = ["model calls are recorded from hooks, and cannot be changed"]
    return Plan(AGENT, [*command, *arguments], environment, files, notes, [consent])


def approved(allowlist: dict[str, Any], command: str) -> dict[str, Any]:
    """The list of hooks that the user agreed to, with ours: starting the run is to agree to them, and to no others."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    ours = [{"event": name, "command": command, "approved_at": now} for name in EVENTS]
    return {**allowlist, "approvals": [*allowlist.get("approvals", ()), *ours]}


def _hooks(config: dict[str, Any]) -> dict[str, list[Any]]:
    found = config.get("hooks")
    return {name: list(entries or ()) for name, entries in found.items()} if isinstance(found, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]  # for this host alone

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise LaunchError(f"{path} cannot be read: {error}") from None
    return found if isinstance(found, dict) else {}
