# SPDX-License-Identifier: Apache-2.0
"""Making a document the active one, and changing to another."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Coroutine
from typing import Any

from nemo_relay._plugins import host as hosts
from nemo_relay._plugins.host import TARGET, Host, prepared
from nemo_relay._runtime.awaitables import run_blocking, running_loop
from nemo_relay._runtime.log import oplog
from nemo_relay.errors import RegistrationFailed
from nemo_relay_configuration.sources.layers import Path, Resolved


async def initialize(config: object, additional: Path | None) -> Host:
    """See ``nemo_relay.plugin.initialize``."""
    return await _activate(await asyncio.to_thread(prepared, config, additional), Host(config, additional))


def initialize_blocking(config: object, additional: Path | None) -> Host:
    """The same where there is nothing to await with.

    Raises:
        RegistrationFailed: a plugin awaits something, and the event loop of this thread is held up by this call.
    """
    host = Host(config, additional)
    host.inline = True
    steps = _activate(prepared(config, additional), host)
    if running_loop() is None:
        run_blocking(lambda: steps)
    elif not _finished(steps):
        text = "a plugin's register() is async and an event loop is running here: await plugin.initialize()"
        raise RegistrationFailed(text)
    host.inline = False
    return host


def _finished(steps: Coroutine[Any, Any, Any]) -> bool:
    """Whether ``steps`` came to their end without waiting. Where not, they have taken back what they did."""
    try:
        steps.send(None)
    except StopIteration:
        return True
    steps.close()
    return False


async def _activate(resolved: Resolved, host: Host) -> Host:
    hosts.accepted(resolved)
    await hosts.acquire(host)
    oplog.info("plugin_configuration_activation_started", "Plugin configuration activation started", TARGET)
    try:
        await host.change(resolved)
    except BaseException:
        hosts.release(host)
        raise
    host.ready = True
    atexit.unregister(hosts.end_at_exit)  # once, and after whatever the plugins registered themselves
    atexit.register(hosts.end_at_exit)
    count = len(resolved.document["components"])
    oplog.info("plugin_configuration_activated", "Plugin configuration activated", TARGET, component_count=count)
    return host


async def reconfigure(host: Host, config: object, additional: Path | None) -> None:
    """See ``nemo_relay.plugin.PluginHostActivation.reconfigure``."""
    out = await host.change(await asyncio.to_thread(prepared, config, additional))
    host.config, host.additional = config, additional
    oplog.info("plugin_configuration_changed", "Plugin configuration changed", TARGET)
    await asyncio.to_thread(host.drain, out)
