# SPDX-License-Identifier: Apache-2.0
"""``plugins.toml`` as its owner wrote it: comments, order and unknown keys stay where they are.

A value is named by the component and the path inside its configuration: ``observability.atof.filename``,
``observability.opentelemetry.traces.0.endpoint``. ``KIND.enabled`` switches the component itself. A kind or a key with
a dot in it is named by its parts: ``("acme.policy", "headers", "x.y")``.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, InlineTable, Table

from nemo_relay import plugin
from nemo_relay.errors import RelayError
from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.writing import write_whole

FILENAME = "plugins.toml"
Name = str | Sequence[str]


def place(scope: str) -> Path:
    """Where the file of a scope is, or would be.

    Args:
        scope: ``project``, ``user`` or ``global``.
    """
    if scope == "global":
        return Path("/etc/nemo-relay") / FILENAME
    if scope == "user":
        base = os.environ.get("XDG_CONFIG_HOME")
        return (Path(base) if base else Path.home() / ".config") / "nemo-relay" / FILENAME
    here = Path.cwd()
    folders = [folder / ".nemo-relay" for folder in (here, *here.parents)]
    named = (folder for name in (FILENAME, "config.toml") for folder in folders if (folder / name).is_file())
    return next(named, folders[0]) / FILENAME


class Document:
    """One file that is being edited.

    Args:
        path: where it is; a file that is not there is an empty document.

    Raises:
        ConfigurationError: it is no TOML.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = _text(path)
            self._toml = tomlkit.parse(text)
        except (OSError, UnicodeDecodeError, TOMLKitError) as error:
            raise ConfigurationError(f"{path}: {error}") from None
        self._before = text
        if not text.strip():
            self._toml["version"] = 1

    @property
    def text(self) -> str:
        """The file as it would be written."""
        return tomlkit.dumps(self._toml)

    @property
    def is_changed(self) -> bool:
        """Whether writing it would change the file."""
        return self.text != self._before

    def plain(self) -> dict[str, Any]:
        """The document without its layout."""
        return tomllib.loads(self.text)

    def restore(self, text: str) -> None:
        """Go back to what ``text`` was at another time; the file is not touched."""
        self._toml = tomlkit.parse(text)

    def kinds(self) -> list[str]:
        """The kinds of its components, in their order."""
        return [str(component.get("kind")) for component in self._components()]

    def get(self, name: Name) -> Any:
        """The value of a name.

        Raises:
            KeyError: there is none.
        """
        kind, *path = self._parts(name)
        found: Any = next((one for one in self.plain().get("components", []) if one.get("kind") == kind), None)
        if found is None:
            raise KeyError(name)
        if path and path != ["enabled"]:
            found = found.get("config", {})
        try:
            for part in path:
                found = found[int(part)] if isinstance(found, list) else found[part]
        except (LookupError, TypeError, ValueError):
            raise KeyError(name) from None
        return found

    def set(self, name: Name, value: Any) -> None:
        """Give a name a value; tables on the way are made. A kind alone is given its whole configuration.

        Args:
            name: see the module.
            value: any TOML value.

        Raises:
            ConfigurationError: nobody has that kind, or the path leads through something that is no table.
        """
        kind, *path = self._parts(name)
        if not path and not isinstance(value, dict):
            raise ConfigurationError(f"{kind!r} names a component; name a value in it, such as {kind}.enabled")
        if kind not in {*plugin.list_kinds(), *self.kinds()}:
            close = difflib.get_close_matches(kind, plugin.list_kinds(), 1)
            meant = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(plugin.list_kinds())}"
            raise ConfigurationError(f"no component has the kind {kind!r}{meant}")
        before = self.text
        # tomlkit gives a table behind dotted keys (config.atof.mode = ...) a wrong heading; one line is right there.
        for made in (_like, _in_line):
            self._write(kind, path, value, made)
            if self._holds([kind, *path], value):
                return
            self.restore(before)
        raise ConfigurationError(f"{name!r} has no place in the way that {self.path} is written; change it by hand")

    def _write(self, kind: str, path: Sequence[str], value: Any, made: Callable[[Any], Any]) -> None:
        component = self._component(kind)
        if path in ([], ["enabled"]):
            component[path[0] if path else "config"] = value
            return
        table: Any = component.setdefault("config", made(component))
        for part, following in zip(path, [*path[1:], ""], strict=True):
            if not following:
                _put(table, part, value)
            else:
                table = _into(table, part, following, made)

    def _holds(self, name: Name, value: Any) -> bool:
        """Whether what would be written says what was meant."""
        try:
            found = self.get(name)
        except (KeyError, tomllib.TOMLDecodeError):
            return False
        return bool((found.get("config") if len(name) == 1 else found) == value)

    def unset(self, name: Name) -> bool:
        """Take a value away; False when there was none."""
        kind, *path = self._parts(name)
        try:
            holder = self._holder(kind, path)
        except (LookupError, StopIteration, TypeError, ValueError):
            return False
        if not path:
            self._components().remove(holder)
            return True
        last = path[-1]
        if isinstance(holder, list):
            if not last.isdecimal() or int(last) >= len(holder):
                return False
            del holder[int(last)]
            return True
        return holder.pop(last, None) is not None

    def problems(self) -> list[str]:
        """What the plugin host says is wrong with it."""
        try:
            report = plugin.validate_exact(self.plain())
        except RelayError as error:
            return [str(error)]
        return [str(found["message"]) for found in report["config"]["diagnostics"] if found["level"] == "error"]

    def save(self) -> None:
        """Write the file, at once or not at all; nothing is written while something is wrong with it.

        Raises:
            ConfigurationError: what is wrong, or why it cannot be written.
        """
        problems = self.problems()
        if problems:
            raise ConfigurationError(f"{self.path} is not written: {'; '.join(problems)}")
        if _text(self.path) != self._before:
            raise ConfigurationError(f"{self.path} is not written: somebody else has changed it meanwhile; begin again")
        try:
            write_whole(self.path, self.text.encode())
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror}") from None
        self._before = self.text

    def _components(self) -> Any:
        found = self._toml.get("components")
        return [] if found is None else found

    def _component(self, kind: str) -> Any:
        for component in self._components():
            if component.get("kind") == kind:
                return component
        if "components" not in self._toml:
            self._toml.add(tomlkit.nl())
            self._toml["components"] = tomlkit.aot()
        made = _like(self._components())
        made["kind"] = kind
        self._toml["components"].append(made)
        return self._components()[-1]

    def _holder(self, kind: str, path: Sequence[str]) -> Any:
        """What the last part of a path is in: the component for its kind and its switch."""
        found: Any = next(component for component in self._components() if component.get("kind") == kind)
        if not path or path == ["enabled"]:
            return found
        found = found["config"]
        for part in path[:-1]:
            found = found[int(part)] if isinstance(found, list) else found[part]
        return found

    def _parts(self, name: Name) -> list[str]:
        """The kind and the path of a name; of kinds with dots, the longest that the name begins with."""
        if not isinstance(name, str):
            return list(name)
        kinds = (*plugin.list_kinds(), *self.kinds())
        dotted = [kind for kind in kinds if "." in kind and f"{name}.".startswith(f"{kind}.")]
        if not dotted:
            return name.split(".")
        kind = max(dotted, key=len)
        rest = name[len(kind) + 1 :]
        return [kind, *(rest.split(".") if rest else [])]


