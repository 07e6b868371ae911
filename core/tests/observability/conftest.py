# SPDX-License-Identifier: Apache-2.0
"""A working directory of its own, no configuration of the machine, nothing active before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, llm, plugin, scope, tools
from nemo_relay._plugins import host
from nemo_relay_configuration.sources import files as config_files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(config_files, "discovering", True)
    monkeypatch.setattr(config_files, "_system_file", lambda: str(tmp_path / "system.toml"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture(autouse=True)
def nothing_active() -> Iterator[None]:
    yield
    active = host.current()
    if active is not None:
        active.begin_end().result(50)


def document(**config: Any) -> dict[str, Any]:
    return {"components": [{"kind": "observability", "config": config}]}


def findings(**config: Any) -> list[tuple[str, str, str]]:
    """Level, code and message of everything that is found."""
    found = plugin.validate_exact(document(**config))["config"]["diagnostics"]
    return [(one["level"], one["code"], one["message"]) for one in found]


async def a_run(answer: str = "Hello") -> None:
    """An agent that asks a model and uses a tool."""
    with scope.scope("planner", ScopeType.Agent):
        await llm.execute("demo", LLMRequest({}, {"prompt": "Hi"}), lambda request: {"content": answer})
        await tools.execute("search", {"q": "tides"}, lambda args: {"found": 3})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]
