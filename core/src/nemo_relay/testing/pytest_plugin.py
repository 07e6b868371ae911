# SPDX-License-Identifier: Apache-2.0
"""The pytest fixture `relay_events`. Registered by the package's entry point; nothing to import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nemo_relay.testing.capture import CapturedEvents


@pytest.fixture
def relay_events() -> Iterator[CapturedEvents]:
    """Every event of the test: `relay_events.events`, `.starts()`, `.ends()`, `.marks()`, `.tree()`."""
    from nemo_relay.testing.capture import capture_events

    with capture_events() as captured:
        yield captured
