# SPDX-License-Identifier: Apache-2.0
"""Where log records go: standard error at once, files through a bounded queue and a thread of their own."""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path
from time import monotonic, time_ns
from typing import TYPE_CHECKING

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


class RotatingFile:
    """Appends whole lines with one ``write(2)`` each; steps aside to ``name.1.log`` when it would grow too long."""

    def __init__(self, path: Path, max_bytes: int | None, retained: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._retained = retained
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def write(self, line: bytes) -> None:
        """Append ``line``."""
        if self._max_bytes is not None and self._size and self._size + len(line) > self._max_bytes:
            self._rotate()
        self._size += os.write(self._fd, line)

    def sync(self) -> None:
        """Bring what was written to the disk itself."""
        os.fsync(self._fd)

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        if self._is_current():  # another process that shares the file may have rotated it
            for number in range(self._retained - 1, 0, -1):
                if self._backup(number).exists():
                    os.replace(self._backup(number), self._backup(number + 1))
            os.replace(self.path, self._backup(1))
        os.close(self._fd)
        self._open()

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _backup(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}")


class FileOutput:
    """A file written by a thread of its own. A record that finds the queue full is counted, and the count logged."""

    def __init__(self, settings: SinkSettings, flush_seconds: float) -> None:
        self.level = settings.level
        self.dropped = 0
        self._render = logformat.FORMATS[settings.format]
        self._capacity = settings.queue_capacity
        self._flush_seconds = flush_seconds
        try:
            self._file = RotatingFile(Path(settings.path), settings.max_bytes, settings.retained)
        except OSError as error:
            reason = f"{error.strerror} (os error {error.errno})"
            raise LoggingError(f"failed to open logging sink {settings.path}: {reason}") from None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Start with nothing queued and no thread, as a forked child must."""
        self._wake = threading.Condition()
        self._queue: deque[Record] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._missed = 0
        self._root = ""

    def write(self, record: Record) -> None:
        """Queue one record."""
        with self._wake:
            if self._closing and self._thread is None:
                self._append([record], 0)
            elif len(self._queue) >= self._capacity:
                self.dropped += 1
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
            try:
                self._file.write(self._render(record).encode("utf-8", "replace") + b"\n")
            except OSError as error:
                self.dropped += 1
                self._complain(error)

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        # Not through the log, which is what fails here; and once, as for every kind of failure.
        if faults.is_first(f"log_file_write_failed:{self._file.path}:{error.errno}"):
            faults.say(f"nemo_relay: cannot write the log file {str(self._file.path)!r}: {error}")
