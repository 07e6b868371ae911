# SPDX-License-Identifier: Apache-2.0
"""One activation: its registrations, the lease on the process that it holds, and its end.

The end runs on a thread of its own, so that whoever waits for it may be cancelled, be on any event loop, or not wait at
all; there is one end, however many ask for it.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from copy import deepcopy
from typing import Any

from nemo_relay._plugins import kinds, layers, validation
from nemo_relay._plugins.contexts import Context, Undo
from nemo_relay._plugins.documents import JsonObject
from nemo_relay._plugins.layers import Path, Resolved
from nemo_relay._plugins.reports import PluginHostReport
from nemo_relay._runtime.awaitables import run_blocking
from nemo_relay._runtime.delivery import flush
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.log import faults, oplog
from nemo_relay.errors import InvalidConfig, MissingExtra, PluginConflict, RegistrationFailed, UnknownPlugin

CLOSE_SECONDS = 10.0  # how long an ending activation waits for the events that were queued before
EXIT_SECONDS = 2.0  # and how long where the process is ending
_TARGET = "nemo_relay.plugin"

_lock = threading.Lock()
_current: Host | None = None  # who holds the lease


class Host:
    """What ``initialize`` made."""

    def __init__(self, report: PluginHostReport) -> None:
        self.report = report
        self.undo: list[Undo] = []
        self.ready = False
        self.pid = os.getpid()
        self._end: Future[None] | None = None
        self._holder: weakref.ref[Any] | None = None

    @property
    def is_active(self) -> bool:
        """Whether everything is registered, and nobody has asked for the end."""
        return self.ready and self._end is None

    @property
    def is_abandoned(self) -> bool:
        """Whether its activation object is gone: nobody but ``clear`` can end it any more."""
        return self.ready and self._holder is not None and self._holder() is None

    def held_by(self, activation: object) -> None:
        """Remember, weakly, the object that the program got."""
        self._holder = weakref.ref(activation)

    def begin_end(self, seconds: float | None = None) -> Future[None]:
        """Start the end, if nobody has; the future is resolved when it has happened. ``seconds`` bound the flush."""
        wait = 0.0 if flush.is_within_delivery() else seconds or CLOSE_SECONDS
        with _lock:
            if self._end is not None:
                return self._end
            end = self._end = Future()
            end.set_running_or_notify_cancel()  # from here on no waiter can cancel it
        try:
            threading.Thread(target=self._run_end, args=(end, wait), name="nemo-relay-plugins", daemon=True).start()
        except RuntimeError:  # the interpreter is going down and starts no threads
            self._run_end(end, wait)
        return end

    async def end(self) -> None:
        """Wait for the end."""
        import asyncio

        await asyncio.wrap_future(self.begin_end())

    def _run_end(self, end: Future[None], wait: float) -> None:
        try:
            if wait and not dispatcher.flush(wait):
                late = TimeoutError(f"subscribers took more than {wait} s; their plugins are removed under them")
                faults.report("plugin_cleanup_failed", late)
            self.undo_all("plugin_cleanup_failed")
            _release(self)
            oplog.info("plugin_configuration_cleared", "Plugin configuration cleared", _TARGET)
        finally:
            end.set_result(None)

    def undo_all(self, failure: str) -> None:
        """Take back everything that the plugins did, the last first."""
        while self.undo:
            kind, undo = self.undo.pop()
            try:
                answer = undo()
                if hasattr(answer, "__await__"):
                    run_blocking(lambda answer=answer: _awaited(answer))  # type: ignore[misc]
            except Exception as error:
                faults.report(failure, error, plugin_kind=kind)


async def _awaited(answer: Any) -> None:
    await answer


def _release(host: Host) -> None:
    global _current
    with _lock:
        if _current is host:
            _current = None


def current() -> Host | None:
    """The host that is active or about to end; None while one is still being made."""
    return _current if _current is not None and _current.ready else None


def set_aside() -> Callable[[], None]:
    """Leave nothing active; the returned call ends what has become active since, and restores what was."""
    global _current
    with _lock:
        kept, _current = _current, None

    def restore() -> None:
        global _current
        active = current()
        if active is not None:
            active.begin_end().result()
        with _lock:
            _current = kept

    return restore


def _end_at_exit() -> None:
    """What plugins asked to be called for at the end is called at the end of the process too."""
    active = current()
    if active is not None and active.pid == os.getpid():  # a forked child has no part in it
        try:
            active.begin_end(EXIT_SECONDS).result(EXIT_SECONDS)
        except TimeoutError as late:
            faults.report("plugin_cleanup_failed", late)


async def _acquire(host: Host) -> None:
    global _current
    while True:
        with _lock:
            before = _current
            if before is None:
                _current = host
                return
            if not before.is_abandoned:
                raise PluginConflict("plugin configuration is owned by an active dynamic plugin host")
        # The program threw its activation away. Its configuration stayed active until now, when another one takes over.
        await before.end()


async def initialize(config: object, additional: Path | None) -> Host:
    """See ``nemo_relay.plugin.initialize``."""
    import asyncio

    resolved = await asyncio.to_thread(_prepared, config, additional)
    report = validation.report(resolved)
    found = validation.errors(report)
    if found:
        raise InvalidConfig("; ".join(found))
    host = Host(report)
    await _acquire(host)
    oplog.info("plugin_configuration_activation_started", "Plugin configuration activation started", _TARGET)
    try:
        await _register_all(host, resolved.document)
    except BaseException:
        host.undo_all("plugin_rollback_failed")
        _release(host)
        raise
    host.ready = True
    atexit.unregister(_end_at_exit)  # once, and after whatever the plugins registered themselves
    atexit.register(_end_at_exit)
    count = len(resolved.document["components"])
    oplog.info("plugin_configuration_activated", "Plugin configuration activated", _TARGET, component_count=count)
    return host


def _prepared(config: object, additional: Path | None) -> Resolved:
    """All that reads files."""
    resolved = layers.layered(config, additional)
    kinds.prepare(component["kind"] for component in resolved.document["components"])
    return resolved


async def _register_all(host: Host, document: JsonObject) -> None:
    ordinals: dict[str, int] = {}
    for component in document["components"]:
        kind = component["kind"]
        ordinals[kind] = ordinals.get(kind, 0) + 1
        if not component.get("enabled", True):
            continue
        plugin = kinds.find(kind)
        if plugin is not None:
            await _register(plugin, Context(kind, ordinals[kind], host.undo), component.get("config", {}))
        elif validation.behavior(document, "unknown_component") != "ignore":
            raise UnknownPlugin(
                f"plugin component '{kind}' is not registered; install or register it, disable the component, or set "
                "policy.unknown_component to 'ignore'"
            )


async def _register(plugin: Any, context: Context, config: JsonObject) -> None:
    try:
        answer = plugin.register(deepcopy(config), context)
        if hasattr(answer, "__await__"):
            await answer
    except MissingExtra:
        raise  # it says what to install
    except Exception as error:
        raise RegistrationFailed(f"{type(error).__name__}: {error}") from error
    finally:
        context._end()
