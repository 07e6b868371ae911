# SPDX-License-Identifier: Apache-2.0
"""Changes of other programs' files that can be taken back, to the byte.

What a file was, and what we made of it, is kept in a journal until the change is taken back. A file that nobody has
touched since becomes what it was; from one that somebody has, only what is ours is taken out. A change may be held by
several runs at once: the last one to let go takes it back, and what a killed run left is taken back by the next.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.writing import write_whole

MARK = "nemo_relay_gateway/forward.py"  # stands in every command of ours
_PRIVATE = 0o600
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)  # hosts take JSON with comments


@dataclass(frozen=True)
class Edit:
    """One change of one file.

    Args:
        path: the file; ``.toml`` is TOML, all else JSON.
        change: makes the new content of the old; a dict for JSON, a ``tomlkit`` document for TOML.
        owned: values besides commands by which our entries are known when they are taken out again.
    """

    path: Path
    change: Callable[[Any], Any]
    owned: tuple[str, ...] = ()

    def planned(self) -> tuple[bytes | None, bytes]:
        """The file as it is, None where there is none, and as it would be.

        Raises:
            ConfigurationError: the file cannot be read as what it should be.
        """
        before = _content(self.path)
        after = _written(self.path, self.change(_parsed(self.path, before)), before)
        return before, after

    def diff(self) -> str:
        """What would change, as a unified diff; empty where nothing would."""
        before, after = self.planned()
        old, new = ((text or b"").decode("utf-8", "replace").splitlines(keepends=True) for text in (before, after))
        name = "/dev/null" if before is None else str(self.path)
        return "".join(_ended(line) for line in difflib.unified_diff(old, new, name, str(self.path)))


class Journal:
    """What was changed, so that it can be taken back.

    Args:
        folder: where journals are; one file for each file that was changed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def apply(self, edit: Edit, holder: str) -> None:
        """Make a change, and hold it.

        Args:
            edit: the change.
            holder: who holds it: ``installed``, or the number of a process.

        Raises:
            ConfigurationError: the file cannot be read or written.
        """
        with self._entry(edit.path) as entry:
            if self._forget_dead(entry) or not entry:
                before, after = edit.planned()
                entry |= {"path": str(edit.path), "owned": list(edit.owned), "holders": []}
                entry["folders"] = _missing(edit.path)
                entry["before"] = None if before is None else base64.b64encode(before).decode()
                entry["after"] = hashlib.sha256(after).hexdigest()
                self._save(edit.path, entry)  # before the file: a change that nobody knows of could not be taken back
                _write(edit.path, after)
            entry["holders"] = sorted({*entry["holders"], holder})

    def release(self, path: Path, holder: str) -> bool:
        """Let go of a change; the last one takes it back.

        Args:
            path: the file.
            holder: who held it.

        Returns:
            Whether it was taken back.
        """
        with self._entry(path) as entry:
            if not entry:
                return False
            entry["holders"] = [one for one in entry["holders"] if one != holder]
            return self._forget_dead(entry)

    def held(self, holder: str) -> list[Path]:
        """The files whose changes somebody holds."""
        found = []
        for file in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                entry = json.loads(file.read_text(encoding="utf-8"))
                if holder in entry.get("holders", ()):
                    found.append(Path(entry["path"]))
        return found

    def recover(self) -> list[Path]:
        """Take back what runs left that were killed; the files."""
        found = []
        for file in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                path = Path(json.loads(file.read_text(encoding="utf-8"))["path"])
                with self._entry(path) as entry:
                    if self._forget_dead(entry):
                        found.append(path)
        return found

    def _forget_dead(self, entry: dict[str, Any]) -> bool:
        """Drop holders that are gone; without one, take the change back and empty the entry."""
        if not entry:
            return False
        entry["holders"] = [one for one in entry["holders"] if one == "installed" or is_alive(one)]
        if entry["holders"]:
            return False
        _take_back(entry)
        entry.clear()
        return True

    @contextlib.contextmanager
    def _entry(self, path: Path) -> Iterator[dict[str, Any]]:
        """The entry of a file, locked; written when it is left, removed when it is empty."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self._folder / "lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = self._file(path)
            try:
                entry: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                entry = {}
            yield entry
            if entry:
                self._save(path, entry)
            else:
                file.unlink(missing_ok=True)

    def _save(self, path: Path, entry: dict[str, Any]) -> None:
        write_whole(self._file(path), json.dumps(entry).encode(), _PRIVATE)

    def _file(self, path: Path) -> Path:
        return self._folder / f"{hashlib.sha256(str(path).encode()).hexdigest()[:32]}.json"


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file, comments allowed; empty where there is none.

    Raises:
        ConfigurationError: it holds no object.
    """
    found: dict[str, Any] = _parsed(path, _content(path))
    return found


