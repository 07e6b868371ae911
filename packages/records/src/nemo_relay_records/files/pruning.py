# SPDX-License-Identifier: Apache-2.0
"""Removing large texts that no log in their folder refers to any more."""

from __future__ import annotations

import gzip
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from nemo_relay_records.files.blobs import FOLDER, names_in

_NAME = re.compile(r"[0-9a-f]{64}")


def prune(folder: Path, min_age: float) -> int:
    """Remove the blobs in ``folder`` that no file beside them names, and that are older than ``min_age`` seconds.

    Raises:
        OSError: a file cannot be read; then nothing is removed.
    """
    with suppress(FileNotFoundError):
        limit = time.time() - min_age
        old = {entry.name for entry in os.scandir(folder / FOLDER) if _is_old(entry, limit)}
        for entry in os.scandir(folder) if old else ():
            if entry.is_file(follow_symlinks=False):  # whatever it is called
                old -= _named(entry.path)
        for name in old:
            (folder / FOLDER / name).unlink(missing_ok=True)
        return len(old)
    return 0


def _named(path: str) -> set[str]:
    with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
        return {name for line in file for name in names_in(line)}


def _is_old(entry: os.DirEntry[str], limit: float) -> bool:
    regular = _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
    return bool(regular) and entry.stat(follow_symlinks=False).st_mtime < limit
