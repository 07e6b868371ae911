# SPDX-License-Identifier: Apache-2.0
"""Lines that name the line before: ``prev``, the last field, is the digest of that line's bytes without its newline.

Whoever changes, adds, moves or takes out a line breaks the line behind it. The first line of a chain has ``null``;
the first of a file that took the place of another one names that file's last line. A line that a crash tore has no
link any more: the next one names it together with the line in front of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256

from nemo_relay_records.encoding import decode
from nemo_relay_records.files.held import Held

_BLOCK = 1 << 16
_LINK = re.compile(rb',"prev":(?:null|"(sha256:[0-9a-f]{64})")\}\s*\Z')
_LONGEST = 96  # bytes of a link


def digest(end: bytes) -> str:
    """What the next line says of the ``end`` of a file, without its newline."""
    return "sha256:" + sha256(end).hexdigest()


def longer(end: bytes | None, line: bytes) -> bytes:
    """The end of a file that ended with ``end`` after ``line``: that line, and the one before as well if it is torn."""
    line = line.removesuffix(b"\n")
    return line if end is None or not is_torn(line) else end + b"\n" + line


def is_torn(line: bytes) -> bool:
    """Whether ``line`` is a part of one."""
    if link_of(line)[0]:
        return False
    try:
        return not isinstance(decode(line), dict)
    except ValueError:
        return True


def linked(line: bytes, prev: str | None) -> bytes:
    """``line``, a JSON object and a newline, with its link; something else stays what it is."""
    if not line.endswith(b"}\n"):
        return line
    value = "null" if prev is None else f'"{prev}"'
    return line[:-2] + f',"prev":{value}}}\n'.encode()


def link_of(line: bytes) -> tuple[bool, str | None]:
    """Whether ``line`` has a link, and what it says."""
    found = _LINK.search(line[-_LONGEST:])
    if found is None:
        return False, None
    return True, None if found[1] is None else found[1].decode()


def unlinked(line: bytes) -> bytes:
    """``line`` as it was before it got its link."""
    if b',"prev":' not in line[-_LONGEST:]:
        return line
    found = _LINK.search(line, max(0, len(line) - _LONGEST))
    return line if found is None else line[: found.start()] + b"}\n"


class Chain:
    """Where the chain of a file stands. Whoever uses it keeps other writers away meanwhile.

    Args:
        before: the end of the file that an empty one goes on from; None when it goes on from none.
    """

    __slots__ = ("_before", "_identity", "_last", "_size")

    def __init__(self, before: Callable[[], bytes | None]) -> None:
        self._before = before
        self._identity = (-1, -1)
        self._size = -1
        self._last: str | None = None

    def is_behind(self, held: Held) -> bool:
        """Whether somebody else has written to the file, or it is another file."""
        return (held.identity, held.size()) != (self._identity, self._size)

    def link(self, held: Held, line: bytes) -> bytes:
        """``line`` with its link to the last line of the file, which ends with a newline."""
        size = held.size()
        if (held.identity, size) != (self._identity, self._size):
            self._catch_up(held, size)
            self._identity, self._size = held.identity, size
        return linked(line, self._last)

    def note(self, made: bytes) -> None:
        """Take note that ``made``, what ``link`` gave, has been written.

        Where others write too, or the disk took a part of it, the file has another size, and the next line looks again.
        """
        self._size += len(made)
        self._last = digest(made.removesuffix(b"\n"))

    def _catch_up(self, held: Held, size: int) -> None:
        end = end_of(held, size)
        if end is None:
            end = self._before()
        if end is not None:  # else truncated underneath, or the first there is: it goes on from what it knows
            self._last = digest(end)

    def leave(self, held: Held) -> None:
        """Take note of the end of a file that another one takes the place of."""
        end = end_of(held, held.size())
        if end is not None:
            self._last = digest(end)


def end_of(held: Held, size: int) -> bytes | None:
    """What the next line names of a file of ``size`` bytes; None when it is empty."""
    found: list[bytes] = []
    for line in _backwards(held, size):
        found.append(line)
        if not is_torn(line):
            break
    return b"\n".join(reversed(found)) if found else None


def _backwards(held: Held, size: int) -> Iterator[bytes]:
    """The lines before ``size``, the last one first."""
    end, rest = size, b""
    if size and held.read(1, size - 1) == b"\n":
        end -= 1
    while end > 0:
        start = max(0, end - _BLOCK)
        first, *lines = (held.read(end - start, start) + rest).split(b"\n")
        yield from reversed(lines)
        end, rest = start, first
    if size:
        yield rest
