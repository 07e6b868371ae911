# SPDX-License-Identifier: Apache-2.0
"""The lines of files of ours, one after the other, compressed ones included."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from nemo_relay_records.files.blobs import Missing, restored
from nemo_relay_records.files.chain import longer, unlinked
from nemo_relay_records.files.places import Place, open_regular


def lines_of(places: Iterable[Place], missing: Missing) -> Iterator[bytes]:
    """Every line of ``places`` in turn, as it was emitted; a file that is not there has none.

    Args:
        places: the files, the oldest first.
        missing: told of large texts that are not beside the log any more; the line keeps its reference.

    Raises:
        OSError: a file cannot be read.
    """
    for place in places:
        for line in written_lines(place):
            yield emitted(line, place.path.parent, missing)


def emitted(line: bytes, folder: Path, missing: Missing) -> bytes:
    """A line of a log in ``folder`` as it was emitted: without its link, with its large texts."""
    return restored(unlinked(line), folder, missing)


def written_lines(place: Place) -> Iterator[bytes]:
    """Every line of the file as it stands there; none when there is no file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with place.opened() as folder:
            fd = open_regular(place.name, folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    with os.fdopen(fd, "rb") as raw:
        if place.name.endswith(".gz"):
            with gzip.open(raw) as file:
                yield from file
        else:
            yield from raw


def end_of_file(place: Place) -> bytes | None:
    """What the next line of a chain names of the file; None when it has no line."""
    end: bytes | None = None
    for line in written_lines(place):
        end = longer(end, line)
    return end
