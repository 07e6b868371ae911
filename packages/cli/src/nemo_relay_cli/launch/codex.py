# SPDX-License-Identifier: Apache-2.0
"""Codex: hooks, their trust and the provider by ``-c`` on the command line, for this process alone."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo_relay_cli.launch.plan import TOKEN_HEADER, Plan, Run, forwarder, from_environment
from nemo_relay_gateway.hosts import CODEX_EVENTS

AGENT = "codex"
HOST = "codex"
COMMAND = "codex"
INSTALL = "install it with: npm install -g @openai/codex"
_MATCHED = ("PreToolUse", "PostToolUse", "PermissionRequest")
_SECONDS, _LAST_SECONDS = 10, 3  # Codex gives the hooks of an end no longer
_KEY = "/<session-flags>/config.toml:{event}:0:0"
_SUBCOMMANDS = frozenset(("exec", "e", "resume", "fork", "review"))


def upstream(arguments: Sequence[str]) -> dict[str, str]:
    """Where the user's own provider is."""
    url = _own_provider().get("base_url")
    return {"openai": url} if isinstance(url, str) else from_environment({"OPENAI_BASE_URL": "openai"})


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
    hook = shlex.join([*forwarder(), HOST])
    own = _own_provider()
    provider = {
        "name": "NeMo Relay",
        "requires_openai_auth": True,
        **own,
        "base_url": f"{run.url}/v1",
        "wire_api": "responses",
        "supports_websockets": False,
        "env_http_headers": {**own.get("env_http_headers", {}), TOKEN_HEADER: "NEMO_RELAY_PROXY_CREDENTIAL"},
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


def hooked(found: Any, path: Path, command: str) -> Any:
    """The user's ``config.toml`` with our hooks, trusted, after those that are there.

    Args:
        found: the file, as a ``tomlkit`` document.
        path: where it is; Codex knows a hook by it.
        command: forwards a hook.
    """
    import tomlkit  # to install; a launch needs none

    features = found.setdefault("features", tomlkit.table())
    features["hooks"] = True
    hooks = found.setdefault("hooks", tomlkit.table(is_super_table=True))
    state: dict[str, Any] = {}
    for event in CODEX_EVENTS:
        group = _group(event, command)
        groups = hooks.setdefault(event, tomlkit.aot())
        state[f"{path}:{_snake(event)}:{len(groups)}:0"] = {"trusted_hash": _trust(event, group), "enabled": True}
        groups.append(tomlkit.item(group))
    kept = hooks.setdefault("state", tomlkit.table(is_super_table=True))
    for key, trust in state.items():
        kept[key] = trust
    return found


def trusted(command: str) -> tuple[str, ...]:
    """The hashes by which our entries of ``hooks.state`` are known."""
    return tuple(_trust(event, _group(event, command)) for event in CODEX_EVENTS)


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


def _own_provider() -> dict[str, Any]:
    """The provider of the user's own configuration, empty for Codex's usual one."""
    home = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    try:
        config = tomllib.loads((home / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Codex itself says what is wrong with it
        return {}
    found = config.get("model_providers", {}).get(config.get("model_provider"), {})
    return found if isinstance(found, dict) else {}
