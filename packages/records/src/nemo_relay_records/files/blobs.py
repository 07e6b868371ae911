# SPDX-License-Identifier: Apache-2.0
"""Large texts beside the log: each stored once, by its digest, in ``blobs/``; the line has a reference in its place.

A reference is ``{"$blob":"sha256:<hex>","bytes":<n>}``, of the text in UTF-8. JSON of the application that looks like
one is stored, too, and its reference ends with ``,"of":"json"``: reading turns every reference back, once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path, PurePath

from nemo_relay_records.encoding import decode, encode
from nemo_relay_records.files.places import Place, open_regular
from nemo_relay_records.files.whole import replace

FOLDER = "blobs"
SMALLEST = 256  # bytes: a reference has about half of that
_REFERENCE = re.compile(rb'\{"\$blob":"sha256:([0-9a-f]{64})","bytes":(\d{1,15})(,"of":"json")?\}')
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_NAME = b'"name":'  # what readers go by: it stays a text


class Blobs:
    """Stores texts of ``smallest`` bytes or more beside the log at ``place``.

    Args:
        place: of the log.
        smallest: bytes of a text in JSON from which on it is stored.
        failed: told when the disk does not take one; the text then stays in its line.
        sync: bring each to the disk itself.
    """

    __slots__ = ("_failed", "_place", "_smallest", "_sync")

    def __init__(self, place: Place, smallest: int, failed: Callable[[OSError], None], sync: bool = False) -> None:
        self._place = place
        self._smallest = smallest
        self._failed = failed
        self._sync = sync

    def packed(self, line: bytes) -> bytes:
        """``line`` with references; what they name is on the disk."""
        if b'{"$blob":"sha256:' in line:
            line = _REFERENCE.sub(lambda found: self._reference(found[0], found[0], b',"of":"json"'), line)
        if len(line) <= self._smallest:
            return line
        return _TEXT.sub(self._text, line)

    def _text(self, found: re.Match[bytes]) -> bytes:
        literal, line = found[0], found.string
        if len(literal) - 2 < self._smallest or line[found.end() : found.end() + 1] == b":":
            return literal
        if line.endswith(_NAME, 0, found.start()):
            return literal
        try:
            content = decode(literal).encode()
        except ValueError:  # half a surrogate pair
            return literal
        return self._reference(content, literal, b"")

    def _reference(self, content: bytes, otherwise: bytes, of: bytes) -> bytes:
        name = sha256(content).hexdigest()
        try:
            self._store(name, content)
        except OSError as error:
            self._failed(error)
            return otherwise
        return b'{"$blob":"sha256:%b","bytes":%d%b}' % (name.encode(), len(content), of)

    def _store(self, name: str, content: bytes) -> None:
        place = Place(self._place.folder, PurePath(*self._place.parts[:-1], FOLDER, name))
        try:
            if os.stat(place.path, follow_symlinks=False).st_size == len(content):
                os.utime(place.path)  # it is in use again: `prune` leaves it alone
                return
        except FileNotFoundError:
            pass
        replace(place, lambda file: file.write(content), sync=self._sync)


def names_in(line: bytes) -> set[str]:
    """The names of the blobs that ``line`` refers to."""
    return {found[1].decode() for found in _REFERENCE.finditer(line)}


Missing = Callable[[str], None]


def restored(line: bytes, folder: Path, missing: Missing) -> bytes:
    """``line`` with every reference turned back; one whose blob is not there, or is another one, stays.

    Args:
        line: of a log.
        folder: that the log is in.
        missing: told the path of a blob that could not be read, and why.
    """
    if b'{"$blob":"sha256:' not in line:
        return line

    def back(found: re.Match[bytes]) -> bytes:
        name = found[1].decode()
        try:
            content = _content(Place(folder, PurePath(FOLDER, name)), int(found[2]))
            if sha256(content).hexdigest() != name:
                raise ValueError("its content is not what its name says")
            return content if found[3] else encode(content.decode())
        except (OSError, ValueError) as error:
            missing(f"{Path(FOLDER, name)}: {getattr(error, 'strerror', None) or error}")
            return found[0]

    return _REFERENCE.sub(back, line)


def _content(place: Place, size: int) -> bytes:
    fd = os.open(place.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # reading makes no folder
    try:
        with os.fdopen(open_regular(place.name, fd, os.O_RDONLY), "rb") as file:
            return file.read(size + 1)
    finally:
        os.close(fd)
