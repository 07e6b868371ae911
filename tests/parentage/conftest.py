# SPDX-License-Identifier: Apache-2.0
"""The agents, compiled once."""

from __future__ import annotations

from typing import Any

import pytest

from .agents import make_agent


@pytest.fixture(scope="session")
def agent() -> Any:
    return make_agent()


@pytest.fixture(scope="session")
def async_agent() -> Any:
    return make_agent(asynchronous=True)
