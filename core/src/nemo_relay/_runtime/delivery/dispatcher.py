# SPDX-License-Identifier: Apache-2.0
"""The dispatcher: one daemon thread that hands events to Python subscribers in the order of their emission.

Emitting only enqueues, so a slow or stuck subscriber never holds the application up. The queue is bounded: what
does not fit is counted, and by configuration the emitter may wait a moment for room first. An event whose
sanitizers are async travels through the same queue (as a job), and everything emitted after it queues up behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from time import monotonic, sleep
from typing import Any, NamedTuple

from nemo_relay._runtime.awaitables import run_on_some_loop
from nemo_relay._runtime.events.events import MarkEvent, ScopeEvent
from nemo_relay._runtime.events.lines import Parts
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import Span

EventType = type[ScopeEvent] | type[MarkEvent]
_Item = tuple[EventType | None, Any, Any, Any]


class Statistics(NamedTuple):
    """What became of the events offered to the queue since the process started.

    ``offered`` = ``delivered`` + ``dropped`` + ``queued``; the event that is being delivered still counts as queued.
    ``failed`` counts callbacks that raised.
    """

    offered: int
    delivered: int
    dropped: int
    failed: int
    queued: int


class Dispatcher:
    """The queue and its thread, which starts with the first event that a callback wants to hear."""

    def __init__(self) -> None:
        self.capacity = 100_000
        self.wait_seconds = 0.0  # how long an emitter waits for room before an event is dropped
        self.reset()

    def reset(self) -> None:
        """Start anew, with nothing queued and no thread: what a forked child needs."""
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Reentrant: a garbage collection or a signal may emit an event while its thread holds this.
        self._starting = threading.RLock()
        self._loop: Any = None  # drives the async subscribers that came without a loop of their own
        self.jobs = 0  # jobs queued or running: while there are any, sinks must queue up too
        self._calls = 0  # what is in the queue and is no event
        self._busy = 0  # the event that has left the queue and is not delivered yet
        self.delivered = self.dropped = self.failed = 0

    def put(self, make: EventType, source: bytes | Parts, callbacks: tuple[Entry, ...], span: Span) -> None:
        """Queue one event for ``callbacks``; they run with ``span`` as their current scope."""
        if self._queue.qsize() >= self.capacity and not self._room():
            with self._starting:
                self.dropped += 1
            faults.report("event_queue_full", OverflowError(f"{self.capacity} events queued; events are dropped"))
            return
        self._queue.put((make, source, callbacks, span))
        if self._thread is None:
            self._start()

    def call(self, job: Callable[[], None]) -> None:
        """Queue a call; it runs on the dispatcher's thread when all that was queued before has been delivered."""
        with self._starting:
            self._calls += 1
        self._queue.put((None, job, None, None))
        if self._thread is None:
            self._start()

    def defer(self, job: Callable[[], None]) -> None:
        """Queue a job that delivers an event itself; until it has ended, all events queue up behind it."""

        def run() -> None:
            try:
                job()
            finally:
                with self._starting:
                    self.jobs -= 1

        with self._starting:
            self.jobs += 1
        self.call(run)

    def statistics(self) -> Statistics:
        """The counters, now."""
        with self._starting:
            queued = max(0, self._queue.qsize() - self._calls) + self._busy
        return Statistics(self.delivered + self.dropped + queued, self.delivered, self.dropped, self.failed, queued)

    def is_current(self) -> bool:
        """Whether the caller runs on the dispatcher's thread."""
        return self._thread is threading.current_thread()

    def flush(self, timeout: float | None) -> bool:
        """Wait until what is queued now has been delivered; False when ``timeout`` seconds were not enough."""
        if self._thread is None or self.is_current():
            return True
        done = threading.Event()
        self.call(done.set)
        return done.wait(timeout)

    def _room(self) -> bool:
        if self.wait_seconds <= 0 or self.is_current():
            return False
        deadline = monotonic() + self.wait_seconds
        while self._queue.qsize() >= self.capacity:
            if monotonic() > deadline:
                return False
            sleep(0.001)
        return True

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, args=(self._queue,), name="nemo-relay-events", daemon=True)
        with self._starting:
            if self._thread is not None:
                return
            self._thread = thread
            try:
                thread.start()
            except RuntimeError as error:  # no more threads, or the interpreter is going: the next event tries again
                self._thread = None
                faults.report("event_thread_failed", error)

    def _run(self, queue: SimpleQueue[_Item]) -> None:
        enter = context.position.set
        context.as_emitted.set(True)
        while True:
            make, source, callbacks, span = queue.get()
            if make is None:
                with self._starting:
                    self._calls -= 1
                _guarded(source)
                continue
            self._busy = 1
            enter(span)
            self.deliver(make, source, callbacks)
            self._busy = 0

    def deliver(self, make: EventType, source: bytes | Parts, callbacks: tuple[Entry, ...]) -> None:
        """Call ``callbacks``, each with an event of its own; on the dispatcher's thread only."""
        for entry in callbacks:
            try:
                answer = entry.fn(make(source))
                if answer is not None and hasattr(type(answer), "__await__"):
                    self._drive(answer, entry)
            except BaseException as error:
                # Even SystemExit: a subscriber must not end the thread that serves the others.
                self.failed += 1
                _complain(entry, error)
        self.delivered += 1

    def _drive(self, awaitable: Any, entry: Entry) -> None:
        import asyncio

        async def wait() -> None:
            await awaitable

        loop = entry.loop
        if loop is not None and loop.is_running():
            run_on_some_loop(wait, loop, copy_context())
            return
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(wait())


def _guarded(job: Callable[[], None]) -> None:
    try:
        job()
    except BaseException as error:
        faults.report("event_job_failed", error)


def _complain(entry: Entry, error: BaseException) -> None:
    kind = f"subscriber_failed:{entry.name}:{type(error).__name__}"
    faults.counts[kind] += 1
    if faults.counts[kind] == 1:
        faults.say(f"Event subscriber error: {faults.describe(error)}")


dispatcher = Dispatcher()
