# SPDX-License-Identifier: Apache-2.0
"""No configuration file of the machine, and nothing active after a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import subscribers
from nemo_relay._plugins import host
from nemo_relay._runtime.managed import scope
from nemo_relay_configuration.sources import files


@pytest.fixture(autouse=True)
def _nothing_active(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(files, "_system_file", lambda: str(tmp_path / "system.toml"))
    yield
    active = host.current()
    if active is not None:
        active.begin_end().result(50)
    assert scope.opened is None
    subscribers.deregister("test")


def document(**config: Any) -> dict[str, Any]:
    """A document with the component."""
    return {"components": [{"kind": "resource_metrics", "config": config}]}
