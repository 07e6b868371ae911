# SPDX-License-Identifier: Apache-2.0
"""What a document may look like, and what validation says about it."""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pytest

from nemo_relay import plugin
from nemo_relay.errors import InvalidConfig, InvalidDocument

from .conftest import Offer

POLICY = {"unknown_component": "warn", "unknown_field": "warn", "unsupported_value": "error"}

MALFORMED = [
    ("x", 'invalid type: string "x", expected struct PluginConfig'),
    (None, "invalid type: null, expected struct PluginConfig"),
    ({"components": {}}, "invalid type: map, expected a sequence"),
    ({"components": [3]}, "invalid type: integer `3`, expected struct PluginComponentSpec"),
    ({"components": [{}]}, "missing field `kind`"),
    ({"components": [{"kind": 3}]}, "invalid type: integer `3`, expected a string"),
    ({"components": [{"kind": "a", "enabled": "x"}]}, 'invalid type: string "x", expected a boolean'),
    ({"components": [{"kind": "a", "config": []}]}, "invalid type: sequence, expected a map"),
    ({"policy": 3}, "invalid type: integer `3`, expected struct ConfigPolicy"),
    (
        {"policy": {"unknown_component": "zz"}},
        "unknown variant `zz`, expected one of `ignore`, `warn`, `error`",
    ),
    ({"version": "1"}, 'invalid type: string "1", expected u32'),
    ({"version": True}, "invalid type: boolean `true`, expected u32"),
    ({"version": -1}, "invalid value: integer `-1`, expected u32"),
    ({"version": 1.5}, "invalid type: floating point `1.5`, expected u32"),
    ({"components": [{"kind": "a", "config": {"a": object()}}]}, "Failed to convert to JSON: unsupported type object"),
    ({"components": [{"kind": "a", "config": {1: 2}}]}, "Failed to convert to JSON: the key 1 is not a string"),
]


