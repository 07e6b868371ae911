# SPDX-License-Identifier: Apache-2.0
"""Configuration in layers: the user's (or an explicit) file, over it the system's, over that the program's document."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from nemo_relay._plugins.checking import POLICY, TOP, problem, unknown_fields
from nemo_relay._plugins.documents import JsonObject, normalised, plain
from nemo_relay._plugins.reports import ConfigDiagnostic, diagnostic
from nemo_relay.errors import InvalidConfig, InvalidDocument, UnknownPlugin

Path = str | os.PathLike[str]
discovering = True  # whether the files of the user and the machine are looked for
FILE_TOP = (*TOP, "plugins")


@dataclass
class Resolved:
    """One document made of all layers, and what there was to say about them.

    ``unknown`` are the keys that mean nothing, each with the file it is in (empty for the program's own document).
    """

    document: JsonObject
    paths: list[str] = field(default_factory=list)
    diagnostics: list[ConfigDiagnostic] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)


def exact(config: object) -> Resolved:
    """The program's document alone, with every default filled in.

    Raises:
        InvalidDocument: it is not a document (a ValueError).
    """
    given = _checked(config)
    document = {
        "components": [_filled(component) for component in given.get("components", [])],
        "policy": {**POLICY, **_known(given.get("policy", {}), POLICY)},
        "version": given.get("version", 1),
    }
    return Resolved(document, unknown=[("", name) for name in unknown_fields(given)])


def layered(config: object, additional: Path | None) -> Resolved:
    """The program's document over the configuration files.

    Raises:
        InvalidDocument, InvalidConfig: a layer is not a document (both a ValueError).
        UnknownPlugin: a file declares a dynamic plugin that is not there (a FileNotFoundError).
    """
    given = _checked(config)
    resolved = Resolved({"components": []}, unknown=[("", name) for name in unknown_fields(given)])
    disabled: dict[str, str] = {}
    for path, explicit in _files(additional):
        _add_file(resolved, path, explicit, disabled)
    _add_program(resolved.document, given)
    return resolved


def _checked(config: object) -> JsonObject:
    given = normalised(config)
    found = problem(given)
    if found:
        raise InvalidDocument(found)
    document: JsonObject = given
    return document


def _filled(component: JsonObject) -> JsonObject:
    return {
        "config": component.get("config", {}),
        "enabled": component.get("enabled", True),
        "kind": component["kind"],
    }


def _known(table: JsonObject, names: Any) -> JsonObject:
    return {name: value for name, value in table.items() if name in names}


def _files(additional: Path | None) -> Iterator[tuple[str, bool]]:
    if additional is not None:
        yield os.fspath(additional), True
    elif discovering:
        yield _user_file(), False
    if discovering:
        yield _system_file(), False


def _user_file() -> str:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(home, "nemo-relay", "plugins.toml")


def _system_file() -> str:
    root = os.environ.get("PROGRAMDATA", r"C:\ProgramData") if sys.platform == "win32" else "/etc"
    return os.path.join(root, "nemo-relay", "plugins.toml")


def _add_file(resolved: Resolved, path: str, explicit: bool, disabled: dict[str, str]) -> None:
    document = _read(path)
    if document is None:
        if explicit:
            text = f"explicit plugin configuration file does not exist: {path}"
            field_name = "additional_plugins_toml"
            resolved.diagnostics.append(
                diagnostic("warning", "plugin.configuration_file_missing", text, field=field_name)
            )
        return
    resolved.paths.append(path)
    if not explicit:
        text = f"inherited plugin configuration from discovered file: {path}"
        resolved.diagnostics.append(diagnostic("warning", "plugin.configuration_inherited", text))
    resolved.unknown += [(path, name) for name in unknown_fields(document, FILE_TOP)]
    components = document.pop("components", [])
    enabled = [component for component in components if component.get("enabled", True)]
    for component in enabled:
        kind = component["kind"]
        if kind in disabled:
            text = f"plugin component '{kind}' is disabled in {disabled[kind]} and enabled again in {path}"
            resolved.diagnostics.append(diagnostic("warning", "plugin.component_reenabled", text, component=kind))
    disabled.update({one["kind"]: path for one in components if not one.get("enabled", True)})
    _merge_components(resolved.document["components"], enabled)
    _merge(resolved.document, document)


def _add_program(document: JsonObject, given: JsonObject) -> None:
    _merge_components(document["components"], [_filled(one) for one in given.get("components", [])])
    if "policy" in given:
        _merge(document, {"policy": given["policy"]})
    if "version" in given:
        document["version"] = given["version"]


def _merge_components(lower: list[JsonObject], higher: list[JsonObject]) -> None:
    """Lay ``higher`` over ``lower``: the first of a kind meets the one that is there, further ones are added."""
    free = {component["kind"]: component for component in lower}
    for component in higher:
        below = free.pop(component["kind"], None)
        if below is None:
            lower.append(deepcopy(component))
            continue
        config = component.get("config", {})
        _merge(below, {key: value for key, value in component.items() if key != "config"})
        below["config"] = _merged_config(below.get("config", {}), config)


def _merged_config(lower: JsonObject, higher: JsonObject) -> JsonObject:
    joined = {
        key: [*value, *lower[key]]
        for key, value in higher.items()
        if isinstance(value, list) and isinstance(lower.get(key), list)
    }
    merged = deepcopy(lower)
    _merge(merged, {**higher, **joined})
    return merged


def _merge(lower: JsonObject, higher: JsonObject) -> None:
    for key, value in higher.items():
        if isinstance(value, dict) and isinstance(lower.get(key), dict):
            _merge(lower[key], value)
        else:
            lower[key] = deepcopy(value)


def _read(path: str) -> JsonObject | None:
    """The document in the file at ``path``; None when there is no file."""
    import tomllib

    if not os.path.exists(path):
        return None
    if not os.path.isfile(path):
        raise InvalidConfig(f"failed to read {path}: plugin configuration {path} must be a regular file")
    try:
        with open(path, "rb") as file:
            document: JsonObject = plain(tomllib.load(file))
    except OSError as error:
        raise InvalidConfig(f"failed to read {path}: {error.strerror} (os error {error.errno})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"invalid plugin TOML in {path}: TOML parse error: {error}") from None
    _check_file(path, document)
    return document


def _check_file(path: str, document: JsonObject) -> None:
    version = document.get("version", 1)
    if version != 1:
        raise InvalidConfig(f"plugin config version {version!r} in {path} is unsupported; expected 1")
    found = problem(document)
    if found:
        raise InvalidDocument(f"serialization error: {found} (in {path})")
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
