# SPDX-License-Identifier: Apache-2.0
"""The marker ``@pytest.mark.relay_replay("run.jsonl")``. An entry point registers it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nemo_relay_replay.replaying import Replay


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    text = (
        "relay_replay(path, *, match, missing, speed): answer LLM and tool calls from a recorded run, beside the test"
    )
    config.addinivalue_line("markers", text)


@pytest.fixture(autouse=True)
def relay_replay(request: pytest.FixtureRequest) -> Iterator[Replay | None]:
    """The replay of the test's marker; None without one. A relative path stands beside the test's file."""
    marker = request.node.get_closest_marker("relay_replay")
    if marker is None:
        yield None
        return
    from nemo_relay_replay.replaying import replay

    path = request.path.parent / marker.args[0]
    with replay(path, **marker.kwargs) as running:
        yield running
