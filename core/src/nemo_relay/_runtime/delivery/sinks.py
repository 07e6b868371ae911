# SPDX-License-Identifier: Apache-2.0
"""What a sink is: something that takes the lines of events, and says what became of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from nemo_relay._runtime.delivery.file_sink import Counters, FileSink
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.queues import BoundedQueue, Empty
from nemo_relay._runtime.threads import Worker

if TYPE_CHECKING:
    from nemo_relay_records.redaction.redactor import Redaction


class Taker(Protocol):
    """Takes lines on the emitter's thread. Nothing here raises into the application or waits for a network."""

    def offer(self, line: bytes) -> None:
        """Take one line, which ends with a newline."""

    def lose(self, count: int = 1) -> None:
        """Count lines that were meant for this sink and will never reach it."""


class Sink(Taker, Protocol):
    """Says what became of the lines that it took."""

    @property
    def failure(self) -> OSError | None:
        """The last failure that was not told yet."""

    @failure.setter
    def failure(self, error: OSError | None) -> None: ...

    def flush(self, timeout: float | None = None) -> bool:
        """Write what waits, for at most ``timeout`` seconds; whether nothing waits any more."""

    def close(self, timeout: float | None = None) -> None:
        """Flush and let go; what is offered later is ignored. Again is harmless."""

    def counters(self) -> Counters:
        """What became of the lines so far."""


Take = Callable[[bytes], None]


class Tap:
    """The callable that the runtime gives lines to: redacted, they go on to the sink.

    ``made_of`` is for the emitter, who knows what it has made the line of: payloads that are known need no second look.
    """

    __slots__ = ("_offer", "_redact", "_redact_made", "lose")

    def __init__(self, sink: Taker, redaction: Redaction) -> None:
        self._offer = sink.offer
        self._redact = redaction.line
        self._redact_made = redaction.made_of
        self.lose = sink.lose

    def __call__(self, line: bytes) -> None:
        self._offer(self._redact(line))

    def made_of(self, line: bytes, payloads: Iterable[bytes]) -> None:
        """Take a line that was made of ``payloads``."""
        self._offer(self._redact_made(line, payloads))


def tap(sink: Taker, redaction: Redaction | None) -> Take:
    """What to register for ``sink``."""
    return sink.offer if redaction is None else Tap(sink, redaction)


class BufferedSink:
    """A file sink behind a bounded queue and a thread of its own. A kill loses what waits; the emitter never writes."""

    def __init__(self, sink: FileSink) -> None:
        self._sink = sink
        self.place = sink.place
        self._queue = BoundedQueue()
        self._worker = Worker(self._run, "nemo-relay-buffered-file", self._no_thread)
        self._closed = False

    @property
    def failure(self) -> OSError | None:
        """The last failure of the disk that was not told yet."""
        return self._sink.failure

    @failure.setter
    def failure(self, error: OSError | None) -> None:
        self._sink.failure = error

    def offer(self, line: bytes) -> None:
        """Queue ``line``."""
        if self._closed:
            return
        if self._queue.put((len(line), line)) and self._worker.thread is None:
            self._worker.start()

    def lose(self, count: int = 1) -> None:
        """Count lines that will never reach the file."""
        self._sink.lose(count)

    def flush(self, timeout: float | None = None) -> bool:
        """Have the thread write what waits, for at most ``timeout`` seconds."""
        if self._worker.is_unused:
            return self._sink.flush()
        if not self._worker.has_begun():
            return False
        done = threading.Event()
        self._queue.put_anyway((0, done))
        return done.wait(timeout) and self._sink.flush()

    def close(self, timeout: float | None = None) -> None:
        """Flush, stop the thread and let go of the file."""
        self._closed = True
        in_time = self.flush(timeout)
        self._queue.put_anyway((0, None))
        if not in_time:
            self._sink.lose(self._queue.waiting)
        self._sink.close()

    def counters(self) -> Counters:
        """What became of the lines so far."""
        own, waiting, dropped = self._sink.counters(), self._queue.waiting, self._queue.dropped
        return own._replace(
            offered=own.offered + waiting + dropped, dropped=own.dropped + dropped, waiting=own.waiting + waiting
        )

    def _no_thread(self, error: RuntimeError) -> None:
        faults.report("buffered_sink_thread_failed", error)  # the next line tries again

    def _run(self) -> None:
        while True:
            try:
                size, what = self._queue.get(1.0)
            except Empty:
                continue
            if size:
                self._sink.write(what)
                continue
            self._queue.freed()
            if what is None:
                return
            what.set()


__all__ = ["BufferedSink", "Counters", "Sink", "Tap", "Take", "tap"]
