# SPDX-License-Identifier: Apache-2.0
"""The files of a journal, and reading them in their order.

``<id>-<number>.jsonl`` hold the lines, ``<id>.state`` says how far they have arrived, ``<id>.lock`` is locked for as
long as the process that writes them lives.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

_BLOCK = 1 << 20


def segment_path(folder: Path, journal: str, number: int) -> Path:
    """The file of one segment."""
    return folder / f"{journal}-{number:08d}.jsonl"


def segment_numbers(folder: Path, journal: str) -> list[int]:
    """The segments that are there, oldest first."""
    found = (path.stem.removeprefix(f"{journal}-") for path in folder.glob(f"{journal}-*.jsonl"))
    return sorted(int(number) for number in found if number.isdigit())


def read_state(folder: Path, journal: str) -> dict[str, Any]:
    """What the last acknowledgement noted; empty where there was none."""
    try:
        state = msgspec.json.decode((folder / f"{journal}.state").read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(folder: Path, journal: str, state: dict[str, Any]) -> None:
    """Note how far the journal has arrived, as a whole or not at all."""
    path, draft = folder / f"{journal}.state", folder / f"{journal}.state.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, msgspec.json.encode(state))
    finally:
        os.close(fd)
    os.replace(draft, path)


def remove_journal(folder: Path, journal: str) -> None:
    """Remove everything that belongs to a journal, its lock last."""
    for number in segment_numbers(folder, journal):
        segment_path(folder, journal, number).unlink(missing_ok=True)
    for suffix in ("state.new", "state", "lock"):
        (folder / f"{journal}.{suffix}").unlink(missing_ok=True)


class Reader:
    """Reads the lines of a journal, without their newlines, from where ``state`` says."""

    def __init__(self, folder: Path, journal: str, state: dict[str, Any]) -> None:
        self._folder = folder
        self._journal = journal
        self.segment = int(state.get("segment", 0))
        self.offset = int(state.get("offset", 0))  # of the first byte that has not been taken
        self._lines: deque[bytes] = deque()  # read and not taken
        self._rest = b""  # the beginning of the line after those
        self._fd = -1

    def take(self, events: int, size: int) -> list[bytes]:
        """The next whole lines of this segment: so many, about so many bytes. Empty where it ends."""
        taken: list[bytes] = []
        while len(taken) < events and size > 0 and (self._lines or self._fill()):
            line = self._lines.popleft()
            length = len(line) + 1
            self.offset += length
            size -= length
            taken.append(line)
        return taken

    def _fill(self) -> bool:
        """Read until there is a whole line; False where there is none."""
        while not self._lines:
            block = self._read()
            if not block:
                return False
            pieces = (self._rest + block).split(b"\n")
            self._rest = pieces.pop()
            self._lines.extend(pieces)
        return True

    def _read(self) -> bytes:
        if self._fd < 0:
            try:
                self._fd = os.open(segment_path(self._folder, self._journal, self.segment), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
        return os.pread(self._fd, _BLOCK, self.offset + len(self._rest))

    def skip_to(self, segment: int) -> None:
        """Go on at the beginning of another segment."""
        self.close()
        self.segment, self.offset = segment, 0

    def close(self) -> None:
        """Close the file."""
        self._lines.clear()
        self._rest = b""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
