# SPDX-License-Identifier: Apache-2.0
"""Where log records go: standard error at once, files through a bounded queue and a thread of their own."""

from __future__ import annotations

import os
import threading
from time import monotonic, time_ns

from nemo_relay._runtime.log import faults
from nemo_relay._runtime.log import format as logformat
from nemo_relay._runtime.log.config import Settings, SinkSettings
from nemo_relay._runtime.log.format import Format
from nemo_relay._runtime.log.record import ERROR, Output, Record
from nemo_relay._runtime.queues import BoundedQueue, Empty
from nemo_relay._runtime.threads import Worker
from nemo_relay.errors import LoggingError
from nemo_relay_records.files.append import AppendFile
from nemo_relay_records.files.places import Place, reason
from nemo_relay_records.files.rotation import Rotation

_MAX_BYTES = 16 << 20  # of the records that wait for one file


def build(settings: Settings) -> tuple[Output, ...]:
    """The outputs that ``settings`` ask for.

    Raises:
        LoggingError: a file cannot be opened (a RuntimeError).
    """
    files: list[Output] = [FileOutput(sink, settings.flush_millis / 1_000) for sink in settings.sinks]
    if settings.stderr_enabled:
        files.insert(0, StderrOutput(settings.level, logformat.FORMATS[settings.stderr_format]))
    return tuple(files)


class StderrOutput:
    """Standard error, as it is at the moment of the record."""

    def __init__(self, level: int, render: Format) -> None:
        self.level = level
        self._render = render

    def write(self, record: Record) -> None:
        """Take one record."""
        faults.write(self._render(record))

    def close(self, seconds: float) -> None:
        """Nothing waits here."""


class LoggingOutput:
    """The standard ``logging``: each record goes to the logger of its target."""

    def __init__(self, level: int) -> None:
        self.level = level
        # Python's numbers for error, warn, info, debug and trace.
        self._numbers = (40, 30, 20, 10, 5)
        self._busy = threading.local()

    def write(self, record: Record) -> None:
        """Take one record."""
        import logging

        if getattr(self._busy, "here", False):  # a handler of the application logs to us in turn
            return
        self._busy.here = True
        try:
            extra = {"relay_event": record.event, "relay_fields": record.fields}
            logger = logging.getLogger(record.target)
            logger.log(self._numbers[record.level], "%s", _as_text(record), extra=extra)
        except Exception as error:  # a handler that fails is the application's; the record must not be lost with it
            faults.write(f"nemo_relay: the logging handler failed: {error!r}: {_as_text(record)}")
        finally:
            self._busy.here = False

    def close(self, seconds: float) -> None:
        """Nothing waits here."""


def _as_text(record: Record) -> str:
    named = " ".join(f"{name}={value!r}" for name, value in sorted(record.fields.items()))
    return " ".join(part for part in (record.event, record.message, named) if part)


class FileOutput:
    """A file written by a thread of its own. A record that finds the queue full is counted, and the count logged."""

    def __init__(self, settings: SinkSettings, flush_seconds: float) -> None:
        self.level = settings.level
        self._path = settings.path
        self._render = logformat.FORMATS[settings.format]
        self._capacity = settings.queue_capacity
        self._flush_seconds = flush_seconds
        rotation = None if settings.max_bytes is None else Rotation(settings.max_bytes, keep=settings.retained)
        try:
            self._file = AppendFile(Place.of(settings.path), failed=self._complain, rotation=rotation)
        except OSError as error:
            raise LoggingError(f"failed to open logging sink {settings.path}: {reason(error)}") from None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Start with nothing queued and no thread, as a forked child must."""
        self._queue = BoundedQueue(self._capacity, _MAX_BYTES)
        self._worker = Worker(self._run, "nemo-relay-log", self._no_thread)
        self._closing = False
        self._reported = 0  # records without room that the file knows of
        self._root = ""

    @property
    def dropped(self) -> int:
        """How many records are not in the file and never will be."""
        return self._queue.dropped + self._file.dropped

    def write(self, record: Record) -> None:
        """Queue one record."""
        if self._closing and self._worker.thread is None:
            self._append(record)
        elif self._queue.put((_size(record), record)):
            self._root = record.root
            if self._worker.thread is None:
                self._worker.start()

    def close(self, seconds: float) -> None:
        """Write what waits, for at most ``seconds``; later records are written by whoever logs them."""
        self._closing = True
        thread = self._worker.thread
        if thread is not None and self._worker.has_begun():
            self._queue.put_anyway((0, None))
            thread.join(seconds)

    def _no_thread(self, error: RuntimeError) -> None:
        self._complain(OSError(str(error)))  # the next record tries again

    def _run(self) -> None:
        sync_at: float | None = None
        while True:
            try:
                record = self._queue.get(None if sync_at is None else max(0.0, sync_at - monotonic()))[1]
            except Empty:
                self._sync()
                sync_at = None
                continue
            if record is None:  # the end
                self._queue.freed()
                self._worker.thread = None
                self._file.retry()
                self._sync()
                return
            self._append(record)
            if not self._queue.waiting:
                self._report_drops()
            if sync_at is None and self._flush_seconds:
                sync_at = monotonic() + self._flush_seconds

    def _append(self, record: Record) -> None:
        self._file.write(self._render(record).encode("utf-8", "replace") + b"\n")

    def _report_drops(self) -> None:
        missed = self._queue.dropped - self._reported
        if missed:
            self._reported += missed
            text = "Log records were dropped: the queue of this file was full"
            fields = {"count": missed, "queue_capacity": self._capacity}
            where = "nemo_relay.logging"
            self._append(Record(time_ns(), ERROR, where, "log_records_dropped", fields, text, self._root))

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        # Not through the log, which is what fails here; and once, as for every kind of failure.
        if faults.is_first(f"log_file_write_failed:{self._path}:{error.errno}"):
            faults.write(f"nemo_relay: cannot write the log file {str(self._path)!r}: {error}")


def _size(record: Record) -> int:
    """About how many bytes ``record`` holds."""
    texts = (value for value in record.fields.values() if isinstance(value, str))
    return 200 + len(record.message) + sum(map(len, texts))
