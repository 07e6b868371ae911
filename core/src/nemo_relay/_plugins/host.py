# SPDX-License-Identifier: Apache-2.0
"""One activation: its parts, the lease on the process that it holds, its change from document to document, its end.

The end runs on a thread of its own, so that whoever waits for it may be cancelled, be on any event loop, or not wait at
all; there is one end, however many ask for it.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from copy import deepcopy
from typing import Any

from nemo_relay._plugins import kinds
from nemo_relay._plugins.contexts import Context, Part, Resource, exchange
from nemo_relay._plugins.runtime_reports import RuntimeReports
from nemo_relay._plugins.watching import Watcher
from nemo_relay._runtime.awaitables import run_blocking
from nemo_relay._runtime.delivery import flush
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.log import faults, oplog
from nemo_relay.errors import (
    ConfigFileMissing,
    InvalidConfig,
    MissingExtra,
    PluginConflict,
    RegistrationFailed,
    RelayError,
    UnknownPlugin,
)
from nemo_relay_configuration import validation
from nemo_relay_configuration.reports import PluginHostReport
from nemo_relay_configuration.sources import files, layers
from nemo_relay_configuration.sources.layers import Path, Resolved

CLOSE_SECONDS = 10.0  # how long an ending activation waits for the events that were queued before
EXIT_SECONDS = 2.0  # and how long where the process is ending
TARGET = "nemo_relay.plugin"

_lock = threading.Lock()
_current: Host | None = None  # who holds the lease


class Host:
    """What ``initialize`` made."""

    def __init__(self, config: object, additional: Path | None) -> None:
        self.config = config
        self.additional = additional
        self.inline = False  # whether everything runs on this thread: it may hold the lock of an import
        self.parts: list[Part] = []
        self.runtime = RuntimeReports()
        self.ready = False
        self.pid = os.getpid()
        self.stop_watching: Callable[[], None] = lambda: None
        self._report: PluginHostReport | None = None
        self._changing = threading.Lock()
        self._end: Future[None] | None = None
        self._holder: weakref.ref[Any] | None = None
        self._counting: dict[str, Callable[[], Mapping[str, int]]] = {}

    @property
    def report(self) -> PluginHostReport:
        """What was found in the document that is active, and what happened since."""
        assert self._report is not None
        report = deepcopy(self._report)
        happened = self.runtime.listed()
        if happened:
            report["config"]["runtime_diagnostics"] = happened
        return report

    def counters(self) -> dict[str, dict[str, int]]:
        """What became of the events, by destination."""
        return {name: dict(read()) for name, read in self._counting.items()}

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

    async def change(self, resolved: Resolved) -> list[Part]:
        """Make ``resolved`` the active document in one step; what is the same in it goes on undisturbed.

        Returns:
            What it took out; ``drain`` ends it.

        Raises:
            InvalidConfig, UnknownPlugin, RegistrationFailed, MissingExtra: the new document cannot be activated, and
                nothing has changed.
            PluginConflict: another change is under way, or the activation has ended.
        """
        report = accepted(resolved)
        if not self._changing.acquire(blocking=False):
            raise PluginConflict("another change of the plugin configuration is under way")
        try:
            if self._end is not None:
                raise PluginConflict("the plugin configuration has been closed")
            self.runtime.secrets = resolved.secrets
            parts, fresh = await self._register_all(resolved)
            out = [part for part in self.parts if part not in parts]
            try:
                exchange(out, fresh)
            except BaseException:
                self._drop(fresh, "plugin_rollback_failed")
                raise
            self.parts, self._report = parts, report
            self._counting = {name: read for part in parts for name, read in part.counting.items()}
            for part in out:
                part.release()
            return out
        finally:
            self._changing.release()

    def drain(self, out: list[Part], seconds: float | None = None) -> None:
        """End ``out``, once the events that were queued for it have reached it."""
        if out:
            _wait(0.0 if flush.is_within_delivery() else seconds or CLOSE_SECONDS)
            self._end_parts(out, "plugin_cleanup_failed")

    def watch(self, seconds: float) -> None:
        """Look at the files every ``seconds``, and change to what they say."""
        self.stop_watching()
        watcher = Watcher(lambda: (*files.places(self.additional), *self.runtime.secrets.files), self._reload, seconds)
        self.stop_watching = watcher.stop
        watcher.start()

    def _reload(self) -> None:
        try:
            resolved = prepared(self.config, self.additional)
            self.drain(run_blocking(lambda: self.change(resolved)))
        except (RelayError, OSError) as error:
            shown = self.runtime.masked(error)
            self.runtime.add("plugin.reload_failed", "plugin", faults.describe(shown), None, None)
            faults.report("plugin_reload_failed", shown)
        else:
            oplog.info("plugin_configuration_changed", "Plugin configuration changed", TARGET)

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
            self.stop_watching()
            changing = self._changing.acquire(timeout=CLOSE_SECONDS)  # a change under way comes first
            _wait(wait)
            parts, self.parts = self.parts, []
            self._drop(parts, "plugin_cleanup_failed")
            if changing:
                self._changing.release()
            release(self)
            self._report_counters()
            oplog.info("plugin_configuration_cleared", "Plugin configuration cleared", TARGET)
        finally:
            end.set_result(None)

    def _report_counters(self) -> None:
        for name, counted in self.counters().items():
            text = ", ".join(f"{number} {what}" for what, number in counted.items() if number)
            oplog.info("destination_closed", f"{name}: {text or 'no events'}", TARGET)

    def _drop(self, parts: list[Part], failure: str) -> None:
        exchange(parts, ())
        for part in parts:
            part.release()
        self._end_parts(parts, failure)

    def _end_parts(self, parts: list[Part], failure: str) -> None:
        """Call what the plugins asked to be called, the last first."""
        for part in reversed(parts):
            while part.undo:
                undo = part.undo.pop()
                try:
                    answer = undo()
                    if hasattr(answer, "__await__"):
                        run_blocking(lambda answer=answer: _awaited(answer))  # type: ignore[misc]
                except Exception as error:
                    faults.report(failure, self.runtime.masked(error), plugin_kind=part.kind)

    async def _register_all(self, resolved: Resolved) -> tuple[list[Part], list[Part]]:
        """All parts of the new document, and those of them that are new."""
        parts: list[Part] = []
        fresh: list[Part] = []
        try:
            for kind, ordinal, config in _enabled(resolved):
                part = self._running(kind, ordinal, config)
                if part is None:
                    part = Part(kind, ordinal, config)
                    fresh.append(part)
                    await self._register(part)
                parts.append(part)
        except BaseException:
            self._drop(fresh, "plugin_rollback_failed")
            raise
        return parts, fresh

    def _running(self, kind: str, ordinal: int, config: Any) -> Part | None:
        same = (part for part in self.parts if (part.kind, part.ordinal, part.config) == (kind, ordinal, config))
        return next(same, None)

    async def _register(self, part: Part) -> None:
        context = Context(part, self._resources(part.kind), self.runtime)
        try:
            answer = await self._call(kinds.find(part.kind).register, deepcopy(part.config), context, part.kind)
            if hasattr(answer, "__await__"):
                await answer
        except MissingExtra:
            raise  # it says what to install
        except Exception as error:
            shown = self.runtime.masked(error)
            text = faults.describe(error) if shown is error else faults.text(shown)
            raise RegistrationFailed(text) from (error if shown is error else None)
        finally:
            context._end()

    async def _call(self, register: Callable[..., Any], config: Any, context: Context, kind: str) -> Any:
        if self.inline or not kinds.is_builtin(kind):
            return register(config, context)
        import asyncio

        return await asyncio.to_thread(register, config, context)  # it may open files

    def _resources(self, kind: str) -> dict[str, Resource]:
        return {key: one for part in self.parts if part.kind == kind for key, one in part.resources.items()}


async def _awaited(answer: Any) -> None:
    await answer


def _wait(seconds: float) -> None:
    if seconds and not dispatcher.flush(seconds):
        late = TimeoutError(f"subscribers took more than {seconds} s; their plugins are removed under them")
        faults.report("plugin_cleanup_failed", late)


def _enabled(resolved: Resolved) -> Iterable[tuple[str, int, Any]]:
    """Kind, ordinal and configuration of what is to run.

    Raises:
        UnknownPlugin: there is no such plugin, and the document does not say to go on without.
    """
    ordinals: dict[str, int] = {}
    ignored = validation.behavior(resolved.document, "unknown_component") == "ignore"
    for component in resolved.effective["components"]:
        kind = component["kind"]
        ordinals[kind] = ordinals.get(kind, 0) + 1
        if not component.get("enabled", True):
            continue
        if kinds.find(kind) is not None:
            yield kind, ordinals[kind], component.get("config", {})
        elif not (ignored or kinds.is_dispensable(kind)):
            raise UnknownPlugin(
                f"plugin component '{kind}' is not registered; {kinds.advice(kind)}install or register it, disable the "
                "component, or set policy.unknown_component to 'ignore'"
            )


def accepted(resolved: Resolved) -> PluginHostReport:
    """The report on ``resolved``, when it can be activated.

    Raises:
        ConfigFileMissing, InvalidConfig: it cannot (both a ValueError).
    """
    report = validation.report(resolved, kinds)
    if resolved.missing is not None:
        raise ConfigFileMissing(resolved.missing)
    found = validation.errors(report)
    if found:
        raise InvalidConfig("; ".join(found))
    return report


async def acquire(host: Host) -> None:
    """Give ``host`` the lease on the process.

    Raises:
        PluginConflict: another has it, and somebody may still end that one (a RuntimeError).
    """
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


def release(host: Host) -> None:
    """Take the lease back from ``host``."""
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


def end_at_exit() -> None:
    """What plugins asked to be called for at the end is called at the end of the process too."""
    active = current()
    if active is not None and active.pid == os.getpid():  # a forked child has no part in it
        try:
            active.begin_end(EXIT_SECONDS).result(EXIT_SECONDS)
        except TimeoutError as late:
            faults.report("plugin_cleanup_failed", late)


def prepared(config: object, additional: Path | None) -> Resolved:
    """All that reads files."""
    resolved = layers.layered(config, additional)
    kinds.prepare(component["kind"] for component in resolved.document["components"])
    return resolved
