# SPDX-License-Identifier: Apache-2.0
"""The configuration of the ``pii_redaction`` component as Python types. Each has the fields of its table in the
document; ``to_dict()`` gives that table, without what is not set.

>>> BuiltinConfig(action="mask", detectors=["email", "phone"]).to_dict()["detectors"]
['email', 'phone']
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from nemo_relay.plugin import ConfigDiagnostic, ConfigPolicy, ConfigReport

__all__ = [
    "PII_REDACTION_PLUGIN_KIND",
    "BuiltinConfig",
    "ComponentSpec",
    "ConfigDiagnostic",
    "ConfigPolicy",
    "ConfigReport",
    "LocalModelConfig",
    "PiiRedactionConfig",
]

PII_REDACTION_PLUGIN_KIND = "pii_redaction"


@dataclass
class _Table:
    def to_dict(self) -> dict[str, Any]:
        """The table as JSON, without what is None."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: _plain(value) for name, value in values.items() if value is not None}


@dataclass
class BuiltinConfig(_Table):
    """What is looked for, where, and what becomes of it.

    Args:
        preset: ``trajectory_context`` keeps the shape of a run and drops its content.
        action: what becomes of it.
        target_paths: JSON Pointers to what is meant; with none, everything is.
        target_path_globs: the same, where a segment ``*`` stands for any key or index.
        pattern: a regular expression in RE2's syntax.
        detector: one detector.
        replacement: what stands in its place; ``{name}`` is the detector's name, ``$1`` a group of the pattern.
        mask_char: the character that masks.
        unmasked_prefix: characters left at the beginning.
        unmasked_suffix: characters left at the end.
        custom_mark_payload_policy: with the preset, what becomes of the payload of custom marks.
        metric_string_attribute_allowlist: with the preset, the values of attributes of metrics that stay.
        detectors: any number of detectors; ``all`` is every one.
        key: makes hashes and pseudonyms keyed; ``${env:NAME}`` keeps it out of the document.
        pseudonym_style: ``token`` or ``shape``.
        json_strings: look into texts that are JSON.
        object_keys: look at the names of keys too.
        numbers: look at numbers too.
    """

    preset: Literal["trajectory_context"] | None = None
    action: Literal["remove", "redact", "regex_replace", "hash", "mask", "pseudonym", "encrypt"] = "remove"
    target_paths: list[str] = field(default_factory=list)
    target_path_globs: list[str] = field(default_factory=list)
    pattern: str | None = None
    detector: str | None = None
    replacement: str | None = None
    mask_char: str | None = None
    unmasked_prefix: int | None = None
    unmasked_suffix: int | None = None
    custom_mark_payload_policy: Literal["preserve", "redact_all_leaves"] | None = None
    metric_string_attribute_allowlist: dict[str, list[str]] | None = None
    detectors: list[str] | None = None
    key: str | None = field(default=None, repr=False)
    pseudonym_style: Literal["token", "shape"] | None = None
    json_strings: bool | None = None
    object_keys: bool | None = None
    numbers: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON, without what is None, and without what a preset does not go together with."""
        made = super().to_dict()
        if self.preset is not None:
            if self.action == "remove":
                del made["action"]
            for name in ("target_paths", "target_path_globs"):
                if not made[name]:
                    del made[name]
        return made


@dataclass
class LocalModelConfig(_Table):
    """A model in this process that finds what has no form of its own: names, places.

    Args:
        backend: ``presidio``, or a name in the entry-point group ``nemo_relay.pii_models``.
        model_id: the model, in the words of the back end.
        detector_profile: the entities to look for, separated by commas; all of the back end's by default.
        allow_network: whether the back end may download its model.
        max_latency_ms: a text that took longer is reported.
    """

    backend: str | None = None
    model_id: str | None = None
    detector_profile: str | None = None
    allow_network: bool | None = None
    max_latency_ms: int | None = None


@dataclass
class PiiRedactionConfig(_Table):
    """The whole configuration: one profile, and the surfaces that it is for.

    Args:
        version: 1.
        mode: ``builtin`` or ``local_model``.
        input: requests to models, and starts of scopes.
        output: responses of models, and ends of scopes.
        tool_input: arguments of tools.
        tool_output: results of tools.
        mark: marks.
        priority: lower ones run first.
        codec: the format of requests and responses that come without one.
        builtin: the profile, in mode ``builtin``.
        local: the model, in mode ``local_model``.
        policy: what becomes of unknown fields.
    """

    version: int = 1
    mode: Literal["builtin", "local_model"] = "builtin"
    input: bool = True
    output: bool = True
    tool_input: bool = True
    tool_output: bool = True
    mark: bool = True
    priority: int = 100
    codec: str | None = None
    builtin: BuiltinConfig | None = None
    local: LocalModelConfig | None = None
    policy: ConfigPolicy = field(default_factory=ConfigPolicy)


@dataclass
class ComponentSpec:
    """The component as a document has it. The configuration may hold a key: it is not in the repr."""

    config: PiiRedactionConfig | Mapping[str, Any] = field(repr=False)
    enabled: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The component as JSON."""
        return {"kind": PII_REDACTION_PLUGIN_KIND, "enabled": self.enabled, "config": _plain(self.config)}


def _plain(value: Any) -> Any:
    to_dict = getattr(value, "to_dict", None)
    if callable(to_dict):
        return to_dict()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
