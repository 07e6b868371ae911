# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay plugins``: look at and change ``plugins.toml``, by hand or from a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nemo_relay import plugin
from nemo_relay.errors import RelayError
from nemo_relay_cli.documents import Document, place, value_of
from nemo_relay_cli.errors import ConfigurationError


@click.group("plugins")
def plugins_command() -> None:
    """Change what is recorded, where it goes, and what may happen: plugins.toml."""


_SCOPES = {
    "global": "The file of the whole machine.",
    "user": "Your own file.",
    "project": "The file in this project's .nemo-relay (the default).",
}


def scoped(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say which file is meant."""
    for scope, text in _SCOPES.items():
        function = click.option(f"--{scope}", "scope", flag_value=scope, default="project", help=text)(function)
    return function


@plugins_command.command("set")
@click.argument("name")
@click.argument("value")
@scoped
def set_command(name: str, value: str, scope: str) -> None:
    """Give NAME a VALUE, such as: observability.atof.output_directory .nemo-relay/atof"""
    document = Document(place(scope))
    document.set(name, value_of(value))
    document.save()
    click.echo(f"{document.path}: {name} = {json.dumps(document.get(name))}")


@plugins_command.command("unset")
@click.argument("name")
@scoped
def unset_command(name: str, scope: str) -> None:
    """Take NAME, a value or a whole component, out of the file."""
    document = Document(place(scope))
    if not document.unset(name):
        raise ConfigurationError(f"{document.path} has no {name}")
    document.save()
    click.echo(f"{document.path}: {name} is gone")


@plugins_command.command("get")
@click.argument("name")
@scoped
def get_command(name: str, scope: str) -> None:
    """Print the value of NAME as JSON."""
    document = Document(place(scope))
    try:
        found = document.get(name)
    except KeyError:
        raise ConfigurationError(f"{document.path} has no {name}") from None
    click.echo(json.dumps(found))


@plugins_command.command("preview")
@scoped
def preview_command(scope: str) -> None:
    """Print the file."""
    click.echo(Document(place(scope)).text, nl=False)


@plugins_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For a machine.")
def list_command(as_json: bool) -> None:
    """List the kinds of components that can be configured here, and which are switched on."""
    enabled = {component["kind"] for component in _resolved() if component.get("enabled", True)}
    kinds = plugin.list_kinds()
    if as_json:
        click.echo(json.dumps([{"kind": kind, "enabled": kind in enabled} for kind in kinds]))
        return
    for kind in kinds:
        click.echo(f"{'on ' if kind in enabled else 'off'} {kind}")


def _resolved() -> list[dict[str, Any]]:
    try:
        report = plugin.validate({})
    except (RelayError, OSError) as error:
        raise ConfigurationError(str(error)) from None
    resolved: Any = report.get("resolved_config") or {}
    found: list[dict[str, Any]] = resolved.get("components") or []
    return found


@plugins_command.command("validate")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For a machine.")
@click.pass_context
def validate_command(ctx: click.Context, path: Path | None, as_json: bool) -> None:
    """Check all configuration files of this place, and PATH besides. Exit code 1 when something is wrong."""
    try:
        report: Any = plugin.validate({}, path)
    except (RelayError, OSError) as error:
        raise ConfigurationError(str(error)) from None
    found = report["config"]["diagnostics"]
    if as_json:
        click.echo(json.dumps(found))
    for diagnostic in [] if as_json else found:
        where = f" ({diagnostic['component']})" if diagnostic.get("component") else ""
        click.echo(f"{diagnostic['level']}: {diagnostic['code']}: {diagnostic['message']}{where}")
    if any(diagnostic["level"] == "error" for diagnostic in found):
        ctx.exit(1)
    if not found and not as_json:
        click.echo("nothing is wrong")


@plugins_command.command("edit")
@click.option("--user", "scopes", flag_value="user", multiple=True, help="Your own file (the default).")
@click.option("--project", "scopes", flag_value="project", multiple=True, help="This project's, in .nemo-relay.")
@click.option("--global", "scopes", flag_value="global", multiple=True, help="The file of the whole machine.")
def edit_command(scopes: tuple[str, ...]) -> None:
    """Edit the file in the terminal: a form for everything that can be configured."""
    if len(set(scopes)) > 1:
        raise click.UsageError(f"--{' and --'.join(sorted(set(scopes)))} exclude each other")
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        text = "interactive plugin editing requires a TTY; a script uses `nemo-relay plugins set NAME VALUE`"
        raise ConfigurationError(text)
    from nemo_relay_cli.editor.screens import Editor  # what draws takes a while to import

    document = Document(place(scopes[0] if scopes else "user"))
    if not Editor(document).run():
        raise ConfigurationError("plugin edit cancelled; no config saved")
    click.echo(f"✔ Saved {document.path}")
