# SPDX-License-Identifier: Apache-2.0
"""No configuration file of the machine; the component at work, and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import plugin, subscribers
from nemo_relay.testing import MemorySink

Json = dict[str, Any]
RECEIPT = "nemo_relay.guard.receipt"


@pytest.fixture(autouse=True)
def _no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


class Seen:
    """What was heard while a guard was active."""

    def __init__(self) -> None:
        self.sink = MemorySink()

    @property
    def events(self) -> list[Json]:
        return [json.loads(event.to_json()) for event in self.sink.events]

    def receipts(self) -> list[Json]:
        return [event for event in self.events if event["name"] == RECEIPT]

    def verdicts(self) -> list[tuple[str, str]]:
        return [(one["data"]["guard"], one["data"]["verdict"]) for one in self.receipts()]


@asynccontextmanager
async def guarded(*rules: Json, budgets: list[Json] | None = None, **config: Any) -> AsyncIterator[Seen]:
    """The component with these rules."""
    config = {"rules": list(rules), "budgets": budgets or [], **config}
    seen = Seen()
    async with plugin.activate({"components": [{"kind": "guard", "config": config}]}):
        subscribers.register("seen", seen.sink)
        try:
            yield seen
            await subscribers.flush_async(10)
        finally:
            subscribers.deregister("seen")
