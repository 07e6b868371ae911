# SPDX-License-Identifier: Apache-2.0
"""What a command tells its user when it cannot go on; every one ends the command with exit code 1."""

from __future__ import annotations

import click


class CommandError(click.ClickException):
    """A command cannot go on. The text is ``KIND error: what is wrong; what to do``."""

    kind = "command"

    def format_message(self) -> str:
        return f"{self.kind} error: {self.message}"


class ConfigurationError(CommandError):
    """A configuration file or value cannot be used."""

    kind = "configuration"


class LaunchError(CommandError):
    """A host or program cannot be started."""

    kind = "launcher"
