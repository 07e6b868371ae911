# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay show``: a recorded run as a tree."""

from __future__ import annotations

from pathlib import Path

import click

from nemo_relay_cli.errors import CommandError
from nemo_relay_cli.recorded import files
from nemo_relay_viewer import load, render


@click.command("show")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--list", "listed", is_flag=True, help="List the files instead of showing the newest.")
@click.option("--full", is_flag=True, help="Also what frameworks do for themselves, and every mark.")
def show_command(path: Path | None, listed: bool, full: bool) -> None:
    """Show a run: PATH is a file of events, or a folder of them; the newest of this project when left out."""
    found = files(path)
    if listed:
        for file in found:
            click.echo(f"{file.stat().st_size:>12,}  {file}")
        return
    try:
        render(load(found[0]), everything=full)
    except (OSError, ValueError) as error:
        raise CommandError(f"{found[0]}: {error}") from None
