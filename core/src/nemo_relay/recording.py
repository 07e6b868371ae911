# SPDX-License-Identifier: Apache-2.0
"""The quickest way to a real run on disk: the raw events, and a trajectory of every agent run.

>>> import tempfile
>>> from nemo_relay import ScopeType, scope
>>> from nemo_relay.recording import record
>>> with record(tempfile.mkdtemp()) as recording:
...     with scope.scope("planner", ScopeType.Agent):
...         pass
>>> recording.events_path.name, len(recording.trajectories)
('events.jsonl', 1)
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.delivery.file_sink import Counters, FileSink
from nemo_relay._runtime.delivery.sessions import Sessions
from nemo_relay._runtime.delivery.sinks import Sink, tap
from nemo_relay._runtime.delivery.trajectories import TrajectoryFiles, blob_missing
from nemo_relay._runtime.enums import AtofExporterMode
from nemo_relay._runtime.log import faults, oplog
from nemo_relay._runtime.registry import registry
from nemo_relay.atof import AtofExporter, AtofExporterConfig
from nemo_relay.errors import SinkError
from nemo_relay.redaction import Redaction, chosen
from nemo_relay_records.files.lines import lines_of
from nemo_relay_records.files.places import Place
from nemo_relay_records.files.rotation import older_files

__all__ = ["STOP_SECONDS", "Rebuilt", "Recording", "rebuild", "record"]

STOP_SECONDS = 600.0  # how long the end of a recording may take to write what was emitted

_numbers = itertools.count(1)
_running: dict[str, int] = {}  # folder -> how many recordings write there now


class Recording:
    """A recording that runs until ``stop``, the end of its ``with`` block, or the end of the process.

    Attributes:
        error: what kept the recording from being complete, once it has stopped; None when nothing did.
    """

    def __init__(
        self,
        directory: Path,
        *,
        overwrite: bool,
        redact: bool | Redaction = True,
        warn_if_empty: bool = True,
        **settings: Any,
    ) -> None:
        self.directory = Path(os.path.abspath(directory))
        self.error: SinkError | None = None
        self._warn_if_empty = warn_if_empty
        self._exporter = AtofExporter(_config(self.directory, overwrite, settings))
        self._sink = self._exporter._sink
        assert isinstance(self._sink, FileSink)
        self._files = TrajectoryFiles(self.directory / "atif", self._sink)
        self._name = f"nemo_relay.recording.{next(_numbers)}"
        take = tap(_Noted(self._sink, self._files), chosen(redact))
        registry.subscribers.register(self._name, 0, take, sink=take)
        self._running = True
        self._stopping = threading.RLock()
        self._pid = os.getpid()
        _note_start(str(self.directory))
        atexit.register(self.stop)

    @property
    def events_path(self) -> Path:
        """The raw ATOF stream, ``<directory>/atof/events.jsonl``."""
        return Path(str(self._exporter.path))

    @property
    def trajectories(self) -> list[Path]:
        """The trajectory files written so far, ``<directory>/atif/trajectory-<session>.json``; the last 10,000."""
        return list(self._files.sessions.written)

    @property
    def trajectory_count(self) -> int:
        """How many trajectories have been written."""
        return self._files.sessions.count

    @property
    def missing(self) -> list[str]:
        """The sessions whose trajectories are not written, by their uuids; ``rebuild`` makes them from the events."""
        return self._files.missing

    @property
    def dropped(self) -> int:
        """How many events are not in the file and never will be."""
        return self._exporter.dropped

    @property
    def counters(self) -> Counters:
        """What became of the events so far."""
        return self._exporter.counters()

    def stop(self, timeout: float = STOP_SECONDS, strict: bool = False) -> None:
        """Write what was emitted, trajectories of unfinished runs included, and close the files. Again is harmless.

        Args:
            timeout: seconds that this may take at the most. What is missing then is named in ``error`` and
                ``missing``, and can be made by ``rebuild``.
            strict: raise what kept the recording from being complete.

        Raises:
            SinkError: with ``strict``, when something is missing (a RuntimeError).
        """
        with self._stopping:
            if self._running:
                self._running = False
                atexit.unregister(self.stop)
                self._finish(timeout)
        if strict and self.error is not None:
            raise self.error

    def rebuild(self) -> Rebuilt:
        """Make the trajectories that are missing from the events; see ``nemo_relay.recording.rebuild``."""
        return rebuild(self.directory)

    def _finish(self, timeout: float) -> None:
        _note_stop(str(self.directory))
        problems: list[str] = []
        try:
            if dispatcher.jobs and not dispatcher.flush(timeout):
                problems.append("async sanitizers still hold events back")
            registry.subscribers.deregister(self._name)
            self._sink.flush()
            if not self._files.stop(timeout):
                problems.append(_missing(self._files.missing))
            self._exporter.shutdown(timeout)
        except Exception as error:  # the end of a recording must not hide what happened in its block
            if self.dropped or not isinstance(error, SinkError):  # else the disk has taken everything in the end
                problems.append(faults.text(error))
        lost = self.dropped
        if lost:
            problems.append(f"{lost} events could not be written")
        if problems:
            text = f"the recording in {str(self.directory)!r} is not complete: {'; '.join(problems)}"
            self.error = SinkError(text)
            oplog.error("recording_incomplete", text)
        elif self._warn_if_empty and not self._files.line_count and os.getpid() == self._pid:
            _warn_of_nothing(self.directory)

    def __repr__(self) -> str:
        state = "running" if self._running else "stopped"
        summary = f"{self.counters.written} events, {self.trajectory_count} trajectories"
        if self.dropped:
            summary += f", {self.dropped} events dropped"
        return f"<Recording {str(self.directory)!r} {state}: {summary}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:  # another kind of loop
            self.stop()
            return
        await asyncio.shield(asyncio.to_thread(self.stop))  # the loop runs on meanwhile


class _Noted:
    """The file, and the trajectories that are told what was written to it."""

    __slots__ = ("_receive", "_write", "lose")

    def __init__(self, sink: Sink, files: TrajectoryFiles) -> None:
        self._write = sink.offer
        self._receive = files.receive
        self.lose = sink.lose

    def offer(self, line: bytes) -> None:
        """Write a line, and note it."""
        self._write(line)
        self._receive(line)


def record(
    directory: str | os.PathLike[str] = ".nemo-relay",
    *,
    overwrite: bool = False,
    redact: bool | Redaction = True,
    max_bytes: int | None = None,
    keep: int | None = None,
    hash_chain: bool = False,
    blob_bytes: int | None = None,
    warn_if_empty: bool = True,
) -> Recording:
    """Record everything that happens from now on.

    Args:
        directory: gets ``atof/events.jsonl`` and ``atif/trajectory-<session>.json``; made where it is missing,
            readable by its owner only.
        overwrite: start a fresh ``events.jsonl`` instead of appending to the one that is there.
        redact: mask secrets in what is written, by the names they go by and by how they look: True, False, or a
            ``nemo_relay.redaction.Redaction`` with patterns or a callback of your own.
        max_bytes: let ``events.jsonl`` step aside, as ``events.1.jsonl``, before it grows beyond that.
        keep: how many of those older files stay; None keeps all.
        hash_chain: let each line of ``events.jsonl`` name the one before it; see ``nemo_relay.atof.verify_chain``.
        blob_bytes: texts of that many bytes or more are stored once, in ``atof/blobs``.
        warn_if_empty: warn (a RuntimeWarning) when the recording ends without an event. False where nobody promises
            that anything happens, as in each process that a launched program starts.

    Returns:
        The recording, to be used in a ``with`` or ``async with`` block or stopped by hand.

    Raises:
        SinkError: the files cannot be opened (a RuntimeError).
    """
    return Recording(
        Path(directory),
        overwrite=overwrite,
        redact=redact,
        warn_if_empty=warn_if_empty,
        max_bytes=max_bytes,
        keep=keep,
        hash_chain=hash_chain,
        blob_bytes=blob_bytes,
    )


@dataclass(slots=True)
class Rebuilt:
    """What ``rebuild`` did.

    Attributes:
        written: the trajectory files that it made; the last 10,000.
        count: how many it made.
        failed: sessions whose file the disk did not take, by uuid, and why.
    """

    written: list[Path] = field(default_factory=list)
    count: int = 0
    failed: dict[str, OSError] = field(default_factory=dict)


def rebuild(directory: str | os.PathLike[str] = ".nemo-relay", *, everything: bool = False) -> Rebuilt:
    """Make trajectories from the events of a recording, also of one whose process died.

    Args:
        directory: what ``record`` was given.
        everything: make all of them anew instead of those that are missing.

    Returns:
        What was made. It takes one pass over the events and memory for the sessions that are open at one time.

    Raises:
        SinkError: the events cannot be read (a RuntimeError).
    """
    folder = Path(os.path.abspath(directory)) / "atif"
    place = Place(Path(directory) / "atof", "events.jsonl")

    def wanted(name: str) -> bool:
        return everything or not (folder / name).exists()

    sessions = Sessions(folder, lambda uuid: True, wanted)
    try:
        for line in lines_of([*older_files(place), place], blob_missing):
            sessions.take(line)
    except OSError as error:
        raise SinkError(f"cannot read the events in {str(place.path)!r}: {error.strerror or error}") from error
    sessions.finish()
    return Rebuilt(list(sessions.written), sessions.count, dict(sessions.failed))


def _config(directory: Path, overwrite: bool, settings: Mapping[str, Any]) -> AtofExporterConfig:
    config = AtofExporterConfig()
    config.output_directory = str(directory / "atof")
    config.filename = "events.jsonl"
    config.mode = AtofExporterMode.Overwrite if overwrite else AtofExporterMode.Append
    for name, value in settings.items():
        setattr(config, name, value)
    return config


def _missing(sessions: list[str]) -> str:
    named = ", ".join(sessions[:5]) + (", ..." if len(sessions) > 5 else "")
    return f"{len(sessions)} trajectories are missing ({named}); rebuild() makes them from the events"


def _warn_of_nothing(directory: Path) -> None:
    text = (
        f"0 events were recorded in {str(directory)!r}: was what an adapter wraps, e.g. wrap_graph(graph), used later?"
    )
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    except RuntimeWarning:  # warnings are errors here; the end of a recording raises none
        oplog.error("recording_empty", text)


def _note_start(folder: str) -> None:
    _running[folder] = _running.get(folder, 0) + 1
    if _running[folder] > 1:
        text = f"{_running[folder]} recordings write to {folder!r} at once: every event is in its file as often"
        oplog.error("recording_twice", text)


def _note_stop(folder: str) -> None:
    _running[folder] = _running.get(folder, 1) - 1
    if _running[folder] <= 0:
        _running.pop(folder, None)
