# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a configuration, as diagnostics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from nemo_relay_pii.config import PII_REDACTION_PLUGIN_KIND as KIND
from nemo_relay_pii.detectors import DETECTORS, GROUPS
from nemo_relay_pii.models import Builtin, Config, Local, Profile
from nemo_relay_pii.patterns import InvalidPattern, compiled
from nemo_relay_pii.walking import InvalidPointer, segments

JsonObject = dict[str, Any]
Problem = tuple[str | None, str]  # the field, and what is wrong with it
ACTIONS = ("remove", "redact", "regex_replace", "hash", "mask", "pseudonym", "encrypt")
CODECS = ("openai_responses", "anthropic_messages", "oci_genai", "openai_chat", "gemini_generate_content")
_SURFACES = ("input", "output", "tool_input", "tool_output", "mark")
_FLAT = ("mode", *_SURFACES, "priority", "codec", "builtin", "local")
_NOT_WITH_PRESET = (
    *("action", "target_paths", "target_path_globs", "pattern", "detector", "detectors", "mask_char"),
    *("unmasked_prefix", "unmasked_suffix", "key"),
)
_LEVELS = {"warn": "warning", "error": "error"}


def diagnose(config: JsonObject) -> list[JsonObject]:
    """The diagnostics of ``config``, none for a good one."""
    try:
        parsed = Config.model_validate(config)
    except ValidationError as error:
        return [_diagnostic("error", "invalid_plugin_config", f"{PREFIX}{_message(error)}")]
    found = list(_unknown(config, parsed))
    if parsed.version != 1:
        text = f"PII redaction config version {parsed.version} is unsupported"
        found.append(_diagnostic("error", "unsupported_config_version", text, "version"))
    level = _LEVELS.get(parsed.policy.unsupported_value)
    problems = list(_problems(parsed, config)) if level else []
    return found + [_diagnostic(str(level), "unsupported_value", text, field) for field, text in problems]


PREFIX = "invalid config: invalid PII redaction plugin config: "


