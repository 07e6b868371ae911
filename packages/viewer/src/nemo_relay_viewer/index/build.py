# SPDX-License-Identifier: Apache-2.0
"""Reading a file into its index, once, or again and again while somebody writes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .table import Index

_BLOCK = 1 << 20  # bytes; what a reader is told of progress after


def open_index(path: str | os.PathLike[str], progress: Callable[[int], None] | None = None) -> Index:
    """Read a file of events into an index.

    Args:
        path: an ATOF file, which may still be written.
        progress: called now and then with the number of bytes that were read.

    Returns:
        The index. A line that is no event is counted in ``unreadable_count``, a torn last one in ``torn``.

    Raises:
        OSError: the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        ...     _ = file.write('{"kind": "scope", "scope_category": "start", "uuid": "1", "name": "planner"}\\n')
        ...     file.flush()
        ...     index = open_index(file.name)
        >>> [index.text(index.name[row]) for row in index.roots]
        ['planner']
    """
    index = Index(Path(path))
    update(index, progress)
    return index


def update(index: Index, progress: Callable[[int], None] | None = None) -> int:
    """Add what was appended to the file since; a torn tail waits for its end.

    Args:
        index: of the file as it was.
        progress: as for ``open_index``.

    Returns:
        How many events came; -1 when the file was replaced or shrank, and must be read anew.

    Raises:
        OSError: the file cannot be read.
    """
    before, reported = index.events, index.read_to
    with open(index.path, "rb") as file:
        if os.fstat(file.fileno()).st_size < index.read_to:
            return -1
        file.seek(index.read_to)
        index.torn = False
        for line in file:
            if not line.endswith(b"\n") and not _whole(line):
                index.torn = True
                break
            index.take(line, index.read_to)
            index.read_to += len(line)
            if progress is not None and index.read_to - reported >= _BLOCK:
                reported = index.read_to
                progress(reported)
    return index.events - before


def _whole(line: bytes) -> bool:
    """A last line without its end is an event all the same when its object is closed."""
    from .heads import read

    return read(line) is not None
