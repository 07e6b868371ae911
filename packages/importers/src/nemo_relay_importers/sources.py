# SPDX-License-Identifier: Apache-2.0
"""Records of a file, one after the other."""

from __future__ import annotations

import gzip
import json
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
                record = decoded(line)
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
            return decoded(file.read())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{str(path)!r} is no JSON: {error}") from None


def decoded(text: bytes) -> Any:
    """A JSON value; half characters, which some tools write and no event holds, become question marks.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deep.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        whole = json.dumps(json.loads(text), ensure_ascii=False)
        return msgspec.json.decode(whole.encode("utf-8", "replace"))


def opened(path: Path) -> IO[bytes]:
    """The file, unpacked where it is compressed."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