def _message(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _diagnostic(level: str, code: str, message: str, field: str | None = None) -> JsonObject:
    made = {"level": level, "code": f"{KIND}.{code}", "component": KIND, "message": message}
    return made if field is None else {**made, "field": field}


def _unknown(config: JsonObject, parsed: Config) -> Iterator[JsonObject]:
    level = _LEVELS.get(parsed.policy.unknown_field)
    tables: list[tuple[str, str, Any, type[BaseModel]]] = [("", "", config, Config)]
    for name, model in (("builtin", Builtin), ("local", Local)):
        tables.append(("", f"{name}.", config.get(name), model))
    for index, profile in enumerate(config.get("profiles") or ()):
        tables.append((f"profiles[{index}].", "", profile, Profile))
        for name, model in (("builtin", Builtin), ("local", Local)):
            tables.append((f"profiles[{index}].", f"{name}.", profile.get(name), model))
    for place, path, table, known in tables if level else ():
        for field in sorted(set(table or ()) - known.model_fields.keys()):
            text = f"unknown field '{path}{field}'"
            yield _diagnostic(str(level), "unknown_field", text, f"{place}{path}{field}")


def _problems(parsed: Config, config: JsonObject) -> Iterator[Problem]:
    if parsed.profiles is not None:
        for name in _FLAT:
            if name in config:
                yield name, f"legacy field '{name}' cannot be combined with profiles"
        if not any(one.enabled for one in parsed.profiles):
            yield "profiles", "profiles must contain at least one enabled redaction profile"
        for index, profile in enumerate(parsed.profiles):
            for field, text in _of_profile(profile, config["profiles"][index]):
                yield f"profiles[{index}].{field}", text
        return
    if parsed.codec is not None and parsed.codec not in CODECS and not _is_codec(parsed.codec):
        yield "codec", f"codec must be one of: {', '.join(CODECS)}"
    if not any(getattr(parsed, name) for name in _SURFACES):
        yield None, "at least one redaction surface must be enabled"
    yield from _of_profile(parsed, config)


def _is_codec(name: str) -> bool:
    from nemo_relay import codecs

    try:
        return codecs.resolve(name) is not None
    except LookupError:
        return False


def _of_profile(profile: Config | Profile, config: JsonObject) -> Iterator[Problem]:
    if profile.mode not in ("builtin", "local_model"):
        yield "mode", "mode must be 'builtin' or 'local_model'"
    if profile.mode != "builtin" and profile.builtin is not None:
        yield "builtin", "`builtin` settings are valid only when mode = 'builtin'"
    if profile.mode != "local_model" and profile.local is not None:
        yield "local", "`local` settings are valid only when mode = 'local_model'"
    if profile.mode == "builtin" and profile.builtin is None:
        yield "builtin", "`builtin` settings are required when mode = 'builtin'"
    if profile.mode == "builtin" and profile.builtin is not None:
        for field, text in _of_builtin(profile.builtin, config["builtin"]):
            yield f"builtin.{field}", text


def _of_builtin(builtin: Builtin, config: JsonObject) -> Iterator[Problem]:
    if builtin.preset is not None:
        yield from _of_preset(builtin, config)
        return
    for name in ("custom_mark_payload_policy", "metric_string_attribute_allowlist"):
        if getattr(builtin, name) is not None:
            yield name, f"builtin.{name} requires builtin.preset = 'trajectory_context'"
    action = builtin.action or "remove"
    if action not in ACTIONS:
        yield "action", f"builtin.action must be {', '.join(map(repr, ACTIONS[:-1]))}, or {ACTIONS[-1]!r}"
    yield from _of_matcher(builtin, action)
    yield from _of_targets(builtin, action)
    if builtin.mask_char is not None and action == "mask" and len(builtin.mask_char) != 1:
        yield "mask_char", "builtin.mask_char must be exactly one character"
    if action in ("pseudonym", "encrypt") and not builtin.key:
        yield "key", f'builtin.key is required when builtin.action = {action!r}: key = "${{env:PII_KEY}}"'


def _of_preset(builtin: Builtin, config: JsonObject) -> Iterator[Problem]:
    if builtin.preset != "trajectory_context":
        yield "preset", "builtin.preset must be 'trajectory_context'"
    for name in _NOT_WITH_PRESET:
        if config.get(name) not in (None, []):
            yield name, f"builtin.{name} cannot be combined with builtin.preset"
    if builtin.custom_mark_payload_policy not in (None, "preserve", "redact_all_leaves"):
        text = "builtin.custom_mark_payload_policy must be 'preserve' or 'redact_all_leaves'"
        yield "custom_mark_payload_policy", text


def _of_matcher(builtin: Builtin, action: str) -> Iterator[Problem]:
    if builtin.pattern is not None and builtin.detector is not None:
        yield "detector", "builtin.pattern and builtin.detector cannot both be set"
    elif builtin.detectors is not None and (builtin.pattern is not None or builtin.detector is not None):
        yield "detectors", "builtin.detectors stands for itself: leave out builtin.pattern and builtin.detector"
    if builtin.detector is not None and builtin.detector not in DETECTORS:
        yield "detector", f"builtin.detector must be {_known()}"
    if builtin.detectors is not None and not builtin.detectors:
        yield "detectors", "builtin.detectors must name at least one detector"
    for index, name in enumerate(builtin.detectors or ()):
        if name not in DETECTORS and name != "all":
            yield f"detectors[{index}]", f"builtin.detectors must be 'all' or {_known()}; {name!r} is none"
    if builtin.pattern is not None:
        try:
            compiled(builtin.pattern)
        except InvalidPattern as error:
            yield "pattern", f"invalid builtin matcher: {error}"
    if action in ("redact", "regex_replace") and builtin.pattern is None and not _names(builtin):
        text = "builtin.pattern or builtin.detector is required when builtin.action = 'regex_replace' or 'redact'"
        yield "pattern", text


def _names(builtin: Builtin) -> list[str]:
    return builtin.detectors or ([] if builtin.detector is None else [builtin.detector])


def _known() -> str:
    groups = "; ".join(f"{group}: {', '.join(one.name for one in found)}" for group, found in GROUPS.items())
    return f"one of the supported built-in detector presets ({groups})"


def _of_targets(builtin: Builtin, action: str) -> Iterator[Problem]:
    for name in ("target_paths", "target_path_globs"):
        for index, pointer in enumerate(getattr(builtin, name)):
            try:
                segments(pointer)
            except InvalidPointer:
                yield f"{name}[{index}]", f"builtin.{name} entries must be valid RFC 6901 JSON pointers"
    if action == "remove" and not (builtin.target_paths or builtin.target_path_globs):
        text = "requires at least one builtin.target_paths or builtin.target_path_globs selector"
        yield "target_paths", f"builtin.action = 'remove' {text}"
