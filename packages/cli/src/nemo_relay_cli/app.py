# SPDX-License-Identifier: Apache-2.0
"""The command ``nemo-relay`` and its subcommands, each loaded when it is called."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

import click

_COMMANDS = {
    "claude": ("launch", "claude_command"),
    "codex": ("launch", "codex_command"),
    "gemini": ("launch", "gemini_command"),
    "copilot": ("launch", "copilot_command"),
    "qwen": ("launch", "qwen_command"),
    "cursor": ("launch", "cursor_command"),
    "hermes": ("launch", "hermes_command"),
    "run": ("launch", "run_command"),
    "show": ("show", "show_command"),
    "view": ("viewing", "view_command"),
    "page": ("viewing", "page_command"),
    "diff": ("viewing", "diff_command"),
    "stats": ("viewing", "stats_command"),
    "recover": ("viewing", "recover_command"),
    "import": ("viewing", "import_command"),
    "convert": ("convert", "convert_command"),
    "verify": ("verify", "verify_command"),
    "plugins": ("plugins", "plugins_command"),
    "config": ("config", "config_command"),
    "model-pricing": ("pricing", "pricing_command"),
    "gateway": ("gateway", "gateway_command"),
    "install": ("install", "install_command"),
    "uninstall": ("install", "uninstall_command"),
    "agents": ("agents", "agents_command"),
    "doctor": ("agents", "doctor_command"),
    "completions": ("completions", "completions_command"),
}


class _Lazy(click.Group):
    """A group whose commands live in modules of their own, so that ``--version`` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = _COMMANDS.get(cmd_name)
        if found is None:
            return None
        module, name = found
        command: click.Command = getattr(import_module(f"nemo_relay_cli.commands.{module}"), name)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("nemo-relay-cli"), prog_name="nemo-relay", message="%(prog)s %(version)s")
def main() -> None:
    """See and control what happens inside agent runs."""
