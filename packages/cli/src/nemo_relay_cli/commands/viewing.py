# SPDX-License-Identifier: Apache-2.0
"""The viewer's commands, with its own arguments."""

from __future__ import annotations

import sys

import click

from nemo_relay_viewer.command_line import main
from nemo_relay_viewer.commands import SUMMARIES


def _passed_on(name: str) -> click.Command:
    @click.command(
        name,
        help=SUMMARIES[name].capitalize() + ".",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        sys.exit(main([name, *arguments], program="nemo-relay"))

    return command


view_command = _passed_on("view")
page_command = _passed_on("page")
diff_command = _passed_on("diff")
stats_command = _passed_on("stats")
recover_command = _passed_on("recover")
import_command = _passed_on("import")
