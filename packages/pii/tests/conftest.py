# SPDX-License-Identifier: Apache-2.0
"""No configuration file of the machine, and nothing active after a test."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import plugin, subscribers
from nemo_relay.testing import MemorySink

KIND = "pii_redaction"
Json = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


async def observed(config: Json, body: Callable[[], Awaitable[object]]) -> list[Json]:
    """What a subscriber hears of ``body`` while the component is active with ``config``."""
    sink = MemorySink()
    document = {"components": [{"kind": KIND, "config": config}]}
    async with plugin.activate(document):
        subscribers.register("observed", sink)
        try:
            await body()
            await subscribers.flush_async(10)
        finally:
            subscribers.deregister("observed")
    return [json.loads(event.to_json()) for event in sink.events]
