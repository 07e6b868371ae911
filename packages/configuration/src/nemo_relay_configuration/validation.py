# SPDX-License-Identifier: Apache-2.0
"""What there is to say about a document: versions, unknown parts, and what the plugins themselves find."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from nemo_relay_codecs.json_shapes import unexpected, unknown_variant
from nemo_relay_configuration.checking import FIELDS, POLICY, nearest
from nemo_relay_configuration.documents import JsonObject, plain
from nemo_relay_configuration.errors import InvalidDocument
from nemo_relay_configuration.kinds import Kinds, LoadFailed
from nemo_relay_configuration.reports import ConfigDiagnostic, PluginHostReport, diagnostic
from nemo_relay_configuration.sources.layers import Resolved
from nemo_relay_configuration.sources.secrets import redacted

_LEVELS = {"warn": "warning", "error": "error"}
_FIELDS = ("level", "code", "message", "component", "field")


def report(resolved: Resolved, kinds: Kinds) -> PluginHostReport:
    """The report on a document; plugins are asked, nothing is activated."""
    shown = redacted(resolved.document, resolved.secrets)
    found = [*resolved.diagnostics, *_diagnostics(resolved, kinds)]
    for one in found:
        one["message"] = resolved.secrets.mask(one["message"])
    return {
        "config": {"diagnostics": found},
        "config_paths": resolved.paths,
        "dynamic_plugins": [],
        "resolved_config": shown,
    }


def errors(found: PluginHostReport) -> list[str]:
    """The messages at level error."""
    return [one["message"] for one in found["config"]["diagnostics"] if one["level"] == "error"]


def behavior(document: JsonObject, name: str) -> str:
    """What the document's policy says about ``name``."""
    chosen: str = document.get("policy", {}).get(name, POLICY[name])
    return chosen


def _diagnostics(resolved: Resolved, kinds: Kinds) -> Iterator[ConfigDiagnostic]:
    document = resolved.document
    version = document.get("version", 1)
    if version != 1:
        text = f"plugin config version {version} is unsupported"
        yield diagnostic("error", "plugin.unsupported_config_version", text, field="version")
    level = _LEVELS.get(behavior(document, "unknown_field"))
    for path, name in resolved.unknown if level else ():
        text = f"nothing reads the field '{name}'" + (f" in {path}" if path else "") + _meant(name)
        yield diagnostic(str(level), "plugin.unknown_field", text, field=name)
    seen: set[str] = set()
    for component in resolved.effective["components"]:
        kind = component["kind"]
        if kind in seen and kinds.is_singleton(kind):
            text = f"plugin component kind '{kind}' may only appear once"
            yield diagnostic("error", "plugin.duplicate_component", text, component=kind)
            continue
        seen.add(kind)
        yield from _component(kind, component.get("config", {}), behavior(document, "unknown_component"), kinds)


def _component(kind: str, config: JsonObject, policy: str, kinds: Kinds) -> Iterator[ConfigDiagnostic]:
    try:
        plugin = kinds.find(kind)
    except LoadFailed as error:
        text = f"plugin '{kind}' is installed but cannot be loaded: {error}"
        yield diagnostic("error", "plugin.load_failed", text, component=kind)
        return
    if plugin is None:
        level = _LEVELS.get(policy)
        if level:
            yield _unknown(kind, level, kinds.advice(kind))
        if level and kind == "adaptive" and "response_cache" in config:
            text = "adaptive.response_cache has moved to a component of its own, kind 'nvidia.response_cache'"
            yield diagnostic(level, "plugin.component_moved", text, component=kind, field="response_cache")
        return
    yield from _asked(kind, plugin, config)


def _unknown(kind: str, level: str, advice: str) -> ConfigDiagnostic:
    advice = advice.rstrip("; ")
    text = f"plugin component kind '{kind}' is unsupported" + (f"; {advice}" if advice else "")
    if kind == "nemo_guardrails":
        return diagnostic(level, "plugin.component_removed", text, component=kind)
    return diagnostic(level, "plugin.unknown_component", text, component=kind)


def _meant(path: str) -> str:
    """What ``path`` was probably to be, when one of its neighbours has a name like it."""
    head, dot, name = path.rpartition(".")
    known = FIELDS.get(head.partition("[")[0], ()) if dot else (*FIELDS[""], "plugins")
    near = nearest(name, known)
    return f"; did you mean '{near}'?" if near else ""


def _asked(kind: str, plugin: Any, config: JsonObject) -> list[ConfigDiagnostic]:
    validate = getattr(plugin, "validate", None)
    if validate is None:
        return []
    try:
        answer = validate(deepcopy(config))
    except Exception as error:
        return [_failed(kind, f"failed: {type(error).__name__}: {error}")]
    if hasattr(answer, "close") and hasattr(answer, "__await__"):
        answer.close()
        return [_failed(kind, "must not be async: validation has no event loop to wait on")]
    try:
        view = plain(answer)
    except InvalidDocument as error:
        return [_failed(kind, f"returned invalid diagnostics: {error}")]
    problem = _answer_problem(view)
    if problem:
        return [_failed(kind, f"returned invalid diagnostics: {problem}")]
    return [_kept(one) for one in view or ()]


def _failed(kind: str, how: str) -> ConfigDiagnostic:
    return diagnostic("error", "plugin.validate_failed", f"plugin '{kind}' validate {how}", component=kind)


def _answer_problem(answer: Any) -> str | None:
    if answer is None:
        return None
    if not isinstance(answer, list):
        return unexpected(answer, "a sequence")
    return next((found for found in map(_item_problem, answer) if found), None)


def _item_problem(item: Any) -> str | None:
    if not isinstance(item, dict):
        return unexpected(item, "struct ConfigDiagnostic")
    for name in ("level", "code", "message"):
        if name not in item:
            return f"missing field `{name}`"
    for name in _FIELDS:
        if item.get(name) is not None and not isinstance(item[name], str):
            return unexpected(item[name], "a string")
    if item["level"] not in _LEVELS.values():
        return unknown_variant(str(item["level"]), _LEVELS.values())
    return None


def _kept(item: Any) -> ConfigDiagnostic:
    kept: Any = {name: item[name] for name in _FIELDS if item.get(name) is not None}
    return kept  # type: ignore[no-any-return]