def journal() -> Journal:
    """The user's own."""
    base = os.environ.get("XDG_STATE_HOME")
    return Journal((Path(base) if base else Path.home() / ".local" / "state") / "nemo-relay" / "edits")


def _take_back(entry: dict[str, Any]) -> None:
    path = Path(entry["path"])
    now = _content(path)
    if now is None:
        return
    before = None if entry["before"] is None else base64.b64decode(entry["before"])
    if hashlib.sha256(now).hexdigest() != entry["after"]:
        rest = _without(_parsed(path, now), (MARK, *entry["owned"]))
        before = _written(path, rest, now) if rest or before is not None else None
    if before is not None:
        _write(path, before)
        return
    path.unlink()
    for folder in entry["folders"]:
        with contextlib.suppress(OSError):  # somebody has put something else there
            Path(folder).rmdir()


def _without(value: Any, owned: tuple[str, ...]) -> Any:
    """A value without the entries that name something of ours, and without what is empty for it."""
    if isinstance(value, dict):
        for key in list(value):
            was_empty = value[key] in ({}, [])
            if _is_ours(value[key], owned) or (_without(value[key], owned) in ({}, []) and not was_empty):
                del value[key]
    elif isinstance(value, list):
        for index in reversed(range(len(value))):
            if _is_ours(value[index], owned) or _is_emptied(value[index], owned):
                del value[index]
    return value


def _is_emptied(value: Any, owned: tuple[str, ...]) -> bool:
    """Take what is ours out of an entry of a list, and say whether the entry was there for that alone: a group of hooks
    without a hook is nothing, whatever else it says.
    """
    if not isinstance(value, dict | list) or not value:
        return False
    lists = {key for key, held in value.items() if isinstance(held, list)} if isinstance(value, dict) else set()
    rest = _without(value, owned)
    return not rest or bool(lists and not lists & set(rest))


def _is_ours(value: Any, owned: tuple[str, ...]) -> bool:
    """A hook, by its command; or a single value."""
    if isinstance(value, str):
        return any(one in value for one in owned)
    return isinstance(value, dict) and any(isinstance(one, str) and _is_ours(one, owned) for one in value.values())


def _parsed(path: Path, content: bytes | None) -> Any:
    try:
        text = (content or b"").decode("utf-8")
        if path.suffix == ".toml":
            import tomlkit  # few runs change a TOML file

            return tomlkit.parse(text)
        found = json.loads(_COMMENT.sub(lambda match: match[1] or "", text) or "{}")
    except ValueError as error:
        raise ConfigurationError(f"{path} cannot be read, and is left as it is: {error}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} holds no object, and is left as it is")
    return found


def _written(path: Path, value: Any, before: bytes | None) -> bytes:
    if path.suffix == ".toml":
        return str(value.as_string()).encode()
    if before is not None and _parsed(path, before) == value:
        return before
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None


def _missing(path: Path) -> list[str]:
    """The folders on the way to a file that are not there yet, the innermost first."""
    return [str(folder) for folder in path.parents if not folder.exists()]


def is_alive(holder: str) -> bool:
    """Whether a process is there; what is no number is taken for one that is."""
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError):
        return True
    return True


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
