# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: what a test captured is left in a folder, a file of events for each, named after the test."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

import pytest

from nemo_relay.testing.capture import CapturedEvents

FOLDER = "NEMO_RELAY_KEEP_EVENTS"
_numbers = itertools.count(1)
_leave = CapturedEvents.__exit__


def _kept(self: CapturedEvents, *raised: Any) -> None:
    _leave(self, *raised)
    name = re.sub(r"[^\w-]+", "-", os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[2])[:150]
    path = Path(os.environ[FOLDER], f"{name}-{os.getpid()}-{next(_numbers)}.jsonl")
    path.write_bytes(b"".join(event.to_json().encode() + b"\n" for event in self.events))


@pytest.hookimpl
def pytest_configure(config: pytest.Config) -> None:
    """Keep what is captured from now on."""
    CapturedEvents.__exit__ = _kept  # type: ignore[method-assign]
