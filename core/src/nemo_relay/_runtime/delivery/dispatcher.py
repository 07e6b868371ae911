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
from typing import Any, NamedTuple

from nemo_relay._runtime.awaitables import run_on_some_loop
from nemo_relay._runtime.events.events import MarkEvent, ScopeEvent
from nemo_relay._runtime.events.lines import Parts, weight
from nemo_relay._runtime.log import faults, oplog
from nemo_relay._runtime.queues import CAPACITY, MAX_BYTES, BoundedQueue
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.threads import Worker
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import Span

EventType = type[ScopeEvent] | type[MarkEvent]


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
        self._queue = BoundedQueue(CAPACITY, MAX_BYTES)
        self.wait_seconds = 0.0  # how long an emitter waits for room before an event is dropped
        self.reset()

    def reset(self) -> None:
        """Start anew, with nothing queued and no thread: what a forked child needs."""
        self._queue = BoundedQueue(self._queue.capacity, self._queue.max_bytes)
        self._worker = Worker(self._run, "nemo-relay-events", self._no_thread, self._queue)
        # Reentrant: a garbage collection or a signal may emit an event while its thread holds this.
        self._counting = threading.RLock()
        self._loop: Any = None  # drives the async subscribers that came without a loop of their own
        self.jobs = 0  # jobs queued or running: while there are any, sinks must queue up too
        self._busy = 0  # the event that has left the queue and is not delivered yet
        self._reported = 0  # drops that the log has
        self.delivered = self.failed = 0

    @property
    def capacity(self) -> int:
        """How many events may wait."""
        return self._queue.capacity

    @capacity.setter
    def capacity(self, value: int) -> None:
        self._queue.capacity = value

    @property
    def max_bytes(self) -> int:
        """How many bytes of events may wait."""
        return self._queue.max_bytes

    @max_bytes.setter
    def max_bytes(self, value: int) -> None:
        self._queue.max_bytes = value

    @property
    def dropped(self) -> int:
        """How many events found no room."""
        return self._queue.dropped

    def put(self, make: EventType, source: bytes | Parts, callbacks: tuple[Entry, ...], span: Span) -> None:
        """Queue one event for ``callbacks``; they run with ``span`` as their current scope."""
        size = len(source) if isinstance(source, bytes) else weight(source)
        if not self._queue.put((size, make, source, callbacks, span), self._patience):
            self._full()
        elif self._worker.thread is None:
            self._worker.start()

    def call(self, job: Callable[[], None]) -> None:
        """Queue a call; it runs on the dispatcher's thread when all that was queued before has been delivered."""
        self._queue.put_anyway((0, None, job, None, None))
        if self._worker.thread is None:
            self._worker.start()

    def defer(self, job: Callable[[], None], size: int) -> bool:
        """Queue a job that delivers an event of ``size`` bytes itself; until it has ended, all events queue up behind.

        Returns:
            Whether there was room for it.
        """

        def run() -> None:
            try:
                job()
            finally:
                with self._counting:
                    self.jobs -= 1

        with self._counting:
            self.jobs += 1
        if not self._queue.put((size, None, run, None, None), self._patience):
            with self._counting:
                self.jobs -= 1
            self._full()
            return False
        if self._worker.thread is None:
            self._worker.start()
        return True

    def statistics(self) -> Statistics:
        """The counters, now."""
        queued = self._queue.waiting + self._busy
        return Statistics(self.delivered + self.dropped + queued, self.delivered, self.dropped, self.failed, queued)

    def report_drops(self) -> int:
        """Say in the log how many events were dropped since it was last said; that number."""
        new = self.dropped - self._reported
        if new > 0:
            self._reported += new
            oplog.error("events_dropped", f"{new} events found no room in the queue and were dropped", dropped=new)
        return new

    def _no_thread(self, error: RuntimeError) -> None:
        faults.report("event_thread_failed", error)  # the next event tries again

    def _patience(self) -> float:
        return 0.0 if self.is_current() else self.wait_seconds

    def _full(self) -> None:
        text = f"{self._queue.waiting} events, {self._queue.waiting_bytes} bytes queued; events are dropped"
        faults.report("event_queue_full", OverflowError(text))

    def is_current(self) -> bool:
        """Whether the caller runs on the dispatcher's thread."""
        return self._worker.thread is threading.current_thread()

    def flush(self, timeout: float | None) -> bool:
        """Wait until what is queued now has been delivered; False when ``timeout`` seconds were not enough."""
        if self._worker.is_unused or self.is_current():
            return True
        if not self._worker.has_begun():
            return False
        done = threading.Event()
        self.call(done.set)
        in_time = done.wait(timeout)
        self.report_drops()
        return in_time

    def _run(self, queue: BoundedQueue) -> None:
        enter = context.position.set
        take = queue.items.get
        context.as_emitted.set(True)
        while True:
            size, make, source, callbacks, span = take()
            queue.bytes_out += size
            if make is not None:
                self._busy = 1
                enter(span)
                self.deliver(make, source, callbacks)
            elif not size:  # no event, only a call that waited for its turn
                queue.freed()
                _guarded(source)
                continue
            else:
                self._busy = 1
                _guarded(source)
            self._busy = 0
            self.delivered += 1

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
        faults.write(f"Event subscriber error: {faults.describe(error)} (raised by the subscriber {entry.name!r})")


dispatcher = Dispatcher()
