# SPDX-License-Identifier: Apache-2.0
"""Records of a file, one after the other."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from .report import ImportReport


def records(path: Path, report: ImportReport) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file with one a line; what is none is counted."""
    with opened(path) as lines:
        for line in lines:
            if not line.strip():
                continue
            report.read += 1
            try:
                record = msgspec.json.decode(line)
            except (ValueError, RecursionError):
                report.skip("no JSON")
                continue
            if isinstance(record, dict):
                yield record
            else:
                report.skip("no object")


def document(path: Path) -> Any:
    """A file that is one JSON value.

    Raises:
        ValueError: it is none.
    """
    with opened(path) as file:
        try:
            return msgspec.json.decode(file.read())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{str(path)!r} is no JSON: {error}") from None


def opened(path: Path) -> IO[bytes]:
    """The file, unpacked where it is compressed."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
