# SPDX-License-Identifier: Apache-2.0
"""Replays reach for nothing: tracing that the developer has switched on elsewhere is off here."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_tracing_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "false")
