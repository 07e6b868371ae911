# SPDX-License-Identifier: Apache-2.0
"""Configuration files: where they are found, how they are laid over each other, what is wrong with one."""

from __future__ import annotations

import asyncio
import inspect
import os
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import plugin
from nemo_relay.errors import ConfigFileMissing, InvalidConfig, UnknownPlugin

from .conftest import Offer

USER = """
version = 1
[[components]]
kind = "k.a"
[components.config]
a = [1, 2]
n = { x = [1], y = 2 }
s = "user"
d = 2020-01-01T00:00:00Z
[[components]]
kind = "k.b"
enabled = false
"""


@pytest.fixture(autouse=True)
def _kinds(offer: Offer) -> None:
    offer("k.a")
    offer("k.b")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def user_file(files: Path, text: str = USER) -> Path:
    return write(files / "nemo-relay" / "plugins.toml", text)


def codes(report: Any) -> list[str]:
    return [one["code"] for one in report["config"]["diagnostics"]]


def test_the_users_file_is_found_and_named(files: Path) -> None:
    path = user_file(files)
    report = plugin.validate({})
    assert report["config_paths"] == [str(path)]
    assert report["config"]["diagnostics"] == [
        {
            "level": "warning",
            "code": "plugin.configuration_inherited",
            "message": f"inherited plugin configuration from discovered file: {path}",
        }
    ]
    (component,) = report["resolved_config"]["components"]
    assert component == {
        "kind": "k.a",
        "config": {"a": [1, 2], "n": {"x": [1], "y": 2}, "s": "user", "d": "2020-01-01T00:00:00+00:00"},
    }


def test_the_program_goes_over_the_file(files: Path) -> None:
    user_file(files)
    mine = [
        {"kind": "k.b", "config": {"q": 1}},
        {"kind": "k.a", "config": {"a": [9], "n": {"x": [3]}, "s": "program", "z": None}},
        {"kind": "k.a", "config": {"a": [7]}},
    ]
    resolved = plugin.validate({"components": mine})["resolved_config"]
    assert [(one["kind"], one["enabled"]) for one in resolved["components"]] == [
        ("k.a", True),
        ("k.b", True),
        ("k.a", True),
    ]
    merged, b, second = (one["config"] for one in resolved["components"])
    assert merged == {
        "a": [9, 1, 2],  # lists of the config itself are joined, the higher layer first
        "n": {"x": [3], "y": 2},  # lists further down are replaced
        "s": "program",
        "d": "2020-01-01T00:00:00+00:00",
        "z": None,
    }
    assert (b, second) == ({"q": 1}, {"a": [7]})


def test_the_program_can_disable_what_a_file_enables(files: Path) -> None:
    user_file(files)
    (component,) = plugin.validate({"components": [{"kind": "k.a", "enabled": False}]})["resolved_config"]["components"]
    assert component["enabled"] is False


SYSTEM = (
    '[policy]\nunknown_component = "error"\n[[components]]\nkind = "k.a"\nconfig = { a = [5], s = "system" }\n'
    '[[components]]\nkind = "k.b"\n'
)


def test_the_users_file_goes_over_the_systems(files: Path) -> None:
    user = user_file(files)
    system = write(files / "system.toml", SYSTEM)
    report = plugin.validate({"policy": {"unknown_field": "ignore"}})
    assert report["config_paths"] == [str(system), str(user)]
    a, b = report["resolved_config"]["components"]
    assert (a["config"]["a"], a["config"]["s"]) == ([1, 2, 5], "user")
    assert b == {"kind": "k.b"}
    assert report["resolved_config"]["policy"] == {"unknown_component": "error", "unknown_field": "ignore"}


def test_an_administrator_can_pin_the_systems_file_over_all_others(files: Path) -> None:
    user = user_file(files)
    system = write(files / "system.toml", SYSTEM + "[plugins]\npinned = true\n")
    report = plugin.validate({})
    assert report["config_paths"] == [str(user), str(system)]
    a, b = report["resolved_config"]["components"]
    assert (a["config"]["a"], a["config"]["s"]) == ([5, 1, 2], "system")
    assert b == {"kind": "k.b"}
    assert codes(report).count("plugin.component_reenabled") == 1


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a project's file; the working directory is below it."""
    (tmp_path / "project" / ".nemo-relay").mkdir(parents=True)
    below = tmp_path / "project" / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path / "project" / ".nemo-relay" / "plugins.toml"


def test_the_projects_file_goes_over_the_users_and_a_named_one_over_it(
    files: Path, project: Path, tmp_path: Path
) -> None:
    user = user_file(files)
    write(project, '[[components]]\nkind = "k.a"\nconfig = { a = [3], s = "project" }\n')
    report = plugin.validate({})
    assert report["config_paths"] == [str(user), str(project)]
    assert report["resolved_config"]["components"][0]["config"]["s"] == "project"
    assert report["resolved_config"]["components"][0]["config"]["a"] == [3, 1, 2]
    named = write(tmp_path / "named.toml", '[[components]]\nkind = "k.a"\nconfig = { a = [4] }\n')
    report = plugin.validate({"components": [{"kind": "k.a", "config": {"a": [9]}}]}, named)
    assert report["config_paths"] == [str(project), str(named)]
    assert report["resolved_config"]["components"][0]["config"] == {"a": [9, 4, 3], "s": "project"}


