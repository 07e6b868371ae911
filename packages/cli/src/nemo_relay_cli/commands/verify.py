# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay verify``: whether a file of events is as it was written."""

from __future__ import annotations

from pathlib import Path

import click

from nemo_relay.atof import ChainReport, verify_chain
from nemo_relay.errors import SinkError
from nemo_relay_cli.errors import CommandError
from nemo_relay_cli.recorded import files


@click.command("verify")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--head", help="A digest that an earlier run of this command gave, which must be among the lines.")
def verify_command(path: Path | None, head: str | None) -> None:
    """Follow the hash chain of PATH, a file of events or a folder of them; the newest of this project when left out.

    The file must have been written with hash_chain = true. Older files that it took the place of are read, too.
    """
    source = files(path)[0]
    try:
        found = verify_chain(source, head=head)
    except SinkError as error:
        raise CommandError(str(error)) from None
    if found.misfit is not None:
        raise CommandError(str(found.misfit))
    if not found.linked:
        raise CommandError(f"{source}: no line names the one before it; was it written with hash_chain = true?")
    click.echo("\n".join(_report(source, found)))


def _report(source: Path, found: ChainReport) -> list[str]:
    lines = [f"{source}: {found.linked} of {found.lines} lines are linked, and every one fits"]
    if found.unlinked:
        lines.append(f"{found.unlinked} lines in front of the chain are not protected")
    if found.torn:
        lines.append(f"{found.torn} lines were torn by a crash")
    if found.continues:
        lines.append(f"older files are gone: the first line follows {found.continues}")
    return [*lines, f"head: {found.head}"]
