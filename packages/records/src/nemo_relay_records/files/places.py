# SPDX-License-Identifier: Apache-2.0
"""Where a file of ours is, and opening it there: below the folder that the user named no link is followed.

What is opened is a regular file that belongs to this user; a FIFO, a device or a socket is refused at once, without
being opened. New files have mode 0600 and new folders 0700; an existing file is tightened.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from time import monotonic, sleep

_FOLDER = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# Non-blocking: what turns into a FIFO between our look and the open must not hold the application up.
_FILE = os.O_CLOEXEC | _NO_LINK | os.O_NONBLOCK | os.O_NOCTTY
_LOOK_SECONDS = 0.0002  # often: others may let go for a moment only
LOCK_SECONDS = 2.0  # how long one process waits for another one that opens or rotates files in the same folder


class Refused(OSError):
    """Something stands at the path that is no file of ours. ``strerror`` says what."""


class Place:
    """A file by the folder that the user named and the relative name below it; absolute from the start.

    Raises:
        Refused: the name is absolute, is empty or leads out of the folder.
    """

    __slots__ = ("folder", "parts", "path")

    def __init__(self, folder: str | os.PathLike[str], name: str | os.PathLike[str]) -> None:
        relative = PurePath(name)
        parts = relative.parts
        unsafe = not parts or relative.is_absolute() or ".." in parts or "\0" in str(relative)
        if unsafe or "\0" in os.fspath(folder):
            raise Refused(errno.EINVAL, "observability output must be a confined relative file path")
        self.folder = os.path.abspath(folder)  # now: the application may change its working directory later
        self.parts = parts
        self.path = Path(self.folder, *parts)

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Place:
        """The place of a file whose whole path the user named: its folder is trusted, the file itself is not."""
        whole = os.path.abspath(path)
        return cls(os.path.dirname(whole), os.path.basename(whole))

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.parts[-1]

    def sibling(self, name: str) -> Place:
        """The file of that name in the same folder."""
        made = object.__new__(Place)
        made.folder, made.parts = self.folder, (*self.parts[:-1], name)
        made.path = self.path.with_name(name)
        return made

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of the folder that holds the file, made where it is missing."""
        fd = _open_named(self.folder)
        try:
            for part in self.parts[:-1]:
                above, fd = fd, _open_below(part, fd)
                os.close(above)
            yield fd
        finally:
            os.close(fd)


def _open_named(folder: str) -> int:
    try:
        return os.open(folder, _FOLDER)
    except FileNotFoundError:
        make_folder(folder)
        return os.open(folder, _FOLDER)


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make ``folder`` and what is missing above it, for its owner only."""
    missing: list[str] = []
    where = os.path.abspath(folder)
    while not os.path.isdir(where) and not os.path.lexists(where):
        missing.append(where)
        where = os.path.dirname(where)
    for part in reversed(missing):
        with suppress(FileExistsError):  # another process made it meanwhile
            os.mkdir(part, 0o700)


def _open_below(part: str, above: int) -> int:
    for attempt in (1, 2):
        try:
            return os.open(part, _FOLDER | _NO_LINK, dir_fd=above)
        except FileNotFoundError:
            if attempt == 2:
                raise
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=above)
        except NotADirectoryError as error:
            text = f"refusing unsafe observability directory component '{part}': {error.strerror}"
            raise Refused(errno.ENOTDIR, f"{text} (os error {error.errno})") from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            text = f"refusing unsafe observability directory component '{part}': it is a link"
            raise Refused(errno.ELOOP, text) from None
    raise AssertionError


def open_regular(name: str, folder: int, flags: int) -> int:
    """Open the file ``name`` in the folder behind the descriptor ``folder``.

    Raises:
        Refused: it is a link, no regular file, or somebody else's.
        OSError: what the system says.
    """
    with suppress(FileNotFoundError):
        refuse(name, os.stat(name, dir_fd=folder, follow_symlinks=False))
    try:
        fd = os.open(name, flags | _FILE, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Refused(error.errno, f"observability output '{name}' is not a regular file") from None
        raise
    try:
        state = os.fstat(fd)
        refuse(name, state)
        if stat.S_IMODE(state.st_mode) & 0o077:
            os.fchmod(fd, stat.S_IMODE(state.st_mode) & 0o600)
    except BaseException:
        os.close(fd)
        raise
    return fd


def refuse(name: str, state: os.stat_result) -> None:
    """Raise ``Refused`` unless ``state`` is that of a regular file of this user."""
    if stat.S_ISLNK(state.st_mode):
        raise Refused(errno.ELOOP, f"refusing symlinked observability file '{name}'")
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(state.st_mode):
        raise Refused(errno.EINVAL, f"observability output '{name}' is not a regular file")
    if hasattr(os, "geteuid") and state.st_uid != os.geteuid():
        raise Refused(errno.EPERM, f"observability output '{name}' belongs to another user (uid {state.st_uid})")


@contextmanager
def alone(folder: int, seconds: float = LOCK_SECONDS) -> Iterator[bool]:
    """Keep other processes of ours from opening, renaming or removing files in ``folder`` meanwhile.

    Yields:
        False where somebody sits on it for ``seconds``. On a file system without locks nobody is known to.
    """
    deadline = monotonic() + seconds
    held = busy = False
    while not held:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            if monotonic() > deadline:  # somebody sits on it: better a small race than an application that waits
                busy = True
                break
            sleep(_LOOK_SECONDS)
        except OSError:  # a file system without locks
            break
    try:
        yield not busy
    finally:
        if held:
            fcntl.flock(folder, fcntl.LOCK_UN)


def in_use(fd: int) -> bool:
    """Whether another open file holds the mark that ``mark_in_use`` leaves."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def mark_in_use(fd: int) -> None:
    """Tell other processes, for as long as the file is open, that somebody writes to it."""
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


def reason(error: OSError) -> str:
    """What ``error`` says, as a part of a sentence."""
    if isinstance(error, Refused):
        return str(error.strerror)
    return f"{error.strerror} (os error {error.errno})"
