# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay gateway``: a gateway that outlives the programs that use it, alone or as one of several replicas."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nemo_relay import plugin
from nemo_relay.errors import RelayError
from nemo_relay_cli import settings as configuration
from nemo_relay_cli import team
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_gateway import Gateway
from nemo_relay_gateway.process import keep_memory

_TOKEN = "NEMO_RELAY_GATEWAY_TOKEN"
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.group("gateway")
def gateway_command() -> None:
    """A gateway that runs by itself."""


@dataclass(frozen=True)
class _Serving:
    """What the options of ``serve`` say."""

    listening: dict[str, Any]
    config: Path | None
    plugins: Path | None
    leave: float
    grace: float


@gateway_command.command("serve")
@click.option("--bind", default="127.0.0.1:4040", show_default=True, envvar="NEMO_RELAY_GATEWAY_BIND", help="HOST:PORT")
@click.option("--allow-remote", is_flag=True, help=f"Listen beyond loopback; needs {_TOKEN} in the environment.")
@click.option("--config", type=click.Path(path_type=Path), help="A config.toml that goes over all others.")
@click.option("--plugins", type=click.Path(path_type=Path), help="A plugins.toml to use besides the project's.")
@click.option("--leave", default=0.0, show_default=True, help="Seconds to serve on after /readyz has said no.")
@click.option("--grace", default=30.0, show_default=True, help="Seconds that calls may take to end when it stops.")
def serve_command(
    bind: str, allow_remote: bool, config: Path | None, plugins: Path | None, leave: float, grace: float
) -> None:
    """Run until SIGTERM or Ctrl-C; then let calls end, close sessions and write everything.

    Where config.toml or NEMO_RELAY_STATE_URL names a Redis, sessions are shared with the other replicas there, and so
    are the documents that `nemo-relay gateway publish` has put there.
    """
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(f"--bind {bind!r}: say HOST:PORT, such as 127.0.0.1:4040")
    listening = {"host": host.strip("[]"), "port": int(port), "allow_remote": allow_remote}
    logging.basicConfig(level=logging.WARNING, format="nemo-relay: %(levelname)s: %(message)s")
    keep_memory()
    try:
        asyncio.run(_serve(_Serving(listening, config, plugins, leave, grace)))
    except (RelayError, OSError) as error:
        raise ConfigurationError(str(error)) from None


async def _serve(serving: _Serving) -> None:
    settings = configuration.load(serving.config)
    plugins = serving.plugins
    async with AsyncExitStack() as stack:
        state = await stack.enter_async_context(team.shared(settings.state))
        if state is not None:
            settings = configuration.load(serving.config, await team.published(state, "config"))
            document = await team.published(state, "plugins")
            if plugins is None and document is not None:
                plugins = stack.enter_context(team.as_file("plugins", document))
        made = settings.gateway_config(token=os.environ.get(_TOKEN), **serving.listening)
        await stack.enter_async_context(plugin.activate({}, plugins))
        await _until_ended(Gateway(made, state), serving)


async def _until_ended(gateway: Gateway, serving: _Serving) -> None:
    await gateway.start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDS:
        loop.add_signal_handler(number, ended.set)
    click.echo(f"nemo-relay: listening on {gateway.url}", err=True)
    await ended.wait()
    gateway.leave()
    await asyncio.sleep(serving.leave)
    await gateway.close(serving.grace)


@gateway_command.command("publish")
@click.option("--config", type=click.Path(path_type=Path), help="The config.toml for all replicas.")
@click.option("--plugins", type=click.Path(path_type=Path), help="The plugins.toml for all replicas.")
def publish_command(config: Path | None, plugins: Path | None) -> None:
    """Put documents into the shared state, where replicas read them when they start.

    The state is that of NEMO_RELAY_STATE_URL, or of `[state]` in config.toml.
    """
    given = {name: path for name, path in (("config", config), ("plugins", plugins)) if path is not None}
    if not given:
        raise ConfigurationError("say what to publish: --config FILE, --plugins FILE, or both")
    asyncio.run(_publish({name: team.document(path) for name, path in given.items()}))
    for name, path in given.items():
        click.echo(f"published {path} as {team.DOCUMENTS[name]}")


async def _publish(documents: dict[str, str]) -> None:
    async with team.shared(configuration.load().state) as state:
        if state is None:
            raise ConfigurationError("no shared state: set NEMO_RELAY_STATE_URL, such as redis://cache:6379/0")
        for name, text in documents.items():
            await team.publish(state, name, text)
