# SPDX-License-Identifier: Apache-2.0
"""The file that a command is about: a file, the newest one of a folder, standard input, also compressed."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nemo_relay.convert import ImportReport, read

DEFAULT_FILE = Path(".nemo-relay/atof/events.jsonl")
_SUFFIXES = (".jsonl", ".jsonl.gz")
_MOST = 2 << 30  # bytes that a compressed file may become
_TIMES = 1000  # and how many times its own size


def files(folder: Path) -> list[Path]:
    """The files of events below a folder, the newest first."""
    found = [path for path in folder.rglob("*") if path.name.endswith(_SUFFIXES) and path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def located(path: Path) -> Path:
    """The file itself; of a folder its newest.

    Raises:
        OSError: there is none.
    """
    if not path.is_dir():
        return path
    found = files(path)
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no recorded events in", os.fspath(path))
    return found[0]


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """The file as it can be read at any place: standard input (``-``) and compressed files are copied while it lasts.

    Raises:
        OSError: it cannot be read.
        ValueError: a compressed file becomes too large.
    """
    if os.fspath(path) == "-":
        with _copied(sys.stdin.buffer, None) as copy:
            yield copy
        return
    found = located(path)
    if _is_foreign(found):
        with _imported(found) as copy:
            yield copy
        return
    if found.suffix != ".gz":
        yield found
        return
    with gzip.open(found) as packed, _copied(packed, min(_MOST, max(1 << 20, _TIMES * found.stat().st_size))) as copy:
        yield copy


def _is_foreign(path: Path) -> bool:
    """Whether another tool wrote it, in a format that is read here."""
    try:
        report = ImportReport()
        read(path, report=report)
    except (ImportError, ValueError, EOFError, OSError):
        return False  # as it is, or not at all: whoever reads it says so
    return report.format != "atof"


@contextmanager
def _imported(path: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", prefix="nemo-relay-", suffix=".jsonl", encoding="ascii") as copy:
        for event in read(path):
            copy.write(json.dumps(event, separators=(",", ":")) + "\n")
        copy.flush()
        yield Path(copy.name)


@contextmanager
def _copied(source: IO[bytes] | gzip.GzipFile, most: int | None) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="nemo-relay-", suffix=".jsonl") as copy:
        if most is None:
            shutil.copyfileobj(source, copy)
        else:
            _bounded(source, copy, most)
        copy.flush()
        yield Path(copy.name)


def _bounded(source: IO[bytes] | gzip.GzipFile, copy: IO[bytes], most: int) -> None:
    while block := source.read(1 << 20):
        copy.write(block)
        if copy.tell() > most:
            raise ValueError(f"the compressed file becomes more than {most:,} bytes: it is not unpacked")
