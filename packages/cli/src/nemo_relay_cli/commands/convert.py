# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay convert``: recorded events into trajectories, or into spans at an endpoint."""

from __future__ import annotations

from pathlib import Path

import click

from nemo_relay import convert
from nemo_relay.errors import RelayError
from nemo_relay_cli.errors import CommandError
from nemo_relay_cli.recorded import files

_PROJECTIONS = ("full", "gen_ai", "openinference")


@click.command("convert")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--atif", "folder", type=click.Path(path_type=Path), help="Write trajectories into this folder.")
@click.option("--spans", "endpoint", help="Send spans to this OTLP endpoint.")
@click.option("--type", "projection", type=click.Choice(_PROJECTIONS), default="openinference", show_default=True)
def convert_command(path: Path | None, folder: Path | None, endpoint: str | None, projection: str) -> None:
    """Convert PATH, a file of events or a folder of them; the newest of this project when left out."""
    if (folder is None) == (endpoint is None):
        raise CommandError("say --atif FOLDER or --spans ENDPOINT")
    source = files(path)[0]
    try:
        if folder is not None:
            made = convert.to_atif(source, folder)
            click.echo(f"{made.count} trajectories in {folder} from {made.events} events; {made.torn} lines were torn")
            if made.missing:
                click.echo(f"{made.missing} large texts are not in blobs/ any more", err=True)
            if made.failed:
                raise CommandError(f"{len(made.failed)} trajectories could not be written")
        else:
            convert.to_spans(source, {"traces": [{"endpoint": endpoint, "type": projection}]})
            click.echo(f"sent to {endpoint}")
    except (RelayError, OSError, ValueError) as error:
        raise CommandError(f"{source}: {error}") from None
