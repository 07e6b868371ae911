# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of the document: what it lets through, what it marks, and how it is written."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nemo_relay import plugin
from nemo_relay._plugins.command import main

from .conftest import document
from .test_component import EXAMPLE
from .test_diagnosis import UPGRADES


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = plugin.schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("config", [old for old, _ in UPGRADES], ids=lambda config: f"version {config['version']}")
def test_older_forms_are_valid(validator: Draft202012Validator, config: dict[str, Any]) -> None:
    validator.validate(document(**config))


def test_the_example_and_unknown_kinds_are_valid(validator: Draft202012Validator) -> None:
    validator.validate(tomllib.loads(EXAMPLE))
    validator.validate({"components": [{"kind": "somebody.elses", "config": {"any": ["thing"]}}]})
    validator.validate({})


WRONG: list[dict[str, Any]] = [
    {"version": 2},
    {"componets": []},
    {"components": [{"config": {}}]},
    {"components": [{"kind": "k", "enabled": "yes"}]},
    {"policy": {"unknown_field": "maybe"}},
    document(version=5),
    document(zz=1),
    document(atof={"sinks": [{"type": "file", "mode": "zz"}]}),
    document(atof={"sinks": [{"type": "stream"}]}),
    document(atif={"agent_nam": "x"}),
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_is_wrong_is_marked(validator: Draft202012Validator, wrong: dict[str, Any]) -> None:
    assert not validator.is_valid(wrong)


def test_a_plugin_describes_its_own_config(monkeypatch: pytest.MonkeyPatch) -> None:
    class Described:
        def register(self, config: Any, context: Any) -> None: ...

        def schema(self) -> dict[str, Any]:
            return {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": {"type": "integer"}}}

    plugin.register("test.described", Described())  # type: ignore[arg-type]
    validator = Draft202012Validator(plugin.schema())
    assert validator.is_valid({"components": [{"kind": "test.described", "config": {"n": 1}}]})
    assert not validator.is_valid({"components": [{"kind": "test.described", "config": {"n": "x"}}]})


def test_the_command_writes_it_and_checks_a_document(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_bytes()) == plugin.schema()
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == plugin.schema()
    (folder / "p.toml").write_text(EXAMPLE.replace('mode = "overwrite"', 'mod = "overwrite"'))
    assert main(["validate", "p.toml"]) == 0
    assert "warning: observability.unknown_field [atof]" in capsys.readouterr().out
    assert main(["validate", "missing.toml"]) == 1
    assert "plugin.configuration_file_missing" in capsys.readouterr().out
