# SPDX-License-Identifier: Apache-2.0
"""Where log records go: standard error at once, files through a bounded queue and a thread of their own."""

from __future__ import annotations

import os
import threading
from collections import deque
from time import monotonic, time_ns
from typing import TYPE_CHECKING

from nemo_relay._runtime.files.append import AppendFile
from nemo_relay._runtime.files.places import Place, reason
from nemo_relay._runtime.files.rotation import Rotation
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.log import format as logformat
from nemo_relay._runtime.log.config import Settings, SinkSettings
from nemo_relay._runtime.log.format import Format
from nemo_relay._runtime.log.oplog import ERROR, Record
from nemo_relay.errors import LoggingError

if TYPE_CHECKING:
    from nemo_relay._runtime.log.oplog import Output


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
        faults.say(self._render(record))

    def close(self, seconds: float) -> None:
        """Nothing waits here."""


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
        self._wake = threading.Condition()
        self._queue: deque[Record] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._crowded = 0  # records that found no room in the queue
        self._missed = 0
        self._root = ""

    @property
    def dropped(self) -> int:
        """How many records are not in the file and never will be."""
        return self._crowded + self._file.dropped

    def write(self, record: Record) -> None:
        """Queue one record."""
        with self._wake:
            if self._closing and self._thread is None:
                self._append([record], 0)
            elif len(self._queue) >= self._capacity:
                self._crowded += 1
                self._missed += 1
            else:
                self._root = record.root
                self._queue.append(record)
                self._ensure_thread()
                self._wake.notify()

    def close(self, seconds: float) -> None:
        """Write what waits, for at most ``seconds``; later records are written by whoever logs them."""
        with self._wake:
            self._closing = True
            thread = self._thread
            self._wake.notify()
        if thread is not None:
            thread.join(seconds)

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="nemo-relay-log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        sync_at: float | None = None
        while True:
            with self._wake:
                while not self._queue and not self._closing:
                    if not self._wake.wait(None if sync_at is None else max(0.0, sync_at - monotonic())):
                        break
                batch, missed = list(self._queue), self._missed
                self._queue.clear()
                self._missed = 0
                if not batch and self._closing:
                    self._thread = None
                    self._file.retry()
                    self._sync()
                    return
            self._append(batch, missed)
            if sync_at is None and batch and self._flush_seconds:
                sync_at = monotonic() + self._flush_seconds
            if sync_at is not None and monotonic() >= sync_at:
                self._sync()
                sync_at = None

    def _append(self, batch: list[Record], missed: int) -> None:
        if missed:
            text = "Log records were dropped: the queue of this file was full"
            fields = {"count": missed, "queue_capacity": self._capacity}
            batch.append(
                Record(time_ns(), ERROR, "nemo_relay.logging", "log_records_dropped", fields, text, self._root)
            )
        for record in batch:
            self._file.write(self._render(record).encode("utf-8", "replace") + b"\n")

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        # Not through the log, which is what fails here; and once, as for every kind of failure.
        if faults.is_first(f"log_file_write_failed:{self._path}:{error.errno}"):
            faults.say(f"nemo_relay: cannot write the log file {str(self._path)!r}: {error}")
