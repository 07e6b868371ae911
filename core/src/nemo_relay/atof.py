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
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.delivery.file_sink import Counters, FileSink, PackedSink
from nemo_relay._runtime.delivery.sinks import BufferedSink, Sink, tap
from nemo_relay._runtime.enums import AtofExporterMode
from nemo_relay._runtime.exports import claim
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import registry
from nemo_relay.errors import MissingExtra, SinkError
from nemo_relay.redaction import Redaction, chosen
from nemo_relay_records.files.blobs import SMALLEST
from nemo_relay_records.files.lines import emitted
from nemo_relay_records.files.places import Place, Refused, reason
from nemo_relay_records.files.pruning import prune
from nemo_relay_records.files.rotation import Rotation, older_files
from nemo_relay_records.files.verifying import ChainReport, Misfit, verify

__all__ = [
    "AtofExporter",
    "AtofExporterConfig",
    "ChainReport",
    "Counters",
    "Misfit",
    "Sink",
    "emitted_lines",
    "prune_blobs",
    "verify_chain",
]

claim(globals())


class AtofExporterConfig:
    """Where events go. All attributes can be assigned before the config is given to ``AtofExporter``.

    Attributes:
        sink_type: ``"file"``, or ``"stream"`` for an address that takes lines over the network (``nemo-relay[sinks]``).
        output_directory: the folder; made with mode 0700 where it is missing. The current one at construction.
        filename: a relative path below it; the file has mode 0600. Named after the time of construction.
        mode: ``AtofExporterMode.Append`` keeps what is there, ``Overwrite`` starts a fresh file. A file that another
            run is still writing is kept beside it, as ``events.1.jsonl``.
        url, transport, headers, header_env, timeout_millis, field_name_policy: of a stream. ``transport`` is
            ``http_post``, ``ndjson`` or ``websocket``; ``header_env`` names the variable that holds a header's value;
            ``field_name_policy`` is ``preserve`` or ``replace_dots``.
        redact: mask secrets in what is written: True, False, or a ``nemo_relay.redaction.Redaction``.
        durability: ``"write"`` hands each line to the kernel before the work it announces begins, ``"fsync"`` brings
            it to the disk itself, ``"buffered"`` leaves writing to a thread of its own.
        max_bytes, rotate_seconds: begin a fresh file before a line would make it longer than that, or after so long.
        keep: how many older files stay (``events.1.jsonl`` is the newest of them); None keeps all.
        compress: gzip older files.
        hash_chain: let each line name the one before it, by its digest, in a field ``prev``: ``verify_chain`` finds the
            first line that was changed, added or taken out. Processes that share the file take turns.
        blob_bytes: texts of that many bytes or more, in JSON, are stored once by their digest in ``blobs/`` beside the
            file, and the line has ``{"$blob": "sha256:...", "bytes": n}`` in their place; None leaves all in the lines.
    """

    # Slots: a misspelt or unsupported setting is an AttributeError, not a file in the wrong place.
    __slots__ = (
        "_mode",
        "blob_bytes",
        "compress",
        "durability",
        "field_name_policy",
        "filename",
        "hash_chain",
        "header_env",
        "headers",
        "keep",
        "max_bytes",
        "output_directory",
        "redact",
        "rotate_seconds",
        "sink_type",
        "timeout_millis",
        "transport",
        "url",
    )

    def __init__(self) -> None:
        self.sink_type = "file"
        self.output_directory: str | os.PathLike[str] = os.getcwd()
        self.filename: str | os.PathLike[str] = time.strftime(
            "nemo-relay-events-%Y-%m-%d-%H.%M.%S.jsonl", time.gmtime()
        )
        self._mode = AtofExporterMode.Append
        self.url = ""
        self.transport = "http_post"
        self.headers: dict[str, str] = {}
        self.header_env: dict[str, str] = {}
        self.timeout_millis = 3_000
        self.field_name_policy = "preserve"
        self.redact: bool | Redaction = True
        self.durability = "write"
        self.max_bytes: int | None = None
        self.rotate_seconds: float | None = None
        self.keep: int | None = None
        self.compress = False
        self.hash_chain = False
        self.blob_bytes: int | None = None

    @property
    def mode(self) -> AtofExporterMode:
        """What happens to a file that is already there."""
        return self._mode

    @mode.setter
    def mode(self, value: AtofExporterMode) -> None:
        expect(value, AtofExporterMode)
        self._mode = value

    def __repr__(self) -> str:
        # Neither values of headers nor what may stand in an address: both carry credentials.
        if self.sink_type == "file":
            where = f"output_directory={self.output_directory!r}, filename={self.filename!r}, mode={self.mode!r}"
        else:
            url = self.url.split("?")[0].split("#")[0]
            host = url.rpartition("@")[2] if "@" in url else url.partition("://")[2] or url
            where = f"url={url.partition('://')[0] + '://' + host!r}, transport={self.transport!r}"
            where += f", headers={sorted(map(str, {**self.headers, **self.header_env}))!r}"
        return f"AtofExporterConfig(sink_type={self.sink_type!r}, {where})"


