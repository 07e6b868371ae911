# SPDX-License-Identifier: Apache-2.0
"""The pytest fixtures `relay_events` and `relay_isolated`. An entry point registers them."""

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


@pytest.fixture
def relay_isolated() -> Iterator[None]:
    """The test runs on an empty runtime and leaves nothing behind; see `nemo_relay.testing.isolated`."""
    from nemo_relay.testing.isolation import isolated

    with isolated():
        yield
