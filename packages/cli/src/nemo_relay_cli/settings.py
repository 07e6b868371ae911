# SPDX-License-Identifier: Apache-2.0
"""``config.toml``: where providers are and which commands start the hosts, from layers of files and the environment."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_gateway import GatewayConfig

_RETIRED = {"exporters", "observability", "export"}
_PROVIDERS = ("openai", "anthropic", "gemini")
_Size = Annotated[int, msgspec.Meta(gt=0)]


class GatewaySection(msgspec.Struct):
    """``[gateway]``: limits of the gateway, in bytes."""

    max_hook_payload_bytes: _Size = 20 * 1024 * 1024
    max_passthrough_body_bytes: _Size = 100 * 1024 * 1024


class UpstreamSection(msgspec.Struct):
    """``[upstream]``: base URLs of providers, and for clients that send no credential an ``Authorization`` value, or
    the words of a command that prints a key."""

    openai_base_url: str | None = None
    anthropic_base_url: str | None = None
    gemini_base_url: str | None = None
    openai_auth_header: str | None = None
    anthropic_auth_header: str | None = None
    gemini_auth_header: str | None = None
    openai_key_command: list[str] | None = None
    anthropic_key_command: list[str] | None = None
    gemini_key_command: list[str] | None = None

    def __repr__(self) -> str:
        shown = (f"{name}_base_url={getattr(self, f'{name}_base_url')!r}" for name in _PROVIDERS)
        return f"UpstreamSection({', '.join(shown)})"  # credentials stay out


class StateSection(msgspec.Struct):
    """``[state]``: what replicas share, in ``redis`` at a ``url``; nothing is shared without it."""

    kind: str | None = None
    url: str | None = None
    key_prefix: str | None = None

    def described(self) -> dict[str, Any]:
        """What is set. A URL alone means Redis."""
        found = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return {"kind": "redis", **found} if "url" in found else found

    def __repr__(self) -> str:
        return f"StateSection(kind={self.kind!r}, key_prefix={self.key_prefix!r})"  # a URL may hold a password


class AgentSection(msgspec.Struct):
    """``[agents.NAME]``: the command that starts a host; words are split at white space."""

    command: str | None = None


class Settings(msgspec.Struct):
    """All of ``config.toml``. Keys that are not known are left alone."""

    gateway: GatewaySection = msgspec.field(default_factory=GatewaySection)
    upstream: UpstreamSection = msgspec.field(default_factory=UpstreamSection)
    state: StateSection = msgspec.field(default_factory=StateSection)
    agents: dict[str, AgentSection] = msgspec.field(default_factory=dict)

    def reaching(self, urls: dict[str, str]) -> Settings:
        """Settings for somebody who has base URLs of their own; what is said here goes over theirs.

        Args:
            urls: base URLs by provider.
        """
        made: dict[str, Any] = {}
        for name, url in urls.items():
            if getattr(self.upstream, f"{name}_base_url") is None:
                # A credential never follows to an address that it was not configured for.
                made |= {f"{name}_base_url": url, f"{name}_auth_header": None, f"{name}_key_command": None}
        return msgspec.structs.replace(self, upstream=msgspec.structs.replace(self.upstream, **made))

    def gateway_config(self, **more: Any) -> GatewayConfig:
        """The gateway's own configuration.

        Args:
            more: values that go before these.

        Raises:
            InvalidGatewayConfig: a value cannot be used.
        """
        urls = {name: getattr(self.upstream, f"{name}_base_url") for name in _PROVIDERS}
        keys = {name: getattr(self.upstream, f"{name}_auth_header") for name in _PROVIDERS}
        commands = {name: getattr(self.upstream, f"{name}_key_command") for name in _PROVIDERS}
        values: dict[str, Any] = {
            "base_urls": {name: url for name, url in urls.items() if url},
            "auth_headers": {name: key for name, key in keys.items() if key},
            "key_commands": {name: words for name, words in commands.items() if words},
            "max_hook_bytes": self.gateway.max_hook_payload_bytes,
            "max_body_bytes": self.gateway.max_passthrough_body_bytes,
        }
        return GatewayConfig(**{**values, **more})


def layers(explicit: Path | None = None) -> list[Path]:
    """The files that could hold configuration, from the one that gives way to the one that wins.

    Args:
        explicit: a file named by the user; it goes over all others.
    """
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    found = [Path("/etc/nemo-relay/config.toml"), user / "nemo-relay" / "config.toml"]
    here = Path.cwd()
    project = next((d for d in (here, *here.parents) if (d / ".nemo-relay" / "config.toml").is_file()), here)
    found.append(project / ".nemo-relay" / "config.toml")
    return [*found, explicit] if explicit is not None else found


def load(explicit: Path | None = None, beneath: str | None = None) -> Settings:
    """Read all layers and the environment.

    Args:
        explicit: a file named by the user.
        beneath: a document below all files.

    Raises:
        ConfigurationError: a file is no TOML, has a wrong shape, or was named and is not there.
    """
    merged: dict[str, Any] = {} if beneath is None else tomllib.loads(beneath)
    for path in layers(explicit):
        if path.is_file():
            _merge(merged, _read(path))
        elif path == explicit:
            raise ConfigurationError(f"{path} does not exist")
    _merge(merged, _environment())
    return made_of(merged)


def made_of(document: dict[str, Any]) -> Settings:
    """A document as settings.

    Raises:
        ConfigurationError: it has a wrong shape.
    """
    try:
        return msgspec.convert(document, Settings, strict=False)  # what the environment says is text
    except msgspec.ValidationError as error:
        what, _, where = str(error).rpartition(" - at `$.")
        raise ConfigurationError(f"config.toml: {where.rstrip('`')}: {what}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    retired = sorted(_RETIRED & found.keys())
    if retired:
        raise ConfigurationError(f"{path}: [{retired[0]}] belongs to plugins.toml now; use `nemo-relay plugins set`")
    return found


def _environment() -> dict[str, Any]:
    upstream = {
        f"{name}_{what}": value
        for name in _PROVIDERS
        for what in ("base_url", "auth_header")
        if (value := os.environ.get(f"NEMO_RELAY_{name.upper()}_{what.upper()}"))
    }
    gateway = {
        name: value
        for name in ("max_hook_payload_bytes", "max_passthrough_body_bytes")
        if (value := os.environ.get(f"NEMO_RELAY_{name.upper()}"))
    }
    state = {
        name: value for name in ("url", "key_prefix") if (value := os.environ.get(f"NEMO_RELAY_STATE_{name.upper()}"))
    }
    return {"upstream": upstream, "gateway": gateway, "state": state}


def _merge(target: dict[str, Any], source: dict[str, Any]) -> None:
    """Lay ``source`` over ``target``. A base URL from a nearer file takes the credential of the farther one away: a
    credential never follows a redirected endpoint.
    """
    for name in _PROVIDERS:
        if f"{name}_base_url" in source.get("upstream", {}):
            for credential in ("auth_header", "key_command"):
                target.get("upstream", {}).pop(f"{name}_{credential}", None)
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        elif isinstance(value, dict):
            target[key] = {}
            _merge(target[key], value)
        else:
            target[key] = value
