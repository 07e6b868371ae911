# SPDX-License-Identifier: Apache-2.0
"""The configuration: what is accepted, what is said about what is not, and its types."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from nemo_relay import plugin
from nemo_relay.pii_redaction import BuiltinConfig, ComponentSpec, LocalModelConfig, PiiRedactionConfig, validate_config

GOOD = {"action": "redact", "detector": "email"}
REQUIRED = "builtin.pattern or builtin.detector is required when builtin.action = 'regex_replace' or 'redact'"
# configuration, field of the diagnostic, part of its message
WRONG: list[tuple[dict[str, Any], str | None, str]] = [
    ({}, "builtin", "`builtin` settings are required when mode = 'builtin'"),
    ({"builtin": {}}, "builtin.target_paths", "builtin.action = 'remove' requires at least one builtin.target_paths"),
    ({"builtin": {"action": "redact"}}, "builtin.pattern", REQUIRED),
    ({"builtin": {**GOOD, "action": "zap"}}, "builtin.action", "builtin.action must be 'remove', 'redact', "),
    ({"builtin": {**GOOD, "detector": "nope"}}, "builtin.detector", "builtin.detector must be one of the supported"),
    (
        {"builtin": {**GOOD, "pattern": "x"}},
        "builtin.detector",
        "builtin.pattern and builtin.detector cannot both be set",
    ),
    ({"builtin": {**GOOD, "detectors": ["url"]}}, "builtin.detectors", "builtin.detectors stands for itself"),
    ({"builtin": {"action": "redact", "pattern": "(?=x)"}}, "builtin.pattern", "invalid builtin matcher"),
    ({"builtin": {"action": "redact", "pattern": r"(a)\1"}}, "builtin.pattern", "invalid builtin matcher"),
    ({"builtin": {**GOOD, "target_paths": ["x"]}}, "builtin.target_paths[0]", "valid RFC 6901 JSON pointers"),
    ({"builtin": {**GOOD, "target_path_globs": ["", "/a~2"]}}, "builtin.target_path_globs[1]", "valid RFC 6901"),
    ({"builtin": {"action": "mask", "mask_char": "ab"}}, "builtin.mask_char", "exactly one character"),
    ({"builtin": {"preset": "zz"}}, "builtin.preset", "builtin.preset must be 'trajectory_context'"),
    (
        {"builtin": {"preset": "trajectory_context", "action": "mask"}},
        "builtin.action",
        "builtin.action cannot be combined with builtin.preset",
    ),
    (
        {"builtin": {"action": "hash", "custom_mark_payload_policy": "preserve"}},
        "builtin.custom_mark_payload_policy",
        "requires builtin.preset = 'trajectory_context'",
    ),
    ({"builtin": GOOD, "mode": "x"}, "mode", "mode must be 'builtin' or 'local_model'"),
    ({"builtin": GOOD, "mode": "local_model"}, "builtin", "valid only when mode = 'builtin'"),
    (
        {"builtin": GOOD, "codec": "zzz"},
        "codec",
        "codec must be one of: openai_responses, anthropic_messages, oci_genai",
    ),
    (
        {"builtin": GOOD, **dict.fromkeys(("input", "output", "tool_input", "tool_output", "mark"), False)},
        None,
        "at least one redaction surface must be enabled",
    ),
    ({"profiles": []}, "profiles", "profiles must contain at least one enabled redaction profile"),
    ({"profiles": [{"builtin": GOOD}], "mark": True}, "mark", "legacy field 'mark' cannot be combined with profiles"),
    (
        {"profiles": [{"enabled": False, "builtin": {"action": "redact"}}, {"builtin": GOOD}]},
        "profiles[0].builtin.pattern",
        REQUIRED,
    ),
    ({"builtin": {"action": "pseudonym", "detector": "email"}}, "builtin.key", "builtin.key is required"),
]


@pytest.mark.parametrize(("config", "field", "text"), WRONG)
async def test_each_rule_has_its_text(config: dict[str, Any], field: str | None, text: str) -> None:
    found = [one for one in validate_config(config)["diagnostics"] if text in one["message"]]
    assert [one.get("field") for one in found] == [field]
    assert found[0]["code"] == "pii_redaction.unsupported_value" and found[0]["level"] == "error"
    with pytest.raises(ValueError):
        await plugin.initialize({"components": [{"kind": "pii_redaction", "config": config}]})


@pytest.mark.parametrize(
    "config", [{"builtin": {**GOOD, "detector": 5}}, {"builtin": GOOD, "priority": "x"}, {"builtin": []}]
)
def test_a_wrong_type_is_told_without_its_value(config: dict[str, Any]) -> None:
    [found] = validate_config(config)["diagnostics"]
    assert found["code"] == "pii_redaction.invalid_plugin_config"
    assert found["message"].startswith("invalid config: invalid PII redaction plugin config: ")


def test_a_version_and_unknown_fields_are_told_as_the_policy_says() -> None:
    [found] = validate_config({"builtin": GOOD, "version": 2})["diagnostics"]
    assert found["code"] == "pii_redaction.unsupported_config_version" and found["field"] == "version"
    config = {"builtin": {**GOOD, "maskchar": "#"}, "bogus": 1}
    found_fields = {one["field"]: one["level"] for one in validate_config(config)["diagnostics"]}
    assert found_fields == {"bogus": "warning", "builtin.maskchar": "warning"}
    assert validate_config({**config, "policy": {"unknown_field": "ignore"}})["diagnostics"] == []


def test_the_types_give_the_published_tables() -> None:
    preset = ComponentSpec(PiiRedactionConfig(builtin=BuiltinConfig(preset="trajectory_context"))).to_dict()
    assert preset["config"]["builtin"] == {"preset": "trajectory_context"}
    plain = PiiRedactionConfig(builtin=BuiltinConfig()).to_dict()
    assert plain["builtin"] == {"action": "remove", "target_paths": [], "target_path_globs": []}
    assert list(plain) == [
        *("version", "mode", "input", "output", "tool_input", "tool_output", "mark", "priority", "builtin", "policy")
    ]
    local = PiiRedactionConfig(mode="local_model", local=LocalModelConfig(backend="presidio"))
    assert validate_config(local)["diagnostics"] == []


def test_the_schema_takes_what_is_good_and_refuses_typing_errors() -> None:
    schema = plugin.schema()
    checker = jsonschema.Draft202012Validator(schema)

    def document(config: dict[str, Any]) -> dict[str, Any]:
        return {"components": [{"kind": "pii_redaction", "config": config}]}

    checker.validate(document({"builtin": {"action": "mask", "detectors": ["all"]}}))
    for wrong in ({"builtin": {"maskchar": "x"}}, {"mark": 1}, {"profiles": [{"priority": "x"}]}):
        assert not checker.is_valid(document(wrong))
