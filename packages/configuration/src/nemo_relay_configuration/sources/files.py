# SPDX-License-Identifier: Apache-2.0
"""The configuration files: where they are looked for, whose they may be, and what is in them."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from typing import Any

from nemo_relay_configuration.checking import TOP as DOCUMENT_TOP
from nemo_relay_configuration.checking import problem
from nemo_relay_configuration.documents import JsonObject, plain
from nemo_relay_configuration.errors import InvalidConfig, InvalidDocument, UnknownPlugin
from nemo_relay_configuration.sources.secrets import anchored

TOP = (*DOCUMENT_TOP, "plugins")
NAME = "plugins.toml"
discovering = True  # whether the files of the machine, the user and the project are looked for


@dataclass(frozen=True)
class File:
    """One place where a configuration may be. ``document`` is None where there is no file, ``distrusted`` says why one
    is not read."""

    path: str
    is_explicit: bool = False
    document: JsonObject | None = None
    distrusted: str = ""


def found(additional: str | os.PathLike[str] | None) -> list[File]:
    """The files, from the lowest layer to the highest."""
    explicit = None if additional is None else os.path.expanduser(os.fspath(additional))
    if not discovering:
        return [] if explicit is None else [_read(explicit, is_explicit=True)]
    system = _read(_system_file())
    project = _read_project(_project_file())
    layers = [_read(_user_file()), project] if explicit is None else [project, _read(explicit, is_explicit=True)]
    pinned = (system.document or {}).get("plugins", {}).get("pinned") is True
    return [*layers, system] if pinned else [system, *layers]


def places(additional: str | os.PathLike[str] | None) -> list[str]:
    """Where the files are, or would be."""
    named = _user_file() if additional is None else os.path.expanduser(os.fspath(additional))
    paths = (_system_file(), named, _project_file()) if discovering else (additional and named,)
    return [os.fspath(path) for path in paths if path]


def _user_file() -> str:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(home, "nemo-relay", NAME)


def _system_file() -> str:
    root = os.environ.get("PROGRAMDATA", r"C:\ProgramData") if sys.platform == "win32" else "/etc"
    return os.path.join(root, "nemo-relay", NAME)


def _project_file() -> str | None:
    """The nearest ``.nemo-relay/plugins.toml``, from the working directory upwards."""
    try:
        folder = os.getcwd()
    except OSError:  # somebody removed it
        return None
    while True:
        path = os.path.join(folder, ".nemo-relay", NAME)
        if os.path.exists(path):
            return path
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _read_project(path: str | None) -> File:
    """A project may come from anywhere: only a file of the user's own decides where runs are sent."""
    if path is None:
        return File("")
    reason = _distrust(path)
    return File(path, distrusted=reason) if reason else _read(path)


def _distrust(path: str) -> str:
    if not hasattr(os, "getuid"):
        return ""
    for place in (path, os.path.dirname(path)):
        state = os.stat(place)
        if state.st_uid not in (os.getuid(), 0):
            return f"{place} belongs to another user; name the file if you trust it"
        if state.st_mode & stat.S_IWOTH and not state.st_mode & stat.S_ISVTX:
            return f"{place} can be written by everybody; chmod o-w it, or name the file if you trust it"
    return ""


def _read(path: str, *, is_explicit: bool = False) -> File:
    import tomllib

    if not os.path.exists(path):
        return File(path, is_explicit)
    if not os.path.isfile(path):
        raise InvalidConfig(f"failed to read {path}: plugin configuration {path} must be a regular file")
    try:
        with open(path, "rb") as file:
            document: JsonObject = plain(tomllib.load(file))
    except OSError as error:
        raise InvalidConfig(f"failed to read {path}: {error.strerror} (os error {error.errno})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"invalid plugin TOML in {path}: TOML parse error: {error}") from None
    _check(path, document)
    for component in document.get("components", []):
        component.update(anchored({"config": component["config"]} if "config" in component else {}, _folder(path)))
    return File(path, is_explicit, document)


def _folder(path: str) -> str:
    return os.path.dirname(os.path.abspath(path))


def _check(path: str, document: JsonObject) -> None:
    version = document.get("version", 1)
    if version != 1:
        raise InvalidConfig(f"plugin config version {version!r} in {path} is unsupported; expected 1")
    wrong = problem(document)
    if wrong:
        raise InvalidDocument(f"serialization error: {wrong} (in {path})")
    seen: set[str] = set()
    for component in document.get("components", []):
        kind = component["kind"]
        if kind in seen:
            raise InvalidConfig(
                f"duplicate plugin component kind in {path}: {kind}; declare each kind once per plugins.toml"
            )
        seen.add(kind)
    _refuse_dynamic(path, document.get("plugins", {}))


def _refuse_dynamic(path: str, plugins: Any) -> None:
    declared = plugins.get("dynamic", []) if isinstance(plugins, dict) else []
    for one in declared:
        manifest = one.get("manifest") if isinstance(one, dict) else None
        where = os.path.join(os.path.dirname(path), str(manifest))
        if not os.path.exists(where):
            raise UnknownPlugin(f"dynamic plugin manifest '{where}' does not exist")
        raise InvalidConfig(
            f"{path} declares the dynamic plugin {manifest!r}, and this release runs plugins in the process only: "
            "register it with nemo_relay.plugin.register, or install it as an entry point of 'nemo_relay.plugins'"
        )