@pytest.mark.parametrize(("document", "text"), MALFORMED, ids=[text[:40] for _, text in MALFORMED])
def test_what_is_no_document_is_refused(document: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        plugin.validate_exact(document)
    assert str(refused.value) == text
    assert isinstance(refused.value, (InvalidDocument, InvalidConfig))


def test_a_cycle_is_refused() -> None:
    config: dict[str, Any] = {}
    config["self"] = config
    with pytest.raises(InvalidDocument, match="'dict' contains itself"):
        plugin.validate_exact({"components": [{"kind": "a", "config": config}]})


def test_the_exact_report_shows_the_defaults() -> None:
    absent = {"version": None, "components": None, "policy": None}
    assert plugin.validate_exact(absent) == {
        "config": {"diagnostics": []},
        "config_paths": [],
        "dynamic_plugins": [],
        "resolved_config": {"components": [], "policy": POLICY, "version": 1},
    }


def test_the_classes_are_documents(offer: Offer) -> None:
    @dataclass
    class Own:
        folder: PurePosixPath
        extra: Any = None

    offer("k")
    own: Any = Own(PurePosixPath("/a"))
    spec = plugin.ComponentSpec("k", config={"own": own, "none": None, "many": (1, UserDict(b=2))})
    document = plugin.PluginConfig(components=[spec], policy=plugin.ConfigPolicy(unknown_field="error"))
    report = plugin.validate_exact(document)
    assert report["config"] == {"diagnostics": []}
    assert report["resolved_config"]["policy"] == {**POLICY, "unknown_field": "error"}
    (component,) = report["resolved_config"]["components"]
    assert component["config"] == {"own": {"folder": "/a", "extra": None}, "none": None, "many": [1, {"b": 2}]}
    assert plugin.PluginConfig().to_dict() == {"version": 1, "components": [], "policy": POLICY}


def test_secrets_of_a_component_are_not_in_its_repr() -> None:
    assert "hunter2" not in repr(plugin.PluginConfig(components=[plugin.ComponentSpec("k", config={"key": "hunter2"})]))


def diagnostics(document: Any) -> list[Any]:
    return plugin.validate_exact(document)["config"]["diagnostics"]


def test_an_unsupported_version_is_an_error() -> None:
    assert diagnostics({"version": 2}) == [
        {
            "level": "error",
            "code": "plugin.unsupported_config_version",
            "field": "version",
            "message": "plugin config version 2 is unsupported",
        }
    ]


@pytest.mark.parametrize(("policy", "level"), [("warn", "warning"), ("error", "error"), ("ignore", None)])
def test_unknown_components_by_policy(policy: str, level: str | None) -> None:
    found = diagnostics({"components": [{"kind": "no"}], "policy": {"unknown_component": policy}})
    expected = {
        "level": level,
        "code": "plugin.unknown_component",
        "component": "no",
        "message": "plugin component kind 'no' is unsupported",
    }
    assert found == ([expected] if level else [])


@pytest.mark.parametrize(("policy", "level"), [("warn", "warning"), ("error", "error"), ("ignore", None)])
def test_typing_errors_by_policy(policy: str, level: str | None, offer: Offer) -> None:
    offer("k")
    document = {
        "component": [],
        "components": [{"kind": "k", "enabld": False}],
        "policy": {"unknown_field": policy, "unknown": 1},
    }
    found = [(one["level"], one["code"], one["field"]) for one in diagnostics(document)]
    fields = ["component", "components[0].enabld", "policy.unknown"] if level else []
    assert found == [(level, "plugin.unknown_field", field) for field in fields]


class Validator:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def validate(self, config: Any) -> Any:
        config["changed"] = True
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def register(self, config: Any, context: Any) -> None:
        raise AssertionError("validation activates nothing")


GOOD = {"level": "warning", "code": "c", "message": "m", "component": "q", "field": "f"}
ANSWERS = [
    (None, None),
    ([], None),
    ("x", 'returned invalid diagnostics: invalid type: string "x", expected a sequence'),
    ([3], "returned invalid diagnostics: invalid type: integer `3`, expected struct ConfigDiagnostic"),
    ([{"code": "c"}], "returned invalid diagnostics: missing field `level`"),
    (
        [{"level": "zz", "code": "c", "message": "m"}],
        "returned invalid diagnostics: unknown variant `zz`, expected `warning` or `error`",
    ),
    (
        [{"level": "error", "code": 3, "message": "m"}],
        "returned invalid diagnostics: invalid type: integer `3`, expected a string",
    ),
    (KeyError("zz"), "failed: KeyError: 'zz'"),
]


@pytest.mark.parametrize(("answer", "how"), ANSWERS, ids=[str(how)[:50] for _, how in ANSWERS])
def test_what_a_plugin_finds_is_reported(answer: Any, how: str | None) -> None:
    plugin.register("k", Validator(answer))
    document = {"components": [{"kind": "k", "enabled": False}]}
    report = plugin.validate_exact(document)
    assert report["resolved_config"]["components"] == [{"config": {}, "enabled": False, "kind": "k"}]
    failed = {
        "level": "error",
        "code": "plugin.validate_failed",
        "component": "k",
        "message": f"plugin 'k' validate {how}",
    }
    assert report["config"]["diagnostics"] == ([failed] if how else [])


def test_good_diagnostics_are_passed_on() -> None:
    plugin.register("k", Validator([{**GOOD, "extra": 1}]))
    assert diagnostics({"components": [{"kind": "k"}]}) == [GOOD]


def test_an_async_validate_is_refused() -> None:
    class Async(Validator):
        async def validate(self, config: Any) -> Any:
            return None

    plugin.register("k", Async(None))
    (found,) = diagnostics({"components": [{"kind": "k"}]})
    assert found["message"] == "plugin 'k' validate must not be async: validation has no event loop to wait on"


def test_a_built_in_component_appears_once() -> None:
    found = diagnostics({"components": [{"kind": "resource_metrics"}, {"kind": "resource_metrics"}]})
    assert [(one["code"], one["message"]) for one in found] == [
        ("plugin.duplicate_component", "plugin component kind 'resource_metrics' may only appear once")
    ]
