# SPDX-License-Identifier: Apache-2.0
"""Plugins: components that a configuration switches on, each registering guardrails, intercepts and subscribers.

A plugin is an object with ``register(config, context)``. The program registers it under a *kind*, or an installed
distribution offers it as an entry point of the group ``nemo_relay.plugins``. A document names the kinds to activate;
one document is active in a process at a time.

>>> import asyncio
>>> from nemo_relay import plugin, tools
>>> class Deny:
...     def register(self, config, context):
...         context.register_tool_conditional_execution_guardrail("deny", 10, lambda name, args: config["reason"])
>>> plugin.register("example.deny", Deny())
>>> async def main():
...     document = {"components": [{"kind": "example.deny", "config": {"reason": "closed today"}}]}
...     async with plugin.activate(document):
...         try:
...             await tools.execute("search", {}, lambda args: "found")
...         except RuntimeError as refused:
...             return str(refused)
>>> asyncio.run(main())
'guardrail rejected: closed today'
>>> plugin.deregister("example.deny")
True
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Self

from nemo_relay._plugins import activation as _activation
from nemo_relay._plugins import autoload as _autoload
from nemo_relay._plugins import host as _host
from nemo_relay._plugins import kinds as _kinds
from nemo_relay._plugins.protocols import Plugin, PluginContext
from nemo_relay._runtime.awaitables import running_loop as _running_loop
from nemo_relay._runtime.exports import borrowed as _borrowed
from nemo_relay._runtime.exports import claim as _claim
from nemo_relay_configuration import schema as _schema
from nemo_relay_configuration import validation as _validation
from nemo_relay_configuration.documents import ComponentSpec, ConfigPolicy, JsonObject, PluginConfig
from nemo_relay_configuration.reports import (
    ConfigDiagnostic,
    ConfigReport,
    DynamicPluginCheckState,
    DynamicPluginFailure,
    DynamicPluginKind,
    DynamicPluginValidationReport,
    DynamicPluginValidationStatus,
    PluginHostReport,
    RuntimeDiagnostic,
)
from nemo_relay_configuration.sources import layers as _layers

__all__ = [
    "ComponentSpec",
    "ConfigDiagnostic",
    "RuntimeDiagnostic",
    "ConfigPolicy",
    "ConfigReport",
    "DynamicPluginCheckState",
    "DynamicPluginFailure",
    "DynamicPluginKind",
    "DynamicPluginValidationReport",
    "DynamicPluginValidationStatus",
    "PluginConfig",
    "PluginContext",
    "PluginHostActivation",
    "PluginHostReport",
    "Plugin",
    "activate",
    "autoload",
    "clear",
    "clear_async",
    "initialize",
    "deregister",
    "list_kinds",
    "register",
    "report",
    "schema",
    "validate",
    "validate_exact",
]

_claim(globals())

__getattr__ = _borrowed(
    __name__,
    {
        "nemo_relay.runtime_registrations": "ConditionalMiddlewareGuardrail RuntimeRegistrationKind",
        "nemo_relay.types": (
            "EventMetadataInjectorCallback Json UnsupportedBehavior EventSanitizeGuardrail"
            " LlmConditionalExecutionGuardrail LlmSanitizeRequestGuardrail LlmSanitizeResponseGuardrail"
            " ToolConditionalExecutionGuardrail ToolSanitizeGuardrail LlmExecutionIntercept"
            " LlmRequestIntercept LlmStreamExecutionIntercept ToolExecutionIntercept ToolRequestIntercept"
        ),
    },
)


_Path = str | os.PathLike[str]
_NOTHING: JsonObject = {}


class PluginHostActivation:
    """An active configuration. Made by ``initialize``; an async context manager that closes itself.

    Throwing it away closes nothing: the configuration stays active until ``clear``, or until another ``initialize``
    replaces it.
    """

    __slots__ = ("__weakref__", "_native")

    def __init__(self, native: _host.Host) -> None:
        self._native = native
        native.held_by(self)

    @property
    def report(self) -> PluginHostReport:
        """What was found in the active document, and under ``runtime_diagnostics`` what happened since; readable after
        the end too."""
        return self._native.report

    @property
    def counters(self) -> dict[str, dict[str, int]]:
        """What became of the events, by destination: ``offered``, ``written``, ``dropped``, ``retried`` and more; those
        of the last document after the end too."""
        return self._native.counters()

    @property
    def is_active(self) -> bool:
        """False as soon as somebody closes it."""
        return self._native.is_active

    async def reconfigure(
        self, config: PluginConfig | JsonObject = _NOTHING, additional_plugins_toml: _Path | None = None
    ) -> PluginHostReport:
        """Put another document in the place of the active one.

        The new document is validated and its plugins are started first; then both change places in one step, so that
        each event and call meets either the old or the new ones; then what the old one had queued is delivered and it
        ends. A component whose configuration is the same goes on undisturbed, and a plugin may hand its open files and
        connections on (``context.adopt``).

        Args:
            config: the program's new document; it goes before the files.
            additional_plugins_toml: a file to read instead of the user's own ``plugins.toml``.

        Returns:
            The report on the new document.

        Raises:
            InvalidConfig, UnknownPlugin, RegistrationFailed, MissingExtra: as ``initialize``; the old document stays.
            PluginConflict: another change is under way, or the activation has been closed (a RuntimeError).
        """
        await _activation.reconfigure(self._native, config, additional_plugins_toml)
        return self.report

    async def reload(self) -> PluginHostReport:
        """``reconfigure`` with what it was made of: reads the files anew."""
        return await self.reconfigure(self._native.config, self._native.additional)  # type: ignore[arg-type]

    def watch(self, seconds: float = 1.0) -> None:
        """``reload`` whenever one of the configuration files, or a file that they take a value from, has changed.

        A change that cannot be activated is told in the operational log and as the runtime diagnostic
        ``plugin.reload_failed``; the active configuration stays.

        Args:
            seconds: between two looks; a change is taken up when it has not moved for one of them.
        """
        self._native.watch(seconds)

    async def close(self) -> None:
        """Deliver the events that are queued, remove everything the plugins registered, and give the process free.

        It may be called any number of times, at the same time too: all wait for the same end. Cancelling a waiter
        does not cancel the end.
        """
        await self._native.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def register(plugin_kind: str, plugin: Plugin) -> None:
    """Offer ``plugin`` under a kind, for documents to name. It goes before an installed plugin of that kind.

    Args:
        plugin_kind: what documents name it by.
        plugin: an object with ``register(config, context)``, and ``validate(config)`` to check its part of a document.

    Raises:
        RegistrationFailed: the kind is taken, or built in (a RuntimeError).
        TypeError: it has no ``register``.
    """
    _kinds.register(plugin_kind, plugin)


def deregister(plugin_kind: str) -> bool:
    """Withdraw what ``register`` offered; False when there is nothing. What is active stays active."""
    return _kinds.deregister(plugin_kind)


def list_kinds() -> list[str]:
    """All kinds a document may name, sorted: built in, installed and registered."""
    return _kinds.names()


def validate(
    config: PluginConfig | JsonObject = _NOTHING, additional_plugins_toml: _Path | None = None
) -> PluginHostReport:
    """Say what ``initialize`` would find. Nothing is activated, and another configuration may be active.

    Args:
        config: the program's document; it goes before the files.
        additional_plugins_toml: a file to read instead of the user's own ``plugins.toml``; it goes over the project's.

    Returns:
        The report: the diagnostics, and the document that would be active.

    Raises:
        InvalidConfig: a document or file is malformed (a ValueError).
        UnknownPlugin: a file names a manifest that is not there (a FileNotFoundError).
    """
    return _validation.report(_layers.layered(config, additional_plugins_toml), _kinds)


def validate_exact(config: PluginConfig | JsonObject) -> PluginHostReport:
    """Like ``validate`` for the document alone: no file is read, and ``resolved_config`` shows every default."""
    return _validation.report(_layers.exact(config), _kinds)


async def initialize(
    config: PluginConfig | JsonObject = _NOTHING, additional_plugins_toml: _Path | None = None
) -> PluginHostActivation:
    """Activate a configuration.

    When a plugin fails, everything is taken back. An earlier configuration whose activation was thrown away is
    replaced.

    Args:
        config: the program's document; it goes before the files.
        additional_plugins_toml: a file to read instead of the user's own ``plugins.toml``; it goes over the project's.

    Returns:
        The activation; close it, or use it as a context manager.

    Raises:
        InvalidConfig: there are diagnostics at level error (a ValueError); ``ConfigFileMissing`` when the file that
            was named is not there.
        UnknownPlugin: an enabled component's kind is unknown (a FileNotFoundError).
        RegistrationFailed: a plugin's ``register`` raised; the cause is its exception (a RuntimeError).
        PluginConflict: another configuration is active (a RuntimeError).
    """
    return PluginHostActivation(await _activation.initialize(config, additional_plugins_toml))


def autoload() -> PluginHostActivation | None:
    """Activate the configuration files that are found, without an event loop: for the first line of a program.

    ``NEMO_RELAY_PLUGINS=/path/to/plugins.toml`` names the file to read instead, ``NEMO_RELAY_PLUGINS=0`` switches it
    off. With that variable set to ``1`` or to a path, importing ``nemo_relay`` does the same by itself. An activation
    that is thrown away gives way to a later ``initialize``.

    Returns:
        The activation; None when there is no file, or a configuration is active already.

    Raises:
        InvalidConfig, UnknownPlugin, RegistrationFailed, MissingExtra: as ``initialize``.
    """
    made = _autoload.load()
    return None if made is None else PluginHostActivation(made)


@asynccontextmanager
async def activate(
    config: PluginConfig | JsonObject = _NOTHING, additional_plugins_toml: _Path | None = None
) -> AsyncIterator[PluginHostActivation]:
    """``initialize`` for a block; closed at its end.

    Args:
        config: the program's document; it goes before the files.
        additional_plugins_toml: a file to read instead of the user's own ``plugins.toml``; it goes over the project's.
    """
    activation = await initialize(config, additional_plugins_toml)
    try:
        yield activation
    finally:
        await activation.close()


def clear() -> Awaitable[None] | None:
    """End the active configuration, whoever made it. Kinds stay registered.

    Without an event loop it returns when everything has ended. Where a loop runs it must not be held up: the end
    begins at once, and what is returned can be awaited.
    """
    active = _host.current()
    if _running_loop() is not None:
        return _ending(active)
    if active is not None:
        active.begin_end().result()
    return None


async def clear_async() -> None:
    """End the active configuration, whoever made it, and wait for it."""
    active = _host.current()
    if active is not None:
        await active.end()


def schema() -> JsonObject:
    """The JSON Schema (2020-12) of ``plugins.toml``, with what every kind that is known here says about its ``config``.

    ``python -m nemo_relay.plugin schema plugins.schema.json`` writes it to a file; a first line
    ``#:schema ./plugins.schema.json`` makes editors check and complete the document.
    """
    return _schema.document(_kinds)


def report() -> ConfigReport | None:
    """The diagnostics of the active configuration; None when nothing is active."""
    active = _host.current()
    return active.report["config"] if active is not None and active.is_active else None


def _ending(active: _host.Host | None) -> Awaitable[None]:
    import asyncio

    if active is not None:
        return asyncio.wrap_future(active.begin_end())
    nothing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    nothing.set_result(None)
    return nothing


if __name__ == "__main__":
    from nemo_relay._plugins.command import main

    raise SystemExit(main())
