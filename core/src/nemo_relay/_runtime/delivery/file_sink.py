# SPDX-License-Identifier: Apache-2.0
"""A file of event lines that survives what happens to the process, to the disk and to other writers.

Each event is in the kernel's hands before ``write`` returns: a killed process loses nothing that it announced, and
two processes may share a file. Nothing here raises into the application.
"""

from __future__ import annotations

from typing import NamedTuple

from nemo_relay._runtime.log import faults
from nemo_relay.errors import SinkError
from nemo_relay_records.files.append import AppendFile
from nemo_relay_records.files.places import Place, reason
from nemo_relay_records.files.rotation import Rotation


class Counters(NamedTuple):
    """What became of the lines that a sink was offered.

    ``offered`` = ``written`` + ``dropped`` + ``waiting``. ``retried`` lines waited, and are among the written ones.
    """

    offered: int
    written: int
    dropped: int
    retried: int
    waiting: int


class FileSink(AppendFile):
    """Appends event lines to the file at ``place``; ``overwrite`` starts a fresh one.

    Raises:
        SinkError: the file cannot be opened (a RuntimeError).
    """

    __slots__ = ("failure",)

    def __init__(
        self, place: Place, *, overwrite: bool = False, rotation: Rotation | None = None, sync: bool = False
    ) -> None:
        self.failure: OSError | None = None  # the last one, until somebody asks
        try:
            super().__init__(place, overwrite=overwrite, failed=self._failed_once, rotation=rotation, sync=sync)
        except OSError as error:
            raise SinkError(f'failed to open ATOF output file "{place.path}": {reason(error)}') from error

    offer = AppendFile.write

    def flush(self, timeout: float | None = None) -> bool:
        """Write what waits for the disk, and look whether the file is still in its place; whether nothing waits."""
        return self.retry()

    def counters(self) -> Counters:
        """What became of the lines so far."""
        waiting = self.waiting
        return Counters(self.written + self.dropped + waiting, self.written, self.dropped, self.retried, waiting)

    def _failed_once(self, error: OSError) -> None:
        self.failure = error
        faults.report("atof_file_write_failed", error, path=str(self.place.path))
