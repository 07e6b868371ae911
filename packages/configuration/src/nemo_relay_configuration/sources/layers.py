# SPDX-License-Identifier: Apache-2.0
"""Configuration in layers, each over the one before: the system's file, the user's (or, in its place, the one that the
program names), the project's, and the program's own document.

A file that is named goes over the project's too. The system's file goes over all files, where it says
``[plugins] pinned = true``.
"""

from __future__ import annotations

import os
from copy import deepcopy
from dataclasses import dataclass, field

from nemo_relay_configuration.checking import POLICY, problem, unknown_fields
from nemo_relay_configuration.documents import JsonObject, normalised
from nemo_relay_configuration.errors import InvalidDocument
from nemo_relay_configuration.reports import ConfigDiagnostic, diagnostic
from nemo_relay_configuration.sources import files
from nemo_relay_configuration.sources.files import File
from nemo_relay_configuration.sources.merging import merge, merge_components
from nemo_relay_configuration.sources.secrets import Secrets, expanded

Path = str | os.PathLike[str]


@dataclass
class Resolved:
    """One document made of all layers, and what there was to say about them.

    Attributes:
        document: with its references (``${env:...}``) as they stand.
        effective: the same with their values in the configurations of what is enabled; it is shown to nobody.
        unknown: the keys that mean nothing, each with the file it is in (empty for the program's own document).
        missing: the file that was named and is not there.
    """

    document: JsonObject
    paths: list[str] = field(default_factory=list)
    diagnostics: list[ConfigDiagnostic] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    missing: str | None = None
    effective: JsonObject = field(default_factory=dict, repr=False)
    secrets: Secrets = field(default_factory=Secrets, repr=False)


def exact(config: object) -> Resolved:
    """The program's document alone, with every default filled in.

    Raises:
        InvalidDocument: it is not a document (a ValueError).
    """
    given = _checked(config)
    document = {
        "components": [_filled(component) for component in given.get("components", [])],
        "policy": {**POLICY, **{name: value for name, value in given.get("policy", {}).items() if name in POLICY}},
        "version": given.get("version", 1),
    }
    return _expand(Resolved(document, unknown=[("", name) for name in unknown_fields(given)]))


def layered(config: object, additional: Path | None) -> Resolved:
    """The program's document over the configuration files.

    Raises:
        InvalidDocument, InvalidConfig: a layer is not a document (both a ValueError).
        UnknownPlugin: a file declares a dynamic plugin that is not there (a FileNotFoundError).
    """
    given = _checked(config)
    resolved = Resolved({"components": []}, unknown=[("", name) for name in unknown_fields(given)])
    disabled: dict[str, str] = {}
    for file in files.found(additional):
        _add_file(resolved, file, disabled)
    _add_program(resolved.document, given)
    return _expand(resolved)


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


def _add_file(resolved: Resolved, file: File, disabled: dict[str, str]) -> None:
    path = file.path
    if file.distrusted:
        text = f"plugin configuration is not read: {path}: {file.distrusted}"
        resolved.diagnostics.append(diagnostic("warning", "plugin.configuration_untrusted", text))
        return
    if file.document is None:
        if file.is_explicit:
            resolved.missing = path
            text = f"explicit plugin configuration file does not exist: {path}"
            where = "additional_plugins_toml"
            resolved.diagnostics.append(diagnostic("error", "plugin.configuration_file_missing", text, field=where))
        return
    resolved.paths.append(path)
    if not file.is_explicit:
        text = f"inherited plugin configuration from discovered file: {path}"
        resolved.diagnostics.append(diagnostic("warning", "plugin.configuration_inherited", text))
    document = deepcopy(file.document)
    resolved.unknown += [(path, name) for name in unknown_fields(document, files.TOP)]
    components = document.pop("components", [])
    enabled = [component for component in components if component.get("enabled", True)]
    for component in enabled:
        kind = component["kind"]
        if kind in disabled:
            text = f"plugin component '{kind}' is disabled in {disabled[kind]} and enabled again in {path}"
            resolved.diagnostics.append(diagnostic("warning", "plugin.component_reenabled", text, component=kind))
    disabled.update({one["kind"]: path for one in components if not one.get("enabled", True)})
    merge_components(resolved.document["components"], enabled)
    merge(resolved.document, document)


def _add_program(document: JsonObject, given: JsonObject) -> None:
    merge_components(document["components"], [_filled(one) for one in given.get("components", [])])
    if "policy" in given:
        merge(document, {"policy": given["policy"]})
    if "version" in given:
        document["version"] = given["version"]


def _expand(resolved: Resolved) -> Resolved:
    effective = deepcopy(resolved.document)
    for index, component in enumerate(effective["components"]):
        if not component.get("enabled", True) or "config" not in component:
            continue
        problems: list[tuple[str, str]] = []
        component["config"] = expanded(component["config"], resolved.secrets, problems)
        for path, text in problems:
            where = f"components[{index}].config.{path}"
            message = f"{where} of '{component['kind']}': {text}"
            found = diagnostic("error", "plugin.unresolved_reference", message, component=component["kind"], field=path)
            resolved.diagnostics.append(found)
    resolved.effective = effective
    return resolved