class AtofExporter:
    """Writes every event it hears to a file, before the work that the event announces begins, or sends it to a stream.

    Raises:
        SinkError: the file cannot be opened, or its name leads out of the folder (a RuntimeError).
        ValueError: a setting has a value that it may not have.
        MissingExtra: streams need ``nemo-relay[sinks]`` (an ImportError).
    """

    def __init__(self, config: AtofExporterConfig) -> None:
        expect(config, AtofExporterConfig)
        _check(config)
        self._sink: Sink = _stream(config) if config.sink_type == "stream" else _file(config)
        self._redaction = chosen(config.redact)
        self._names: set[str] = set()
        self._lock = threading.RLock()
        self._closed = False

    @property
    def path(self) -> str | None:
        """The file; None for a stream."""
        place = getattr(self._sink, "place", None)
        return None if place is None else str(place.path)

    @property
    def written(self) -> int:
        """How many events the file or stream took."""
        return self._sink.counters().written

    @property
    def dropped(self) -> int:
        """How many events were lost: the disk did not take them, or a queue in front of it was full."""
        return self._sink.counters().dropped

    def counters(self) -> Counters:
        """What became of the events so far."""
        return self._sink.counters()

    def register(self, name: str) -> None:
        """Start writing, under the subscriber name ``name``; under a second name as well, each event is written once.

        Raises:
            AlreadyRegistered: the name is taken (a RuntimeError).
        """
        expect_text(name)
        with self._lock:
            sink = _nothing if self._names or self._closed else tap(self._sink, self._redaction)
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
        if not self._closed:
            self._sink.offer(line if self._redaction is None else self._redaction.line(line))

    def force_flush(self, timeout: float | None = None) -> bool:
        """Wait for events that async sanitizers hold back, and say whether all that was emitted has been written.

        Raises:
            SinkError: writing failed since it was last asked; each failure is told once (a RuntimeError).
        """
        delivered = dispatcher.flush(timeout) if dispatcher.jobs else True
        written = self._sink.flush(timeout)
        self._raise_failure()
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
        self._closed = True
        self._sink.close(timeout)
        self._raise_failure()

    def _raise_failure(self) -> None:
        failure, self._sink.failure = self._sink.failure, None
        if failure is not None:
            where = self.path or "stream"
            raise SinkError(f'previous ATOF export failed for "{where}": {failure.strerror or failure}') from failure

    def __repr__(self) -> str:
        counts = self._sink.counters()
        return f"<AtofExporter {self.path or 'stream'!r}: {counts.written} written, {counts.dropped} dropped>"


def verify_chain(path: str | os.PathLike[str], *, head: str | None = None) -> ChainReport:
    """Follow the chain through a file that was written with ``hash_chain``, and the older files it took the place of.

    It shows what was changed by somebody who cannot write all later lines anew. Lines taken from the end show when
    ``head``, the digest that an earlier report gave, is asked for.

    Args:
        path: the file, as it was written: ``events.jsonl``.
        head: a digest that must be among the lines, e.g. ``"sha256:9f86..."``.

    Returns:
        What was found; ``misfit`` is the first line that does not fit.

    Raises:
        SinkError: there is no such file, or it cannot be read (a RuntimeError).
    """
    place = Place.of(path)
    try:
        os.stat(place.path)
        return verify([*older_files(place), place], head)
    except OSError as error:
        raise SinkError(f"cannot read the events in {os.fspath(path)!r}: {error.strerror or error}") from error


