# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay gateway serve``: a gateway that outlives the programs that use it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import click

from nemo_relay import plugin
from nemo_relay.errors import RelayError
from nemo_relay_cli import settings as configuration
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_gateway import Gateway
from nemo_relay_gateway.process import keep_memory

_TOKEN = "NEMO_RELAY_GATEWAY_TOKEN"
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.group("gateway")
def gateway_command() -> None:
    """A gateway that runs by itself."""


@gateway_command.command("serve")
@click.option("--bind", default="127.0.0.1:4040", show_default=True, envvar="NEMO_RELAY_GATEWAY_BIND", help="HOST:PORT")
@click.option("--allow-remote", is_flag=True, help=f"Listen beyond loopback; needs {_TOKEN} in the environment.")
@click.option("--config", type=click.Path(path_type=Path), help="A config.toml that goes over all others.")
@click.option("--plugins", type=click.Path(path_type=Path), help="A plugins.toml to use besides the project's.")
@click.option("--grace", default=30.0, show_default=True, help="Seconds that calls may take to end when it stops.")
def serve_command(bind: str, allow_remote: bool, config: Path | None, plugins: Path | None, grace: float) -> None:
    """Run until SIGTERM or Ctrl-C; then let calls end, close sessions and write everything."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(f"--bind {bind!r}: say HOST:PORT, such as 127.0.0.1:4040")
    listening: dict[str, Any] = {"host": host.strip("[]"), "port": int(port), "allow_remote": allow_remote}
    settings = configuration.load(config)
    keep_memory()
    try:
        made = settings.gateway_config(token=os.environ.get(_TOKEN), **listening)
        asyncio.run(_serve(Gateway(made), plugins, grace))
    except (RelayError, OSError) as error:
        raise ConfigurationError(str(error)) from None


async def _serve(gateway: Gateway, plugins: Path | None, grace: float) -> None:
    async with plugin.activate({}, plugins):
        await gateway.start()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _ENDS:
            loop.add_signal_handler(number, ended.set)
        click.echo(f"nemo-relay: listening on {gateway.url}", err=True)
        await ended.wait()
        await gateway.close(grace)
