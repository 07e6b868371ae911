# SPDX-License-Identifier: Apache-2.0
"""Events in memory."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from nemo_relay import subscribers
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.events.events import MarkEvent, ScopeEvent
from nemo_relay_projections.nodes import Forest
from nemo_relay_projections.tree import build

_numbers = itertools.count(1)
_FLUSH_SECONDS = 5.0


class MemorySink:
    """Keeps every event it is given, in order; any thread may give and read. It is a subscriber.

    Example:
        >>> from nemo_relay import ScopeType, scope, subscribers
        >>> sink = MemorySink()
        >>> subscribers.register("memory", sink)
        >>> with scope.scope("planner", ScopeType.Agent):
        ...     pass
        >>> [event.name for event in sink.starts()], subscribers.deregister("memory")
        (['planner'], True)
    """

    def __init__(self) -> None:
        self._kept: list[ScopeEvent | MarkEvent | bytes] = []
        self._lock = threading.RLock()

    def __call__(self, event: ScopeEvent | MarkEvent) -> None:
        """Takes one event."""
        with self._lock:
            self._kept.append(event)

    def write(self, line: bytes) -> None:
        """Takes one event as its line of ATOF."""
        # Turned into an event when somebody looks: the emitter's thread pays for one append.
        with self._lock:
            self._kept.append(line)

    # A subscriber with this attribute takes lines on the emitter's thread, with no queue in between: an event
    # is here when the call that made it returns.
    __relay_sink__ = write

    @property
    def events(self) -> list[ScopeEvent | MarkEvent]:
        """All events so far, in the order of their arrival. A fresh list."""
        with self._lock:
            self._kept = [_event(item) for item in self._kept]
            return [item for item in self._kept if not isinstance(item, bytes)]

    def starts(self, name: str | None = None, category: str | None = None) -> list[ScopeEvent]:
        """The start events that were heard.

        Args:
            name: only those of spans of that name.
            category: only those of that category, such as ``llm``.

        Returns:
            The events, in the order they were emitted.
        """
        return self._scope_events("start", name, category)

    def ends(self, name: str | None = None, category: str | None = None) -> list[ScopeEvent]:
        """The end events that were heard.

        Args:
            name: only those of spans of that name.
            category: only those of that category, such as ``llm``.

        Returns:
            The events, in the order they were emitted.
        """
        return self._scope_events("end", name, category)

    def marks(self, name: str | None = None) -> list[MarkEvent]:
        """The marks, of that name if given."""
        return [e for e in self.events if isinstance(e, MarkEvent) and name in (None, e.name)]

    def tree(self) -> Forest:
        """The trees of the events so far, as `nemo_relay.tree.build` makes them."""
        return build(self.events)

    def clear(self) -> None:
        """Forgets all events."""
        with self._lock:
            self._kept = []

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[ScopeEvent | MarkEvent]:
        return iter(self.events)

    def _scope_events(self, phase: str, name: str | None, category: str | None) -> list[ScopeEvent]:
        events = (e for e in self.events if isinstance(e, ScopeEvent) and e.scope_category == phase)
        return [e for e in events if name in (None, e.name) and category in (None, e.category)]


class CapturedEvents(MemorySink):
    """A `MemorySink` that listens while its block runs; see `capture_events`."""

    def __init__(self) -> None:
        super().__init__()
        self._name = f"nemo_relay.testing.capture-{next(_numbers)}"

    @property
    def events(self) -> list[ScopeEvent | MarkEvent]:
        """All events so far, in the order of their emission. A fresh list."""
        _settle()
        return super().events

    def __enter__(self) -> Self:
        subscribers.register(self._name, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _settle()
        subscribers.deregister(self._name)


def capture_events() -> CapturedEvents:
    """Capture every event that is emitted while the block runs, on any thread.

    The events are there as soon as the call that emits them returns; there is no need to flush. Only with
    *async* sanitizers or metadata injectors, in a running loop, `await subscribers.flush_async()` first.

    Returns:
        A context manager, and the sink itself: `events`, `starts()`, `ends()`, `marks()`, `tree()`. It can
        still be read after the block.

    Example:
        >>> from nemo_relay import ScopeType, scope
        >>> with capture_events() as captured:
        ...     with scope.scope("planner", ScopeType.Agent):
        ...         scope.event("thinking")
        >>> [(event.kind, event.name) for event in captured.events]
        [('scope', 'planner'), ('mark', 'thinking'), ('scope', 'planner')]
    """
    return CapturedEvents()


def _settle() -> None:
    """Waits for events that async sanitizers hold back, except in a running loop, which must not wait."""
    if not dispatcher.jobs or dispatcher.is_current():
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        dispatcher.flush(_FLUSH_SECONDS)


def _event(item: ScopeEvent | MarkEvent | bytes) -> ScopeEvent | MarkEvent:
    if not isinstance(item, bytes):
        return item
    event = ScopeEvent(item)
    return event if event.kind == "scope" else MarkEvent(item)
