# SPDX-License-Identifier: Apache-2.0
"""ATOF files: the event stream on disk, one JSON line per event, durable from the moment of emission.

>>> import tempfile
>>> from nemo_relay import AtofExporter, AtofExporterConfig, ScopeType, scope
>>> config = AtofExporterConfig()
>>> config.output_directory = tempfile.mkdtemp()
>>> config.filename = "events.jsonl"
>>> exporter = AtofExporter(config)
>>> exporter.register("to-disk")
>>> with scope.scope("work", ScopeType.Function):
...     pass
>>> exporter.deregister("to-disk")
True
>>> len(open(exporter.path).readlines())
2
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.delivery.file_sink import FileSink
from nemo_relay._runtime.enums import AtofExporterMode
from nemo_relay._runtime.files.places import Place, Refused, reason
from nemo_relay._runtime.registry import registry
from nemo_relay.errors import SinkError

__all__ = ["AtofExporter", "AtofExporterConfig"]


class AtofExporterConfig:
    """Where events go. All attributes can be assigned before the config is given to ``AtofExporter``.

    Attributes:
        output_directory: the folder; made with mode 0700 where it is missing. The current one at construction.
        filename: a relative path below it; the file has mode 0600. Named after the time of construction.
        mode: ``AtofExporterMode.Append`` keeps what is there, ``Overwrite`` starts a fresh file. A file that another
            run is still writing is kept beside it, as ``events.1.jsonl``.
    """

    # Slots: a misspelt or unsupported setting is an AttributeError, not a file in the wrong place.
    __slots__ = ("_mode", "filename", "output_directory")

    def __init__(self) -> None:
        self.output_directory: str | os.PathLike[str] = os.getcwd()
        self.filename: str | os.PathLike[str] = time.strftime(
            "nemo-relay-events-%Y-%m-%d-%H.%M.%S.jsonl", time.gmtime()
        )
        self._mode = AtofExporterMode.Append

    @property
    def mode(self) -> AtofExporterMode:
        """What happens to a file that is already there."""
        return self._mode

    @mode.setter
    def mode(self, value: AtofExporterMode) -> None:
        expect(value, AtofExporterMode)
        self._mode = value

    def __repr__(self) -> str:
        return (
            f"AtofExporterConfig(output_directory={self.output_directory!r}, filename={self.filename!r},"
            f" mode={self.mode!r})"
        )


class AtofExporter:
    """Writes every event it hears to a file, before the work that the event announces begins.

    Raises:
        SinkError: the file cannot be opened, or its name leads out of the folder (a RuntimeError).
    """

    def __init__(self, config: AtofExporterConfig) -> None:
        expect(config, AtofExporterConfig)
        place = _confined(config.output_directory, config.filename)
        self._sink: FileSink | None = FileSink(place, overwrite=config.mode is AtofExporterMode.Overwrite)
        self._counters = self._sink
        self._names: set[str] = set()
        self._lock = threading.Lock()

    @property
    def path(self) -> str:
        """The file."""
        return str(self._counters.place.path)

    @property
    def written(self) -> int:
        """How many events the file took."""
        return self._counters.written

    @property
    def dropped(self) -> int:
        """How many events the disk did not take."""
        return self._counters.dropped

    def register(self, name: str) -> None:
        """Start writing, under the subscriber name ``name``; under a second name as well, each event is written once.

        Raises:
            AlreadyRegistered: the name is taken (a RuntimeError).
        """
        expect_text(name)
        with self._lock:
            sink = _nothing if self._names or self._sink is None else self._sink.write
            registry.subscribers.register(name, 0, self.write, sink=sink)
            self._names.add(name)

    def deregister(self, name: str) -> bool:
        """Stop writing; False when the name is unknown."""
        expect_text(name)
        with self._lock:
            self._names.discard(name)
            return registry.subscribers.deregister(name)

    def write(self, line: bytes) -> None:
        """Take one line; the runtime calls it."""
        sink = self._sink
        if sink is not None:
            sink.write(line)

    def force_flush(self, timeout: float | None = None) -> bool:
        """Wait for events that async sanitizers hold back, and say whether all that was emitted is in the file.

        Raises:
            SinkError: writing failed since it was last asked; each failure is told once (a RuntimeError).
        """
        delivered = dispatcher.flush(timeout) if dispatcher.jobs else True
        written = self._counters.retry()
        self._tell()
        return delivered and written

    def shutdown(self, timeout: float | None = None) -> None:
        """Flush, stop writing and close the file. Again is harmless.

        Raises:
            SinkError: writing failed since it was last asked (a RuntimeError).
        """
        if dispatcher.jobs:
            dispatcher.flush(timeout)
        for name in tuple(self._names):
            self.deregister(name)
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()
        self._tell()

    def _tell(self) -> None:
        failure, self._counters.failure = self._counters.failure, None
        if failure is not None:
            raise SinkError(f'previous ATOF export failed for "{self.path}": {failure.strerror}') from failure


def _nothing(_line: bytes) -> None:
    """The sink of a second name: the first one has written the event."""


def _confined(folder: str | os.PathLike[str], filename: str | os.PathLike[str]) -> Place:
    given: tuple[tuple[object, str], ...] = ((folder, "output_directory"), (filename, "filename"))
    for value, where in given:
        if not isinstance(value, os.PathLike):
            expect(value, str, where=where)
    try:
        return Place(folder, filename)
    except Refused as error:
        path = Path(folder) / Path(filename)
        raise SinkError(f'failed to open ATOF output file "{path}": {reason(error)}') from None
