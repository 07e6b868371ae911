# SPDX-License-Identifier: Apache-2.0
"""Codex: hooks, their trust and the provider by ``-c`` on the command line, for this process alone."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from typing import Any

from nemo_relay_cli.launch.plan import TOKEN_HEADER, Plan, Run
from nemo_relay_gateway.hosts import CODEX_EVENTS

AGENT = "codex"
HOST = "codex"
COMMAND = "codex"
INSTALL = "install it with: npm install -g @openai/codex"
_MATCHED = ("PreToolUse", "PostToolUse", "PermissionRequest")
_SECONDS, _LAST_SECONDS = 10, 3  # Codex gives the hooks of an end no longer
_KEY = "/<session-flags>/config.toml:{event}:0:0"
_SUBCOMMANDS = frozenset(("exec", "e", "resume", "fork", "review"))


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How Codex is started.

    Args:
        command: the words that start it.
        arguments: the user's own. What is ours follows the subcommand, where it goes before what the files say.
        run: the gateway that it talks to.
    """
    flags = [word for value in _values(run) for word in ("-c", value)]
    place = 1 if arguments and arguments[0] in _SUBCOMMANDS else 0
    argv = [*command, *arguments[:place], *flags, *arguments[place:]]
    environment = {**run.hook_environment(), "NEMO_RELAY_PROXY_CREDENTIAL": run.token}
    return Plan(AGENT, argv, environment)


def _values(run: Run) -> list[str]:
    hook = shlex.join([*run.forwarder, HOST])
    provider = {
        "name": "NeMo Relay",
        "base_url": f"{run.url}/v1",
        "wire_api": "responses",
        "requires_openai_auth": True,
        "supports_websockets": False,
        "env_http_headers": {TOKEN_HEADER: "NEMO_RELAY_PROXY_CREDENTIAL"},
    }
    values = ["features.hooks=true"]
    state: dict[str, Any] = {}
    for event in CODEX_EVENTS:
        group = _group(event, hook)
        values.append(f"hooks.{event}={_toml([group])}")
        state[_KEY.format(event=_snake(event))] = {"trusted_hash": _trust(event, group), "enabled": True}
    return [
        *values,
        f"hooks.state={_toml(state)}",
        'model_provider="nemo-relay"',
        f"model_providers.nemo-relay={_toml(provider)}",
    ]


def _group(event: str, command: str) -> dict[str, Any]:
    seconds = _LAST_SECONDS if event in ("SessionEnd", "Interrupt") else _SECONDS
    group: dict[str, Any] = {"hooks": [{"type": "command", "command": command, "timeout": seconds}]}
    return {"matcher": "*", **group} if event in _MATCHED else group


def _trust(event: str, group: dict[str, Any]) -> str:
    """What Codex stores for a hook that its user has reviewed."""
    hooks = [{"async": False, **hook} for hook in group["hooks"]]
    text = json.dumps({"event_name": _snake(event), **group, "hooks": hooks}, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _snake(event: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()


def _toml(value: Any) -> str:
    """A value as inline TOML."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}={_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_toml(item) for item in value) + "]"
    return json.dumps(value)
