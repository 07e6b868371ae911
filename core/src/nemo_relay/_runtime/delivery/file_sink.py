# SPDX-License-Identifier: Apache-2.0
"""A file of event lines that survives what happens to the process, to the disk and to other writers.

Each event is in the kernel's hands before ``write`` returns: a killed process loses nothing that it announced, and
two processes may share a file. Nothing here raises into the application.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nemo_relay._runtime.log import faults
from nemo_relay.errors import SinkError
from nemo_relay_records.files.append import AppendFile
from nemo_relay_records.files.blobs import Blobs
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

    def to_dict(self) -> dict[str, int]:
        """The numbers by name."""
        return self._asdict()


class FileSink(AppendFile):
    """Appends event lines to the file at ``place``; ``overwrite`` starts a fresh one.

    Raises:
        SinkError: the file cannot be opened (a RuntimeError).
    """

    __slots__ = ("failure",)

    def __init__(
        self,
        place: Place,
        *,
        overwrite: bool = False,
        rotation: Rotation | None = None,
        sync: bool = False,
        chained: bool = False,
    ) -> None:
        self.failure: OSError | None = None  # the last one, until somebody asks
        try:
            super().__init__(
                place, overwrite=overwrite, failed=self._failed_once, rotation=rotation, sync=sync, chained=chained
            )
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


class PackedSink(FileSink):
    """A file whose large texts stand beside it, each once: ``blob_bytes`` says from which size on."""

    __slots__ = ("_blobs",)

    def __init__(self, place: Place, blob_bytes: int, **options: Any) -> None:
        super().__init__(place, **options)
        self._blobs = Blobs(place, blob_bytes, self._blob_failed, options.get("sync", False))

    def write(self, line: bytes) -> None:
        """Append ``line``, behind what it refers to."""
        super().write(self._blobs.packed(line))

    offer = write

    def _blob_failed(self, error: OSError) -> None:
        # The text stays in its line: nothing is lost.
        faults.report("atof_blob_write_failed", error, path=str(self.place.path))
