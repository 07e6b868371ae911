# SPDX-License-Identifier: Apache-2.0
"""One destination: a queue, a thread that turns its events into records, and the delivery of those."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

import msgspec

from nemo_relay_spool.counters import Counters, Diagnostics
from nemo_relay_spool.delivery import Delivery, Limits, Pause
from nemo_relay_spool.journal import Journal, Orphan
from nemo_relay_spool.memory import Queue, Source
from nemo_relay_spool.outcome import Item, Transport

_decode = msgspec.json.Decoder().decode
_CLOSE_SECONDS = 30.0
_FAILING_SECONDS = 5.0  # how long a destination that fails is tried again once the end was asked for
Occasion = Literal["interval", "flush", "end"]


class Transform(Protocol):
    """Events to records. One instance sees one stream."""

    def take(self, event: Any) -> Iterable[Any]:
        """The records that the event completes: a decoded event, or its line where the pipeline decodes none."""
        ...

    def tick(self, occasion: Occasion) -> Iterable[Any]:
        """Records that are due by the clock, because somebody flushes, or because the stream ends."""
        ...

    def save(self) -> dict[str, Any]:
        """What another instance needs to go on."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what ``save`` gave."""
        ...


class Pipeline:
    """Sends what it is offered to one destination, on a thread of its own.

    Args:
        signal: ``traces``, ``logs`` or ``metrics``.
        make_transform: makes a transform, one for each stream.
        make_transport: makes the transport; called again in a forked child.
        make_queue: makes the queue; likewise.
        limits: how large a batch may be.
        delay: seconds that an event waits for company at the most.
        diagnostics: hears of failures.
        decode: whether the transform gets decoded events, or lines as they came.
    """

    def __init__(
        self,
        signal: str,
        make_transform: Callable[[], Transform],
        make_transport: Callable[[], Transport],
        make_queue: Callable[[Counters], Queue],
        limits: Limits,
        delay: float,
        diagnostics: Diagnostics,
        *,
        decode: bool = True,
    ) -> None:
        self._decode = decode
        self.signal = signal
        self.counters = Counters()
        self._make_transform = make_transform
        self._make_transport = make_transport
        self._make_queue = make_queue
        self._limits = limits
        self._delay = max(delay, 0.01)
        self._diagnostics = diagnostics
        self._closed = self._arrived = self._settled = False
        self._set_up()
        self.target = self._delivery.transport.target
        _pipelines.add(self)

    def _set_up(self) -> None:
        self._pause = Pause()
        self._queue = self._make_queue(self.counters)
        self._delivery = Delivery(
            self.signal, self._make_transport(), self._limits, self.counters, self._diagnostics, self._pause
        )
        self._transform = self._make_transform()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._idle = self._complete = False
        self._enough = self._limits.records * 2
        self._pid = os.getpid()
        self._looked_back = not isinstance(self._queue, Journal)

    def offer(self, line: bytes) -> bool:
        """Take an event; False once closed. Never waits for the destination, never raises."""
        if self._closed:
            return False
        queue = self._queue
        queue.offer(line)
        if self._thread is None:
            self.start()
        elif self._idle and queue.waiting() >= self._enough:
            with self._pause.condition:
                self._pause.condition.notify_all()
        return True

    def has_room(self) -> bool:
        """Whether the queue has room for a few events more; where it has not, it is emptied now and not in its time."""
        if self._queue.has_room():
            return True
        with self._pause.condition:
            self._pause.urged = True
            self._pause.condition.notify_all()
        return False

    def has_orphans(self) -> bool:
        """Whether there may be something on the disk that an earlier process has left."""
        return isinstance(self._queue, Journal) and self._queue.is_shared()

    def start(self) -> None:
        """Start the thread, which first sends what dead processes have left."""
        with self._starting:
            if self._thread is None and not self._closed:
                name = f"nemo-relay-{self._diagnostics.name}-{self.signal}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            while self._goes_on():
                pass
        finally:
            with self._pause.condition:
                self._pause.condition.notify_all()

    def _goes_on(self) -> bool:
        """One turn; a fault in it is told, and costs no more than a moment."""
        try:
            if not self._looked_back:
                self._recover()
            return self._turn()
        except Exception as error:
            self._diagnostics.report("exporter_failed", f"delivery failed: {type(error).__name__}: {error}")
            self._pause.urged = False
            self._pause.wait(1.0)
            return self._pause.deadline is None

    def _turn(self) -> bool:
        """Wait for events, send them; False at the end."""
        pause = self._pause
        with pause.condition:
            if not pause.urged and pause.deadline is None and self._queue.waiting() < self._enough:
                self._idle = True
                pause.condition.wait(self._delay)
                self._idle = False
            ending = pause.deadline is not None
            urged = pause.urged
        occasion: Occasion = "end" if ending else "flush" if urged else "interval"
        sent = self._drain(self._queue, self._transform, occasion)
        with pause.condition:
            if urged:
                pause.urged = False
            pause.condition.notify_all()
        self._complete = sent and ending
        return sent and not ending

    def _drain(self, source: Source, transform: Transform, occasion: Occasion) -> bool:
        """Send all that waits; False when it was told to stop before that."""
        durable, more = self._queue.durable, True
        while more:
            items, more = self._collect(source, transform)
            if not more:
                items += self._encoded(transform.tick(occasion))
            if items and not self._delivery.deliver(items, durable):
                return False
            source.acknowledge(transform.save() if durable else {})
        return True

    def _collect(self, source: Source, transform: Transform) -> tuple[list[Item], bool]:
        """About a batch of records, and whether there may be more events."""
        items: list[Item] = []
        size = 0
        while len(items) < self._limits.records and size < self._limits.size:
            lines = source.take(64, 1 << 20)
            if not lines:
                return items, False
            made = self._items(lines, transform)
            size += sum(item.size for item in made)
            items += made
        return items, True

    def _items(self, lines: list[bytes], transform: Transform) -> list[Item]:
        items: list[Item] = []
        for line in lines:
            try:
                event = _decode(line) if self._decode else line
                if isinstance(event, dict | bytes):
                    items += self._encoded(transform.take(event))
            except Exception as error:
                self._unreadable(error)
        return items

    def _encoded(self, records: Iterable[Any]) -> list[Item]:
        items = []
        for record in records:
            try:
                items.append(self._delivery.transport.encode(record))
            except Exception as error:
                self._unreadable(error)
        return items

    def _unreadable(self, error: Exception) -> None:
        self.counters.dropped += 1
        self._diagnostics.report("event_unreadable", f"an event could not be told: {type(error).__name__}: {error}")

    def _recover(self) -> None:
        """Send what processes that are gone have left on the disk."""
        queue = self._queue
        if isinstance(queue, Journal) and not self._looked_back:
            for orphan in queue.orphans():
                if not self._adopt(orphan):
                    return
        self._looked_back = True

    def _adopt(self, orphan: Orphan) -> bool:
        transform = self._make_transform()
        transform.load(orphan.state)
        if self._drain(_Counted(orphan, self.counters), transform, "end"):
            orphan.done()
            return True
        orphan.release()
        return False

    def flush(self, timeout: float) -> bool:
        """Send what was offered so far.

        Returns:
            Whether it has all arrived. Where it has not, the attempt failed or the time was up; nothing is given up.
        """
        if self._closed:
            return self._arrived
        self.start()
        pause, until = self._pause, time.monotonic() + timeout
        self.urge()
        with pause.condition:
            while pause.urged and self._alive() and (left := until - time.monotonic()) > 0:
                pause.condition.wait(left)
        return self._queue.unsettled() <= 0 and self._looked_back

    def urge(self) -> None:
        """Send what was offered so far, now; ``flush`` waits for that."""
        if not self._closed:
            self.start()
            with self._pause.condition:
                self._pause.urged = True
                self._pause.condition.notify_all()

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def end(self, timeout: float = _CLOSE_SECONDS) -> None:
        """Take nothing more, and send what can be sent within ``timeout`` seconds; ``close`` waits for that."""
        self.start()
        self._closed = True
        with self._pause.condition:
            self._pause.deadline = time.monotonic() + min(timeout, _FAILING_SECONDS)
            self._pause.condition.notify_all()

    def close(self, timeout: float = _CLOSE_SECONDS) -> bool:
        """Send what can be sent within ``timeout`` seconds, and stop. Again is harmless.

        Returns:
            Whether everything has arrived. What has not stays in the spool, or is counted as dropped without one.
        """
        if self._pause.deadline is None:
            self.end(timeout)
        if self._settled:
            return self._arrived
        self._settled = True
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout + 0.1)
        left = self._queue.unsettled()
        self._arrived = left <= 0 and self._looked_back and self._complete
        self._queue.close(self._complete)
        if not self._alive():
            self._delivery.transport.close()
        if left > 0 and not self._queue.durable:
            self._diagnostics.report(
                f"{self.signal}_dropped", f"{left} events had not reached {self.target} at the end", left
            )
        return self._arrived

    def after_fork(self) -> None:
        """In a child: the thread, the connection and what waits are the parent's; start with none of them."""
        if self._pid == os.getpid():
            return
        queue = self._queue
        if isinstance(queue, Journal):
            queue.abandon()
        self.counters = Counters()
        self._diagnostics.renew()
        if not self._closed:
            self._set_up()
            self._looked_back = True  # the parent does that


class _Counted:
    """A source that counts what is taken from it as recovered."""

    def __init__(self, source: Source, counters: Counters) -> None:
        self._source = source
        self._counters = counters

    def take(self, events: int, size: int) -> list[bytes]:
        lines = self._source.take(events, size)
        self._counters.recovered += len(lines)
        return lines

    def acknowledge(self, state: dict[str, Any]) -> None:
        self._source.acknowledge(state)


_pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()


def _in_child() -> None:
    for pipeline in tuple(_pipelines):
        pipeline.after_fork()


os.register_at_fork(after_in_child=_in_child)