def _like(holder: Any) -> Any:
    """A new table of the kind that stands beside or in another: one line in what is one line."""
    in_line = isinstance(holder, InlineTable) or (isinstance(holder, list) and not isinstance(holder, AoT))
    return tomlkit.inline_table() if in_line else tomlkit.table()


def _in_line(holder: Any) -> Any:
    return tomlkit.inline_table()


def _into(table: Any, part: str, following: str, made: Callable[[Any], Any]) -> Any:
    """The table or list that the path goes on in; one that is missing is made."""
    if isinstance(table, list):
        if _place_in(table, part) == len(table):
            table.append(_like(table))
        return table[int(part)]
    if part not in table:
        new = made(table)
        is_list = following.isdecimal()
        table[part] = (tomlkit.array() if isinstance(new, InlineTable) else tomlkit.aot()) if is_list else new
    found = table[part]
    if not isinstance(found, dict | list):
        raise ConfigurationError(f"{part!r} is {found!r}, not a table")
    return found


def _place_in(items: Any, part: str) -> int:
    if not part.isdecimal() or int(part) > len(items):
        raise ConfigurationError(f"{part!r} is no place in a list of {len(items)}")
    return int(part)


def _put(table: Any, part: str, value: Any) -> None:
    if isinstance(table, list):
        if _place_in(table, part) == len(table):
            table.append(value)
        else:
            table[int(part)] = value
    elif isinstance(table, dict | Table):
        table[part] = value
    else:
        raise ConfigurationError(f"{table!r} is not a table")


def _text(path: Path) -> str:
    """The file with its line ends as they are; nothing where there is none."""
    return path.read_bytes().decode("utf-8") if path.is_file() else ""


def value_of(text: str) -> Any:
    """A word of the command line as a TOML value: what TOML reads as one is one, all else is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
