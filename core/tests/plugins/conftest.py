# SPDX-License-Identifier: Apache-2.0
"""Configuration files in a folder of the test, and nothing left of what a test activates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import plugin
from nemo_relay._plugins import host
from nemo_relay._runtime.registry import gates, registry
from nemo_relay_configuration.sources import files as config_files


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's file; the system's is ``system.toml`` in it."""
    folder = tmp_path / "config"
    (folder / "nemo-relay").mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setattr(config_files, "discovering", True)
    monkeypatch.setattr(config_files, "_system_file", lambda: str(folder / "system.toml"))
    return folder


@pytest.fixture(autouse=True)
def nothing_left(files: Path) -> Iterator[None]:
    """What a test activates registers nothing that outlives it."""
    yield
    active = host.current()
    if active is not None:
        active.begin_end().result(50)
    left = [entry.name for family in registry.FAMILIES for entry in family.snapshot]
    assert left == []
    assert not gates._gates


class Recorder:
    """A plugin that runs ``fn`` with its configuration and context, and keeps the configurations."""

    def __init__(self, fn: Callable[[dict[str, Any], Any], Any] | None = None) -> None:
        self.fn = fn
        self.configs: list[dict[str, Any]] = []

    def register(self, config: dict[str, Any], context: Any) -> Any:
        self.configs.append(config)
        return self.fn(config, context) if self.fn else None


Offer = Callable[..., Recorder]


@pytest.fixture
def offer() -> Offer:
    """Registers a plugin under a kind: ``offer("k", fn)``."""

    def register(kind: str, fn: Callable[[dict[str, Any], Any], Any] | None = None) -> Recorder:
        made = Recorder(fn)
        plugin.register(kind, made)  # type: ignore[arg-type]
        return made

    return register


def one(kind: str, **config: Any) -> dict[str, Any]:
    """A document with one component."""
    return {"components": [{"kind": kind, "config": config}]}
