# SPDX-License-Identifier: Apache-2.0
"""What a command tells its user when it cannot go on; every one ends the command with exit code 1."""

from __future__ import annotations

from typing import IO

import click


class CommandError(click.ClickException):
    """A command cannot go on. The text is ``KIND error: what is wrong; what to do``."""

    kind = "command"

    def show(self, file: IO[str] | None = None) -> None:
        """Write the error to stderr, with its kind in front."""
        click.echo(f"{self.kind} error: {self.message}", file=file, err=True)


class ConfigurationError(CommandError):
    """A configuration file or value cannot be used."""

    kind = "configuration"


class LaunchError(CommandError):
    """A host or program cannot be started."""

    kind = "launcher"
