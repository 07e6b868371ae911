# SPDX-License-Identifier: Apache-2.0
"""One run from its first step to its last: configuration, gateway, process, and everything written when it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nemo_relay import plugin
from nemo_relay.errors import RelayError
from nemo_relay_cli.edits import journal
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.launch import process
from nemo_relay_cli.launch.folders import run_folder
from nemo_relay_cli.launch.plan import Plan, Run
from nemo_relay_cli.settings import Settings
from nemo_relay_gateway import Gateway
from nemo_relay_gateway.process import keep_memory

Planner = Callable[[Run], Plan]


async def launch(planner: Planner, settings: Settings, plugins: Path | None = None, host: str | None = None) -> int:
    """Run a host or program with a gateway beside it.

    Args:
        planner: makes the plan once the gateway has its address.
        settings: of ``config.toml``.
        plugins: a ``plugins.toml`` that the user named.
        host: the host's name in its hooks.

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
            _notify("no plugins.toml was found: nothing is recorded. `nemo-relay plugins set` makes one")
        run = Run.fresh("")
        config = settings.gateway_config(token=run.token, agent_host=host, traceparent=os.environ.get("TRACEPARENT"))
        async with Gateway(config) as gateway:
            with run_folder() as directory:
                made = placed(planner(Run(gateway.url, run.token)), directory)
                for note in made.notes:
                    _notify(note)
                return await _run(made)


async def _run(plan: Plan) -> int:
    """Run a plan, with its changes of other files made before and taken back after it."""
    kept, holder = journal(), str(os.getpid())
    if plan.edits:
        kept.recover()
    try:
        for edit in plan.edits:
            kept.apply(edit, holder)
        return await process.run(plan)
    finally:
        for edit in plan.edits:
            kept.release(edit.path, holder)


def placed(plan: Plan, directory: str) -> Plan:
    """The plan with its private files written and their places filled in."""
    for name, text in plan.files.items():
        path = Path(directory, name)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    argv = [word.replace("{run}", directory) for word in plan.argv]
    environment = {name: value.replace("{run}", directory) for name, value in plan.environment.items()}
    return replace(plan, argv=argv, environment=environment, files={})


def _notify(text: str) -> None:
    """Tell the user, on stderr, where a script that reads stdout is not disturbed."""
    if not sys.stderr.closed:
        click.echo(f"nemo-relay: {text}", err=True)


def _components(report: Any) -> list[Any]:
    """The components of the active document that are switched on."""
    found = (report.get("resolved_config") or {}).get("components") or []
    return [component for component in found if component.get("enabled", True)]
