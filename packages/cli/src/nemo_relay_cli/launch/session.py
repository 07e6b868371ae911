# SPDX-License-Identifier: Apache-2.0
"""One run from its first step to its last: configuration, gateway, process, and everything written when it ends."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nemo_relay import plugin
from nemo_relay.errors import RelayError
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.launch import process
from nemo_relay_cli.launch.plan import Plan, Run
from nemo_relay_cli.settings import Settings
from nemo_relay_gateway import Gateway
from nemo_relay_gateway.process import keep_memory

Planner = Callable[[Run], Plan]


async def launch(planner: Planner, settings: Settings, plugins: Path | None = None) -> int:
    """Run a host or program with a gateway beside it.

    Args:
        planner: makes the plan once the gateway has its address.
        settings: of ``config.toml``.
        plugins: a ``plugins.toml`` that the user named.

    Returns:
        The exit code of what was launched.

    Raises:
        ConfigurationError: the plugin configuration cannot be used.
        LaunchError: the process cannot be started.
    """
    try:
        activation = await plugin.initialize({}, plugins)
    except (RelayError, OSError) as error:
        raise ConfigurationError(str(error)) from None
    keep_memory()
    async with activation:
        if not _components(activation.report):
            _say("no plugins.toml was found: nothing is recorded. `nemo-relay plugins set` makes one")
        run = Run.fresh("")
        config = settings.gateway_config(token=run.token)
        async with Gateway(config) as gateway:
            with tempfile.TemporaryDirectory(prefix="nemo-relay-run-") as directory:
                made = placed(planner(Run(gateway.url, run.token)), directory)
                for note in made.notes:
                    _say(note)
                return await process.run(made)


def placed(plan: Plan, directory: str) -> Plan:
    """The plan with its private files written and their places filled in."""
    for name, text in plan.files.items():
        path = Path(directory, name)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    argv = [word.replace("{run}", directory) for word in plan.argv]
    environment = {name: value.replace("{run}", directory) for name, value in plan.environment.items()}
    return Plan(plan.agent, argv, environment, {}, plan.notes)


def _say(text: str) -> None:
    """Tell the user, on stderr, where a script that reads stdout is not disturbed."""
    if not sys.stderr.closed:
        click.echo(f"nemo-relay: {text}", err=True)


def _components(report: Any) -> list[Any]:
    """The components of the active document that are switched on."""
    found = (report.get("resolved_config") or {}).get("components") or []
    return [component for component in found if component.get("enabled", True)]
