# SPDX-License-Identifier: Apache-2.0
"""A sink: its spool, its thread, its way to the destination; and what the plugin host sees of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from nemo_relay_sinks.lines import Sessions
from nemo_relay_sinks.settings import Common, JsonObject, problems
from nemo_relay_spool import Counters, Diagnostics, Journal, Limits, MemoryQueue, Pipeline, Queue, Transport

LIMITS = Limits(500, 1 << 20)
_SECONDS = 0.2  # that an event waits for company at the most
_MEMORY_EVENTS, _MEMORY_BYTES = 100_000, 64 << 20
_CLOSE_SECONDS = 5.0


class Sink:
    """Sends every event to one destination. Made by ``open_sink``.

    Attributes:
        counters: what became of the events.
    """

    def __init__(
        self, settings: Common, kind: str, make_transport: Callable[[], Transport], limits: Limits = LIMITS
    ) -> None:
        self._diagnostics = Diagnostics("sinks", "Sink")
        folder = _folder(settings, kind)
        spool = settings.spool

        def make_queue(counters: Counters) -> Queue:
            if spool.enabled:
                try:
                    return Journal(folder, counters, self._diagnostics, spool.max_bytes)
                except OSError as error:
                    text = f"the spool in {str(folder)!r} cannot be used: {error.strerror}; events wait in memory"
                    self._diagnostics.report("spool_unavailable", text)
            return MemoryQueue(counters, _MEMORY_EVENTS, _MEMORY_BYTES)

        self._pipeline = Pipeline(
            *(kind, Sessions, make_transport, make_queue, limits, _SECONDS, self._diagnostics), decode=False
        )
        if self._pipeline.has_orphans():
            self._pipeline.start()

    @property
    def kind(self) -> str:
        """What kind of destination it is."""
        return self._pipeline.signal

    @property
    def target(self) -> str:
        """The destination's address, without credentials."""
        return self._pipeline.target

    @property
    def counters(self) -> Counters:
        """What became of the events."""
        return self._pipeline.counters

    def write(self, line: bytes) -> bool:
        """Take one event's line; False once closed. Never waits, never raises."""
        return self._pipeline.offer(line)

    def listen(self, listener: Callable[[str, str], None]) -> None:
        """Tell ``listener`` of every trouble: a code, and a text without secrets."""
        self._diagnostics.listener = listener

    def force_flush(self, timeout: float = _CLOSE_SECONDS) -> bool:
        """Send what was offered so far.

        Args:
            timeout: seconds to wait at the most.

        Returns:
            Whether all of it has arrived. What has not is not given up.
        """
        return self._pipeline.flush(timeout)

    def shutdown(self, timeout: float = _CLOSE_SECONDS) -> bool:
        """Send what can be sent within ``timeout`` seconds, and close.

        Returns:
            Whether everything has arrived; what has not stays in the spool.
        """
        return self._pipeline.close(timeout)

    def __repr__(self) -> str:
        return f"<Sink {self._pipeline.signal} {self._pipeline.target}>"


def _folder(settings: Common, kind: str) -> Path:
    """A folder of its own for each destination: what one did not take is not sent to another."""
    identity = settings.model_dump(mode="json", exclude={"spool", "timeout_millis", "headers", "security"})
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    return Path(settings.spool.directory).absolute() / f"{settings.name or kind}-{digest}"


class Component:
    """One kind of sink, as the plugin host finds it by entry point.

    Args:
        module: has the kind's settings as ``MODEL``, and ``opened``.
        what: its kind in words.
    """

    def __init__(self, module: ModuleType, what: str) -> None:
        self._module = module
        self._what = what

    def schema(self) -> JsonObject:
        """The JSON Schema of an entry."""
        found: JsonObject = self._module.MODEL.model_json_schema()
        return found

    def diagnose(self, sink: JsonObject) -> list[JsonObject]:
        """The diagnostics of an entry; nothing is opened or sent."""
        return problems(self._module.MODEL, sink, self._what)

    def open(self, sink: JsonObject) -> Sink:
        """The sink of a checked entry.

        Raises:
            pydantic.ValidationError: the entry cannot be used (a ValueError).
            MissingExtra: the library of that kind is not installed (an ImportError).
        """
        made: Sink = self._module.opened(self._module.MODEL.model_validate(sink))
        return made

    def activate(self, sink: JsonObject, context: Any) -> None:
        """Open the sink, or take it over from the configuration before.

        Args:
            sink: the checked entry.
            context: the plugin host's.

        Raises:
            MissingExtra: its library is not installed (an ImportError).
        """
        key = "sink:" + hashlib.sha256(json.dumps(sink, sort_keys=True).encode()).hexdigest()
        made: Sink = context.adopt(key, lambda: self.open(sink), Sink.shutdown)
        made.listen(context.report_runtime)

        def on_event(event: Any) -> None:
            """Called only for an event that did not come as a line."""
            made.write(event.to_json().encode() + b"\n")

        on_event.__relay_sink__ = made.write  # type: ignore[attr-defined]
        context.count(f"{made.kind} {made.target}", lambda: asdict(made.counters))
        context.register_subscriber(f"sink-{key[-12:]}", on_event)
