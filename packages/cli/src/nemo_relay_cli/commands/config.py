# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay config``: what holds here of ``config.toml``, and changing it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from nemo_relay_cli import settings as configuration
from nemo_relay_cli.commands.plugins import scoped
from nemo_relay_cli.documents import place, value_of
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.writing import write_whole

_HIDDEN = "<redacted>"


@click.group("config", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For a machine.")
@click.pass_context
def config_command(ctx: click.Context, as_json: bool) -> None:
    """Where providers are and which commands start the hosts: config.toml. Without a command: what holds here."""
    if ctx.invoked_subcommand is not None:
        return
    held: dict[str, Any] = msgspec.to_builtins(configuration.load())
    for name, value in held["upstream"].items():
        if name.endswith(("_auth_header", "_key_command")) and value is not None:
            held["upstream"][name] = _HIDDEN
    if as_json:
        click.echo(json.dumps(held))
        return
    for path in configuration.layers():
        click.echo(f"# {path}{'' if path.is_file() else ' (not there)'}")
    click.echo(tomlkit.dumps(_printable(held)), nl=False)


@config_command.command("set")
@click.argument("name")
@click.argument("value")
@scoped
def set_command(name: str, value: str, scope: str) -> None:
    """Give NAME a VALUE, such as: upstream.openai_base_url http://127.0.0.1:8000/v1"""
    path = place(scope).with_name("config.toml")
    document = _read(path)
    *tables, last = name.split(".")
    table: Any = document
    for part in tables:
        table = table.setdefault(part, tomlkit.table())
        if not isinstance(table, dict):
            raise ConfigurationError(f"{name}: {part!r} is no table")
    table[last] = value_of(value)
    _write(path, document)
    click.echo(f"{path}: {name} is set")


@config_command.command("unset")
@click.argument("name")
@scoped
def unset_command(name: str, scope: str) -> None:
    """Take NAME, a value or a whole table, out of the file."""
    path = place(scope).with_name("config.toml")
    document = _read(path)
    *tables, last = name.split(".")
    if _at(document, tables).pop(last, None) is None:
        raise ConfigurationError(f"{path} has no {name}")
    _write(path, document)
    click.echo(f"{path}: {name} is gone")


def _at(document: Any, tables: Sequence[str]) -> Any:
    found = document
    for part in tables:
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> Any:
    try:
        return tomlkit.parse(path.read_bytes().decode("utf-8") if path.is_file() else "")
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _write(path: Path, document: Any) -> None:
    """Write a file that can be read; one that holds credentials is for its owner alone."""
    text = tomlkit.dumps(document)
    configuration.made_of(tomllib.loads(text))
    try:
        write_whole(path, text.encode(), 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None


def _printable(value: Any) -> Any:
    """A value without what is not said."""
    if isinstance(value, dict):
        return {key: _printable(one) for key, one in value.items() if one is not None}
    return value
