# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay install`` and ``uninstall``: hooks in a host's own settings, and the settings as they were."""

from __future__ import annotations

import shutil
import sys

import click

from nemo_relay_cli import installing
from nemo_relay_cli.edits import journal
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.launch.known import HOSTS

_URL = "http://127.0.0.1:4040"
_HOLDER = "installed"
_ALL = "all"


@click.command("install")
@click.argument("host", type=click.Choice((*installing.installable(), _ALL)))
@click.option("--url", default=_URL, show_default=True, help="The gateway; start it with: nemo-relay gateway serve")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def install_command(host: str, url: str, dry_run: bool, yes: bool) -> None:
    """Put hooks into the settings of HOST, so that it is recorded however it is started. The change is shown first."""
    edits = [edit for name in _hosts(host) for edit in installing.edits(name, url)]
    kept = journal()
    edits = [edit for edit in edits if edit.path not in kept.held(_HOLDER)]
    for edit in edits:
        click.echo(edit.diff(), nl=False)
    if not edits:
        click.echo("it is installed already; `nemo-relay uninstall` takes it out")
    elif dry_run:
        click.echo("nothing was changed")
    elif _agreed(yes):
        for edit in edits:
            kept.apply(edit, _HOLDER)
            click.echo(f"changed: {edit.path}")
        click.echo(f"hooks go to {url}: start it with `nemo-relay gateway serve`")
        click.echo(f"`nemo-relay uninstall {host}` undoes this")


@click.command("uninstall")
@click.argument("host", type=click.Choice((*installing.installable(), _ALL)))
@click.option("--dry-run", is_flag=True, help="Say what would be put back, and change nothing.")
def uninstall_command(host: str, dry_run: bool) -> None:
    """Take our hooks out of the settings of HOST: a file that nobody has touched since is what it was, to the byte."""
    kept = journal()
    names = installing.installable() if host == _ALL else (host,)
    held = set(kept.held(_HOLDER))
    paths = [edit.path for name in names for edit in installing.edits(name, _URL) if edit.path in held]
    for path in paths:
        if dry_run:
            click.echo(f"would be put back: {path}")
            continue
        is_done = kept.release(path, _HOLDER)
        click.echo(f"put back: {path}" if is_done else f"a run that is going on still needs {path}; it puts it back")
    if not paths:
        click.echo("nothing is installed")


def _hosts(host: str) -> list[str]:
    if host != _ALL:
        return [host]
    found = [name for name in installing.installable() if shutil.which(HOSTS[name].COMMAND)]
    if not found:
        raise ConfigurationError(f"no host was found on PATH; known are {', '.join(installing.installable())}")
    return found


def _agreed(yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to ask on; say --yes to change this, or --dry-run to see it")
    return click.confirm("Change this?", abort=True)
