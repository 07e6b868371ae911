# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay completions``: the script that completes the command's words in a shell."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from nemo_relay_cli.errors import CommandError

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_NEMO_RELAY_COMPLETE"


@click.command("completions")
@click.argument("shell", required=False, type=click.Choice(_SHELLS))
@click.option("--install", is_flag=True, help="Write it where the shell looks for it, instead of printing it.")
def completions_command(shell: str | None, install: bool) -> None:
    """Print the completion script of a shell; the one you use when left out."""
    from nemo_relay_cli.app import main

    shell = shell or Path(os.environ.get("SHELL", "")).name
    made = get_completion_class(shell)
    if made is None:
        raise CommandError(f"the shell {shell!r} is not known; say one of {', '.join(_SHELLS)}")
    script = made(main, {}, "nemo-relay", _VARIABLE).source()
    if not install:
        click.echo(script)
        return
    path = _place(shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script + "\n", encoding="utf-8")
    click.echo(f"written: {path}")


def _place(shell: str) -> Path:
    home = Path.home()
    if shell == "bash":
        return home / ".bash_completion.d" / "nemo-relay"
    if shell == "zsh":
        return Path(os.environ.get("ZDOTDIR") or home) / ".zfunc" / "_nemo-relay"
    return home / ".config" / "fish" / "completions" / "nemo-relay.fish"