def test_the_nearest_project_is_the_one(project: Path) -> None:
    write(project, '[[components]]\nkind = "k.a"\n')
    nearer = project.parent.parent / "src" / ".nemo-relay" / "plugins.toml"
    nearer.parent.mkdir()
    write(nearer, '[[components]]\nkind = "k.b"\n')
    assert plugin.validate({})["config_paths"] == [str(nearer)]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are POSIX")
@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_projects_file_that_others_can_write_is_not_read(project: Path, place: str) -> None:
    write(project, '[[components]]\nkind = "k.a"\n')
    (project if place == "file" else project.parent).chmod(0o777)
    report = plugin.validate({})
    assert (report["config_paths"], codes(report)) == ([], ["plugin.configuration_untrusted"])
    assert plugin.validate({}, project)["config_paths"] == [str(project)], "a file that is named is trusted"


DESTINATIONS = """
[[components]]
kind = "observability"
[components.config]
version = 4
[components.config.atof]
sinks = [{ type = "file", filename = "FILE" }]
[components.config.atif]
tool_definitions = [{ name = "FILE" }]
"""


def test_lists_of_destinations_are_joined_wherever_they_stand(files: Path, tmp_path: Path) -> None:
    user_file(files, DESTINATIONS.replace("FILE", "user"))
    named = write(tmp_path / "named.toml", DESTINATIONS.replace("FILE", "named"))
    mine = {"atof": {"sinks": [{"type": "file", "filename": "mine"}]}}
    report = plugin.validate({"components": [{"kind": "observability", "config": mine}]}, named)
    (component,) = report["resolved_config"]["components"]
    assert [sink["filename"] for sink in component["config"]["atof"]["sinks"]] == ["mine", "named"]
    assert component["config"]["atif"]["tool_definitions"] == [{"name": "named"}]


def test_an_explicit_file_replaces_the_users(files: Path, tmp_path: Path) -> None:
    user_file(files)
    path = write(tmp_path / "own.toml", '[[components]]\nkind = "k.b"\n')
    report = plugin.validate({}, path)
    assert (report["config_paths"], codes(report)) == ([str(path)], [])
    assert report["resolved_config"] == {"components": [{"kind": "k.b"}]}


async def test_a_named_file_that_is_missing_stops_the_activation(tmp_path: Path) -> None:
    path = tmp_path / "no.toml"
    (found,) = (await asyncio.to_thread(plugin.validate, {}, path))["config"]["diagnostics"]
    assert (found["level"], found["code"]) == ("error", "plugin.configuration_file_missing")
    assert found["field"] == "additional_plugins_toml"
    with pytest.raises(ConfigFileMissing, match="file does not exist: .*no.toml") as missing:
        await plugin.initialize({}, path)
    assert missing.value.path == str(path)
    assert isinstance(missing.value, (FileNotFoundError, ValueError))


def test_exact_validation_reads_no_file(files: Path) -> None:
    user_file(files, "this is no TOML")
    assert plugin.validate_exact({})["config_paths"] == []


WRONG = [
    ("x=", "invalid config: invalid plugin TOML in {path}: TOML parse error: "),
    ("version = 2", "invalid config: plugin config version 2 in {path} is unsupported; expected 1"),
    (
        '[[components]]\nkind = "k.a"\n[[components]]\nkind = "k.a"\nenabled = false',
        "invalid config: duplicate plugin component kind in {path}: k.a; declare each kind once per plugins.toml",
    ),
    ("[[components]]\nenabled = true", "serialization error: missing field `kind`"),
    (
        '[[components]]\nkind = "k.a"\nenabled = "x"',
        'serialization error: invalid type: string "x", expected a boolean',
    ),
    ("components = 3", "serialization error: invalid type: integer `3`, expected a sequence"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text[:30] for text, _ in WRONG])
def test_what_is_wrong_with_a_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml", text)
    with pytest.raises(InvalidConfig) as refused:
        plugin.validate({}, path)
    assert str(refused.value).startswith(message.format(path=path))
    assert str(path) in str(refused.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="must be a regular file"):
        plugin.validate({}, tmp_path)


def test_a_dynamic_plugin_is_never_ignored_in_silence(tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml", '[[plugins.dynamic]]\nmanifest = "./worker/relay-plugin.toml"')
    with pytest.raises(FileNotFoundError, match="dynamic plugin manifest '.*' does not exist"):
        plugin.validate({}, path)
    (tmp_path / "worker").mkdir()
    write(tmp_path / "worker" / "relay-plugin.toml", "")
    with pytest.raises(InvalidConfig, match="runs plugins in the process only"):
        plugin.validate({}, path)
    assert issubclass(UnknownPlugin, FileNotFoundError)


def test_a_typing_error_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml", '[[components]]\nkind = "k.a"\nenabld = true\n[plugins]\ndynamic = []\n')
    (found,) = plugin.validate({}, path)["config"]["diagnostics"]
    assert found["message"] == f"nothing reads the field 'components[0].enabld' in {path}; did you mean 'enabled'?"


async def test_a_file_configures_what_is_activated(files: Path, offer: Offer) -> None:
    made = offer("k.c")
    user_file(files, '[[components]]\nkind = "k.c"\nconfig = { a = [1] }\n')
    async with plugin.activate({"components": [{"kind": "k.c", "config": {"a": [2]}}]}) as activation:
        assert activation.report["config_paths"] == [str(files / "nemo-relay" / "plugins.toml")]
    assert made.configs == [{"a": [2, 1]}]


def test_validate_and_initialize_take_the_same() -> None:
    assert inspect.signature(plugin.validate).parameters == inspect.signature(plugin.initialize).parameters
