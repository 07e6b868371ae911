# SPDX-License-Identifier: Apache-2.0
"""Kinds: registered, built in, installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import plugin
from nemo_relay._plugins import kinds, pricing
from nemo_relay.errors import RegistrationFailed

from .conftest import Offer, Recorder, one


def test_a_kind_is_taken_once(offer: Offer) -> None:
    offer("k")
    with pytest.raises(RuntimeError, match=r"^registration failed: plugin 'k' is already registered$"):
        plugin.register("k", Recorder())  # type: ignore[arg-type]
    assert plugin.deregister("k") is True
    assert plugin.deregister("k") is False
    offer("k")
    offer("")
    assert {"k", ""} <= set(plugin.list_kinds())


def test_what_is_no_plugin_is_refused() -> None:
    for thing in (None, object(), {"register": 1}):
        with pytest.raises(TypeError, match=r"plugin 'k' must have a method register\(config, context\)"):
            plugin.register("k", thing)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'int' object is not an instance of 'str'"):
        plugin.register(3, Recorder())  # type: ignore[arg-type]


def test_built_in_kinds_stay() -> None:
    assert {"resource_metrics", "pricing"} <= set(plugin.list_kinds())
    assert plugin.deregister("resource_metrics") is False
    with pytest.raises(RegistrationFailed):
        plugin.register("resource_metrics", Recorder())  # type: ignore[arg-type]
    assert plugin.list_kinds() == sorted(plugin.list_kinds())


async def test_a_configuration_of_prices_is_checked_before_it_replaces_another() -> None:
    document = {"components": [{"kind": "pricing", "config": {"nope": 1}}]}
    with pytest.raises(ValueError, match="invalid model pricing config: unknown field `nope`"):
        await plugin.initialize(document)
    with pytest.raises(ValueError, match="^invalid config: invalid model pricing config: unknown field `nope`"):
        pricing.activate({"nope": 1})


MODULE = """
class Plugin:
    def register(self, config, context):
        context.register_tool_conditional_execution_guardrail("no", 1, lambda name, args: "installed says no")
    def validate(self, config):
        return [{"level": "warning", "code": "installed", "message": "hello"}]
ready = Plugin()
nothing = 3
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution with three entry points, installed in a folder of its own."""
    info = tmp_path / "relay_sample-1.0.dist-info"
    info.mkdir()
    (tmp_path / "relay_sample_plugin.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: relay-sample\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[nemo_relay.plugins]\nsample.class = relay_sample_plugin:Plugin\nsample.object = relay_sample_plugin:ready\n"
        "sample.broken = relay_sample_plugin:nothing\nsample.missing = relay_no_such_module\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(kinds, "_installed", None)
    monkeypatch.setattr(kinds, "_loaded", {})
    yield tmp_path  # type: ignore[misc]
    kinds._installed = None
    sys.modules.pop("relay_sample_plugin", None)


@pytest.mark.usefixtures("installed")
def test_an_installed_plugin_is_found_and_loaded_when_named() -> None:
    assert {"sample.class", "sample.object"} <= set(plugin.list_kinds())
    assert "relay_sample_plugin" not in sys.modules
    for kind in ("sample.class", "sample.object"):
        (found,) = plugin.validate_exact(one(kind))["config"]["diagnostics"]
        assert found["code"] == "installed"


@pytest.mark.usefixtures("installed")
async def test_an_installed_plugin_can_be_activated() -> None:
    async with plugin.activate(one("sample.class")):
        from nemo_relay import tools

        with pytest.raises(RuntimeError, match="installed says no"):
            await tools.execute("t", {}, lambda args: args)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("sample.broken", "TypeError: relay_sample_plugin:nothing has no method register(config, context)"),
        ("sample.missing", "ModuleNotFoundError: No module named 'relay_no_such_module'"),
    ],
)
def test_an_installed_plugin_that_does_not_load_is_an_error(kind: str, text: str) -> None:
    (found,) = plugin.validate_exact(one(kind))["config"]["diagnostics"]
    assert (found["level"], found["code"], found["component"]) == ("error", "plugin.load_failed", kind)
    assert found["message"] == f"plugin '{kind}' is installed but cannot be loaded: {text}"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("switch", "expected"), [("", set()), ("sample.object, other", {"sample.object"})])
def test_the_switch_limits_what_is_found(switch: str, expected: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_RELAY_LOAD_PLUGINS", switch)
    assert {kind for kind in plugin.list_kinds() if kind.startswith("sample.")} == expected


@pytest.mark.usefixtures("installed")
async def test_the_programs_own_plugin_goes_before_an_installed_one(offer: Offer) -> None:
    mine = offer("sample.broken")
    async with plugin.activate(one("sample.broken", a=1)):
        assert mine.configs == [{"a": 1}]


def test_names_of_the_module() -> None:
    missing: list[Any] = [name for name in plugin.__all__ if not hasattr(plugin, name)]
    assert missing == []
