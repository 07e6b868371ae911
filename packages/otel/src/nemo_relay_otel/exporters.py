# SPDX-License-Identifier: Apache-2.0
"""All destinations of one configuration, as one subscriber."""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Callable, Sequence

from nemo_relay import subscribers
from nemo_relay_otel.joining import Joiner, leave
from nemo_relay_spool.counters import Counters, Diagnostic, Diagnostics
from nemo_relay_spool.pipeline import Pipeline

_EXIT_SECONDS = 2.0
FLUSH_SECONDS = 30.0  # while a destination takes what it gets; one that does not is not waited for so long


class Exporters:
    """Takes each event once, on the thread that emits it, and gives it to every destination.

    Args:
        pipelines: the destinations.
        diagnostics: what goes wrong at any of them.
        joiner: lets spans join the application's own traces; None keeps them apart.
    """

    def __init__(self, pipelines: Sequence[Pipeline], diagnostics: Diagnostics, *, joiner: Joiner | None) -> None:
        self._pipelines = tuple(pipelines)
        self._diagnostics = diagnostics
        self._joiner = joiner
        self._names: list[str] = []  # the first of them listens, the others are only names
        _open.add(self)

    def write(self, line: bytes) -> bool:
        """Take one event's line; False when nobody takes it any more. Never waits, never raises."""
        if self._joiner is not None:
            line = self._joiner.mark(line)
        taken = False
        for pipeline in self._pipelines:
            taken = pipeline.offer(line) or taken
        return taken

    def subscriber(self) -> Callable[[object], None]:
        """A callback for ``nemo_relay.subscribers.register`` that hears events where they are emitted."""

        def on_event(event: object) -> None:
            """Called only for an event that did not come as a line."""
            self.write(event.to_json().encode() + b"\n")  # type: ignore[attr-defined]

        on_event.__relay_sink__ = self.write  # type: ignore[attr-defined]
        return on_event

    def register(self, name: str) -> None:
        """Start listening, under the subscriber name ``name``; under a second name as well, each event counts once.

        Raises:
            AlreadyRegistered: the name is taken (a RuntimeError).
        """
        subscribers.register(name, _nothing() if self._names else self.subscriber())
        self._names.append(name)
        self.start()

    def deregister(self, name: str) -> bool:
        """Stop listening; False when the name is unknown."""
        listening = self._names[:1] == [name]
        if name in self._names:
            self._names.remove(name)
        found = subscribers.deregister(name)
        if listening and self._names:
            subscribers.deregister(self._names[0])
            subscribers.register(self._names[0], self.subscriber())
        return found

    def start(self) -> None:
        """Send what earlier processes have left in the spool."""
        for pipeline in self._pipelines:
            if pipeline.has_orphans():
                pipeline.start()

    def force_flush(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Send what was emitted so far.

        Args:
            timeout: seconds to wait at the most.

        Returns:
            Whether all of it has arrived. What has not is not given up.
        """
        until = time.monotonic() + timeout
        for pipeline in self._pipelines:
            pipeline.urge()
        arrived = [pipeline.flush(max(until - time.monotonic(), 0.0)) for pipeline in self._pipelines]
        return all(arrived)

    def shutdown(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Stop listening, send what can be sent within ``timeout`` seconds, and close. Again is harmless.

        Returns:
            Whether everything has arrived; what has not stays in the spool, or is counted as dropped without one.
        """
        for name in tuple(self._names):
            self.deregister(name)
        if self._joiner is not None:
            leave(self._joiner)
        until = time.monotonic() + timeout
        for pipeline in self._pipelines:
            pipeline.end(timeout)
        arrived = [pipeline.close(max(until - time.monotonic(), 0.1)) for pipeline in self._pipelines]
        return all(arrived)

    def has_room(self) -> bool:
        """Whether every destination has room for a few events more; each is told to make some where it has not."""
        room = [pipeline.has_room() for pipeline in self._pipelines]
        return all(room)

    def counters(self) -> dict[str, Counters]:
        """What became of the events, by destination."""
        found: dict[str, Counters] = {}
        for pipeline in self._pipelines:
            key = f"{pipeline.signal} {pipeline.target}"
            found[key if key not in found else f"{key} #{len(found)}"] = pipeline.counters
        return found

    def diagnostics(self) -> list[Diagnostic]:
        """What went wrong, by code."""
        return self._diagnostics.entries

    def __repr__(self) -> str:
        return f"<Exporters {[f'{pipeline.signal} {pipeline.target}' for pipeline in self._pipelines]}>"


def _nothing() -> Callable[[object], None]:
    def on_event(event: object) -> None:
        """The first name has taken the event."""

    on_event.__relay_sink__ = lambda line: None  # type: ignore[attr-defined]
    return on_event


_open: weakref.WeakSet[Exporters] = weakref.WeakSet()


def _at_exit() -> None:
    for exporters in tuple(_open):
        exporters.shutdown(_EXIT_SECONDS)


atexit.register(_at_exit)