def prune_blobs(folder: str | os.PathLike[str], *, min_age: float = 3600.0) -> int:
    """Remove large texts that no file in ``folder`` refers to any more, e.g. after ``keep`` has removed older files.

    Args:
        folder: that the files of events and their ``blobs`` are in.
        min_age: seconds since a text was last stored. Younger ones stay: a line that names them may be on its way.

    Returns:
        How many were removed.

    Raises:
        SinkError: a file cannot be read; then nothing is removed (a RuntimeError).
    """
    try:
        return prune(Path(os.path.abspath(folder)), min_age)
    except OSError as error:
        raise SinkError(f"cannot read the events in {os.fspath(folder)!r}: {error.strerror or error}") from error


def emitted_lines(
    lines: Iterable[bytes], folder: str | os.PathLike[str], missing: Callable[[str], None] | None = None
) -> Iterator[bytes]:
    """Lines that somebody read from a file as they were emitted: without ``prev``, with what stands in ``blobs/``.

    Args:
        lines: of a file of events.
        folder: that the file is in.
        missing: told of each text that is not there any more, or is another one, with the path and why; the line then
            keeps its reference.

    Raises:
        SinkError: such a text is missing, and ``missing`` is None (a RuntimeError).
    """
    where = Path(os.path.abspath(folder))
    for line in lines:
        yield emitted(line, where, missing or _raise_missing)


def _raise_missing(text: str) -> None:
    raise SinkError(f"a large text is not beside the events: {text}")


def _nothing(_line: bytes) -> None:
    """The sink of a second name: the first one has written the event."""


def _check(config: AtofExporterConfig) -> None:
    """Refuse values that a setting may not have; the texts are the published ones where there are such."""
    if config.sink_type not in ("file", "stream"):
        raise ValueError("sink_type must be 'file' or 'stream'")
    if config.transport not in ("http_post", "websocket", "ndjson"):
        raise ValueError("endpoint transport must be 'http_post', 'websocket', or 'ndjson'")
    if config.field_name_policy not in ("preserve", "replace_dots"):
        raise ValueError("endpoint field_name_policy must be 'preserve' or 'replace_dots'")
    if config.durability not in ("write", "fsync", "buffered"):
        raise ValueError(f"durability must be 'write', 'fsync' or 'buffered', not {config.durability!r}")
    for name in ("max_bytes", "rotate_seconds"):
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise ValueError(f"{name} must be greater than 0, or None, not {value!r}")
    if config.keep is not None and config.keep < 0:
        raise ValueError(f"keep must not be negative: {config.keep!r}")
    if config.blob_bytes is not None and config.blob_bytes < SMALLEST:
        raise ValueError(f"blob_bytes must be at least {SMALLEST}, or None, not {config.blob_bytes!r}")
    if config.sink_type == "stream" and not config.url:
        raise ValueError("stream sink requires url")


def _file(config: AtofExporterConfig) -> Sink:
    place = _confined(config.output_directory, config.filename)
    rotation = None
    if config.max_bytes is not None or config.rotate_seconds is not None:
        rotation = Rotation(config.max_bytes, config.rotate_seconds, config.keep, config.compress, _not_compressed)
    overwrite = config.mode is AtofExporterMode.Overwrite
    options: dict[str, Any] = {
        "overwrite": overwrite,
        "rotation": rotation,
        "sync": config.durability == "fsync",
        "chained": config.hash_chain,
    }
    sink = FileSink(place, **options) if config.blob_bytes is None else PackedSink(place, config.blob_bytes, **options)
    return BufferedSink(sink) if config.durability == "buffered" else sink


def _not_compressed(error: OSError) -> None:
    faults.report("atof_file_compress_failed", error)


def _stream(config: AtofExporterConfig) -> Sink:
    try:
        from importlib import import_module

        sinks = import_module("nemo_relay_sinks")
    except ImportError:
        raise MissingExtra("an ATOF stream sink", "nemo-relay-sinks", "sinks") from None
    sink: Sink = sinks.open_stream(config)
    return sink


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
