# SPDX-License-Identifier: Apache-2.0
"""Files written as a whole: a reader sees the old document or the new one, never a part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import BinaryIO

from nemo_relay_records.files.places import Place, open_regular, refuse

_numbers = count(1)


def replace(place: Place, fill: Callable[[BinaryIO], object], sync: bool = False) -> None:
    """Let ``fill`` write the file at ``place``, and put it there when it is complete.

    Args:
        place: where.
        fill: writes the content.
        sync: bring it to the disk itself first.

    Raises:
        Refused: what stands there is no file of ours.
        OSError: the disk does not take it; what was there is still there.
    """
    with place.opened() as folder:
        with suppress(FileNotFoundError):
            refuse(place.name, os.stat(place.name, dir_fd=folder, follow_symlinks=False))
        with draft(place, folder) as (name, file):
            fill(file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
            file.close()  # what a buffer still holds must be on the disk before the old document goes
            os.replace(name, place.name, src_dir_fd=folder, dst_dir_fd=folder)


@contextmanager
def draft(place: Place, folder: int) -> Iterator[tuple[str, BinaryIO]]:
    """A new file beside ``place``, which the block gives its name; a block that fails leaves nothing behind."""
    name = f".{place.name[:200]}.{os.getpid()}.{next(_numbers)}"
    file = os.fdopen(_fresh(name, folder), "wb", buffering=1 << 16)
    try:
        yield name, file
        file.close()
    except BaseException:
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


def _fresh(name: str, folder: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return open_regular(name, folder, flags)
    except OSError:  # left by a process of the same number that was killed, or planted: never written to
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        return open_regular(name, folder, flags)
