# SPDX-License-Identifier: Apache-2.0
"""``plugins.toml`` as its owner wrote it: comments, order and unknown keys stay where they are.

A value is named by the component and the path inside its configuration: ``observability.atof.filename``,
``observability.opentelemetry.traces.0.endpoint``. ``KIND.enabled`` switches the component itself.
"""

from __future__ import annotations

import difflib
import os
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from nemo_relay import plugin
from nemo_relay.errors import RelayError
from nemo_relay_cli.errors import ConfigurationError

FILENAME = "plugins.toml"


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
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            self._toml = tomlkit.parse(text)
        except (OSError, UnicodeDecodeError, TOMLKitError) as error:
            raise ConfigurationError(f"{path}: {error}") from None
        self._before = text
        if not text:
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

    def kinds(self) -> list[str]:
        """The kinds of its components, in their order."""
        return [str(component.get("kind")) for component in self._components()]

    def get(self, name: str) -> Any:
        """The value of a name.

        Raises:
            KeyError: there is none.
        """
        kind, *path = name.split(".")
        found: Any = next(one for one in self.plain().get("components", []) if one.get("kind") == kind)
        if path and path != ["enabled"]:
            found = found.get("config", {})
        for part in path:
            found = found[int(part)] if isinstance(found, list) else found[part]
        return found

    def set(self, name: str, value: Any) -> None:
        """Give a name a value; tables on the way are made.

        Args:
            name: see the module.
            value: any TOML value.

        Raises:
            ConfigurationError: nobody has that kind, or the path leads through something that is no table.
        """
        kind, *path = name.split(".")
        if not path:
            raise ConfigurationError(f"{name!r} names a component; name a value in it, such as {name}.enabled")
        if kind not in {*plugin.list_kinds(), *self.kinds()}:
            close = difflib.get_close_matches(kind, plugin.list_kinds(), 1)
            meant = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(plugin.list_kinds())}"
            raise ConfigurationError(f"no component has the kind {kind!r}{meant}")
        component = self._component(kind)
        if path == ["enabled"]:
            component["enabled"] = value
            return
        table: Any = component.setdefault("config", tomlkit.table())
        for part, following in zip(path, [*path[1:], ""], strict=True):
            if not following:
                _put(table, part, value, name)
            else:
                table = _into(table, part, following, name)

    def unset(self, name: str) -> bool:
        """Take a value away; False when there was none."""
        kind, *path = name.split(".")
        try:
            holder = self._toml_at(kind, path[:-1] if path else [])
        except (KeyError, StopIteration, IndexError, ValueError):
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
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o644
            with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False, encoding="utf-8") as draft:
                draft.write(self.text)
            os.chmod(draft.name, mode)
            os.replace(draft.name, self.path)
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
        made = tomlkit.table()
        made["kind"] = kind
        if "components" not in self._toml:
            self._toml["components"] = tomlkit.aot()
        self._toml["components"].append(made)
        return self._components()[-1]

    def _toml_at(self, kind: str, path: Sequence[str]) -> Any:
        found: Any = next(component for component in self._components() if component.get("kind") == kind)
        if path:
            found = found["config"]
        for part in path:
            found = found[int(part)] if isinstance(found, list) else found[part]
        return found


def _into(table: Any, part: str, following: str, name: str) -> Any:
    """The table or list that the path goes on in; one that is missing is made."""
    if isinstance(table, list):
        return _element(table, part, name)
    if part not in table:
        table[part] = tomlkit.aot() if following.isdecimal() else tomlkit.table()
    found = table[part]
    if not isinstance(found, dict | list):
        raise ConfigurationError(f"{name}: {part!r} is {found!r}, not a table")
    return found


def _element(items: Any, part: str, name: str) -> Any:
    if not part.isdecimal() or int(part) > len(items):
        raise ConfigurationError(f"{name}: {part!r} is no place in a list of {len(items)}")
    if int(part) == len(items):
        items.append(tomlkit.table() if isinstance(items, AoT) else tomlkit.inline_table())
    return items[int(part)]


def _put(table: Any, part: str, value: Any, name: str) -> None:
    if isinstance(table, list):
        if not part.isdecimal() or int(part) > len(table):
            raise ConfigurationError(f"{name}: {part!r} is no place in a list of {len(table)}")
        if int(part) == len(table):
            table.append(value)
        else:
            table[int(part)] = value
    elif isinstance(table, dict | Table):
        table[part] = value
    else:
        raise ConfigurationError(f"{name}: {table!r} is not a table")


def value_of(text: str) -> Any:
    """A word of the command line as a TOML value: what TOML reads as one is one, all else is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
