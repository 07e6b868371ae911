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
from pathlib import Path
from typing import Self

from nemo_relay import subscribers
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.delivery.trajectories import TrajectoryFiles
from nemo_relay._runtime.enums import AtofExporterMode
from nemo_relay.atof import AtofExporter, AtofExporterConfig

__all__ = ["Recording", "record"]

STOP_SECONDS = 5.0  # how long the end of a recording waits for events that are still on their way

_numbers = itertools.count(1)


class Recording:
    """A recording that runs until ``stop``, the end of its ``with`` block, or the end of the process.

    Attributes:
        events_path: the raw ATOF stream, ``<directory>/atof/events.jsonl``.
    """

    def __init__(self, directory: Path, *, overwrite: bool) -> None:
        config = AtofExporterConfig()
        config.output_directory = str(directory / "atof")
        config.filename = "events.jsonl"
        config.mode = AtofExporterMode.Overwrite if overwrite else AtofExporterMode.Append
        self._exporter = AtofExporter(config)
        self._files = TrajectoryFiles(directory / "atif")
        self.events_path = Path(self._exporter.path)
        number = next(_numbers)
        self._names = (f"nemo_relay.recording.{number}.atof", f"nemo_relay.recording.{number}.atif")
        self._exporter.register(self._names[0])
        subscribers.register(self._names[1], self._files.hear)
        self._running = True
        atexit.register(self.stop)

    @property
    def trajectories(self) -> list[Path]:
        """The trajectory files written so far, ``<directory>/atif/trajectory-<session>.json``."""
        return list(self._files.written)

    @property
    def dropped(self) -> int:
        """How many events the disk did not take."""
        return self._exporter.dropped

    def stop(self) -> None:
        """Write what is still on its way, trajectories of unfinished runs included, and close the files."""
        if not self._running:
            return
        self._running = False
        atexit.unregister(self.stop)
        dispatcher.flush(STOP_SECONDS)
        subscribers.deregister(self._names[1])
        self._files.finish()
        self._exporter.shutdown(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def record(directory: str | os.PathLike[str] = ".nemo-relay", *, overwrite: bool = False) -> Recording:
    """Record everything that happens from now on.

    Args:
        directory: gets ``atof/events.jsonl`` and ``atif/trajectory-<session>.json``; made where it is missing,
            readable by its owner only.
        overwrite: start a fresh ``events.jsonl`` instead of appending to the one that is there.

    Returns:
        The recording, to be used in a ``with`` block or stopped by hand.

    Raises:
        SinkError: the files cannot be opened (a RuntimeError).
    """
    return Recording(Path(directory), overwrite=overwrite)
