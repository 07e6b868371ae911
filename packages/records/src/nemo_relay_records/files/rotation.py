# SPDX-License-Identifier: Apache-2.0
"""Stepping aside: ``events.jsonl`` becomes ``events.1.jsonl``, which becomes ``events.2.jsonl``, and so on."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from nemo_relay_records.files.places import Place, alone, in_use, open_regular
from nemo_relay_records.files.whole import draft


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file steps aside, and what is kept.

    Attributes:
        max_bytes: before a line would make it longer than that.
        seconds: when it has been written to for that long.
        keep: how many older files stay; None keeps them all.
        compress: gzip older files, on a thread of their own.
        failed: told when compressing an older file failed; it then stays as it is.
    """

    max_bytes: int | None = None
    seconds: float | None = None
    keep: int | None = None
    compress: bool = False
    failed: Callable[[OSError], None] | None = None


def step_aside(place: Place, folder: int, identity: tuple[int, int], rotation: Rotation) -> None:
    """Rename the file at ``place`` unless another process has: then what stands there is another file already."""
    try:
        state = os.stat(place.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if (state.st_dev, state.st_ino) != identity:
        return
    names = os.listdir(folder)
    older = _numbered(place, names)
    for number in sorted(older, reverse=True):
        for name in older[number]:
            if rotation.keep is not None and number + 1 > rotation.keep:
                os.unlink(name, dir_fd=folder)
            else:
                os.rename(name, numbered_name(place, number + 1, name), src_dir_fd=folder, dst_dir_fd=folder)
    if rotation.keep == 0:
        os.unlink(place.name, dir_fd=folder)
        return
    first = numbered_name(place, 1)
    os.rename(place.name, first, src_dir_fd=folder, dst_dir_fd=folder)
    if rotation.compress:
        _compress_later(place, first, folder, rotation)


def make_room(place: Place, folder: int) -> None:
    """Put a fresh file in place of the old one, which is kept under another name if somebody writes to it.

    At no moment is there no file: another process may be about to look for it.
    """
    try:
        fd = open_regular(place.name, folder, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        if in_use(fd):
            aside = _free_name(place, folder)
            try:
                os.link(place.name, aside, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except OSError:  # a file system without links
                os.rename(place.name, aside, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(fd)
    with draft(place, folder) as (name, file):
        file.close()
        os.replace(name, place.name, src_dir_fd=folder, dst_dir_fd=folder)


def _free_name(place: Place, folder: int) -> str:
    names = set(os.listdir(folder))
    return next(name for number in count(1) if (name := numbered_name(place, number)) not in names)


def older_files(place: Place) -> list[Place]:
    """The files that stepped aside for the one at ``place``, the oldest first."""
    with suppress(OSError):
        older = _numbered(place, os.listdir(place.path.parent))
        return [place.sibling(name) for number in sorted(older, reverse=True) for name in older[number]]
    return []


def numbered_like(place: Place, folder: int, identity: tuple[int, int]) -> str | None:
    """The name of the file in ``folder`` that stepped aside for the one at ``place`` and is ``identity``."""
    for names in _numbered(place, os.listdir(folder)).values():
        for name in names:
            with suppress(FileNotFoundError):
                state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if (state.st_dev, state.st_ino) == identity:
                    return name
    return None


def _numbered(place: Place, names: list[str]) -> dict[int, list[str]]:
    stem, suffix = f"{place.path.stem}.", place.path.suffix
    found: dict[int, list[str]] = {}
    for name in names:
        plain = name.removesuffix(".gz")
        number = plain[len(stem) : len(plain) - len(suffix)]
        if plain.startswith(stem) and plain.endswith(suffix) and number.isascii() and number.isdigit():
            found.setdefault(int(number), []).append(name)
    return found


def numbered_name(place: Place, number: int, like: str = "") -> str:
    """The name of the file that stepped aside ``number`` files ago; compressed if ``like`` is."""
    return f"{place.path.stem}.{number}{place.path.suffix}{'.gz' if like.endswith('.gz') else ''}"


def _compress_later(place: Place, name: str, folder: int, rotation: Rotation) -> None:
    # By descriptor: the file may have stepped further aside before its turn comes.
    fd = open_regular(name, folder, os.O_RDONLY)
    thread = threading.Thread(target=_compress, args=(place, fd, rotation), name="nemo-relay-gzip")
    try:
        thread.start()
    except RuntimeError:  # no more threads, or the interpreter is going: it stays as it is
        os.close(fd)


def _compress(place: Place, fd: int, rotation: Rotation) -> None:
    try:
        state = os.fstat(fd)
        with os.fdopen(fd, "rb") as source, place.opened() as folder, draft(place, folder) as (name, file):
            with gzip.open(file, "wb") as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
            file.close()
            with alone(folder):
                older = numbered_like(place, folder, (state.st_dev, state.st_ino))
                if older is None:  # it was one too many meanwhile
                    os.unlink(name, dir_fd=folder)
                    return
                os.rename(name, f"{older}.gz", src_dir_fd=folder, dst_dir_fd=folder)
                os.unlink(older, dir_fd=folder)
    except OSError as error:
        if rotation.failed is not None:
            rotation.failed(error)
