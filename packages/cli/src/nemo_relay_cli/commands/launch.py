# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay claude``, ``codex`` and ``run``: start something and record it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from nemo_relay_cli import settings as configuration
from nemo_relay_cli.errors import LaunchError
from nemo_relay_cli.launch import program
from nemo_relay_cli.launch.known import HOSTS, by_program
from nemo_relay_cli.launch.plan import Run, executable
from nemo_relay_cli.launch.session import launch

_PASS = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]}


@dataclass(frozen=True)
class _Choices:
    """What the options of a launch say."""

    config: Path | None
    plugins: Path | None
    dry_run: bool


def _options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that every launch has, and what follows them."""

    @wraps(function)
    def chosen(config: Path | None, plugins: Path | None, dry_run: bool, **others: Any) -> None:
        function(choices=_Choices(config, plugins, dry_run), **others)

    path = click.Path(path_type=Path)
    for option in (
        click.option("--dry-run", is_flag=True, help="Show what would be started, and start nothing."),
        click.option("--plugins", type=path, help="A plugins.toml to use besides the project's."),
        click.option("--config", type=path, help="A config.toml that goes over all others."),
        click.argument("arguments", nargs=-1, type=click.UNPROCESSED),
    ):
        chosen = option(chosen)
    return chosen


def _start(module: ModuleType, command: list[str], arguments: Sequence[str], choices: _Choices) -> None:
    settings = configuration.load(choices.config).reaching(module.upstream(arguments))
    if not command:
        named = settings.agents.get(module.AGENT)
        words = (named.command.split() if named and named.command else None) or [module.COMMAND]
        command = [executable(words[0], module.INSTALL), *words[1:]]
    planner = partial(module.plan, command, list(arguments))
    if choices.dry_run:
        click.echo("\n".join(planner(Run.fresh("http://127.0.0.1:0")).lines()))
        return
    sys.exit(asyncio.run(launch(planner, settings, choices.plugins, module.HOST)))


def _host_command(name: str, title: str) -> click.Command:
    @click.command(name, context_settings=_PASS, help=f"Run {title} and record it. What follows -- goes to {name}.")
    @_options
    def command(arguments: tuple[str, ...], choices: _Choices) -> None:
        _start(HOSTS[name], [], arguments, choices)

    return command


claude_command = _host_command("claude", "Claude Code")
codex_command = _host_command("codex", "Codex")
gemini_command = _host_command("gemini", "Gemini CLI")
copilot_command = _host_command("copilot", "GitHub Copilot CLI")
qwen_command = _host_command("qwen", "Qwen Code")
cursor_command = _host_command("cursor", "Cursor's agent")
hermes_command = _host_command("hermes", "Hermes Agent")


@click.command("run", context_settings=_PASS)
@click.option("--agent", type=click.Choice(sorted(HOSTS)), help="Start this host; what follows are its arguments.")
@_options
def run_command(arguments: tuple[str, ...], choices: _Choices, agent: str | None) -> None:
    """Run any program on an SDK of OpenAI, Anthropic or Gemini and record its model calls."""
    if agent is not None:
        _start(HOSTS[agent], [], arguments, choices)
        return
    if not arguments:
        raise LaunchError("name a program: nemo-relay run -- python agent.py")
    found = executable(arguments[0], "name a program that is there")
    _start(by_program(arguments[0]) or program, [found], arguments[1:], choices)
