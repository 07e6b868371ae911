# SPDX-License-Identifier: Apache-2.0
"""The lines of files of ours, one after the other, compressed ones included."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator

from nemo_relay_records.files.places import Place, open_regular


def lines_of(places: Iterable[Place]) -> Iterator[bytes]:
    """Every line of ``places`` in turn; a file that is not there has none.

    Raises:
        OSError: a file cannot be read.
    """
    for place in places:
        try:
            with place.opened() as folder:
                fd = open_regular(place.name, folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        with os.fdopen(fd, "rb") as raw:
            if place.name.endswith(".gz"):
                with gzip.open(raw) as file:
                    yield from file
            else:
                yield from raw
