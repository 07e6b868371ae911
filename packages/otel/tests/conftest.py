# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from receiver import Receiver, grpc_receiver, http_receiver

from nemo_relay_otel import Exporters, from_config

Export = Callable[..., Exporters]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith("OTEL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as made:
        yield made


@pytest.fixture
def grpc_server() -> Iterator[Receiver]:
    with grpc_receiver() as made:
        yield made


@pytest.fixture
def export(tmp_path: Path) -> Iterator[Export]:
    """Registers the destinations of a section; without one of its own, the spool is off."""
    made: list[Exporters] = []

    def make(section: dict[str, Any]) -> Exporters:
        exporters = from_config({"spool": {"enabled": False}, **section})
        exporters.register(f"otel-{len(made)}")
        made.append(exporters)
        return exporters

    yield make
    for exporters in made:
        exporters.shutdown(0.2)
