# SPDX-License-Identifier: Apache-2.0
"""Recorded events to wherever live ones can go, by the same code, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from nemo_relay_otel.factory import from_config
from nemo_relay_spool.counters import Counters

_PATIENCE_SECONDS = 60.0


def send(
    lines: Iterable[bytes], section: Mapping[str, Any], *, patience: float = _PATIENCE_SECONDS
) -> dict[str, Counters]:
    """Send the events of an ATOF file.

    Args:
        lines: the file's lines, e.g. the file itself, opened in binary mode. A line that a crash tore is counted as
            dropped.
        section: an ``opentelemetry`` section. Its spool is not used: the file is one.
        patience: seconds to wait for a destination that takes nothing.

    Returns:
        What became of the events, by destination.

    Raises:
        ValueError: the section is malformed, or none of its destinations can be set up.
        TimeoutError: a destination took nothing for so long.

    >>> from nemo_relay_otel.convert import send
    >>> section = {"traces": [{"type": "full", "endpoint": "http://127.0.0.1:9"}]}
    >>> [(target, counters.written) for target, counters in send([], section).items()]
    [('traces http://127.0.0.1:9/v1/traces', 0)]
    """
    given = {**section, "spool": {"enabled": False}, "join_application_traces": False}
    exporters = from_config(given)
    try:
        for number, line in enumerate(lines, 1):
            if line.strip():
                exporters.write(line if line.endswith(b"\n") else line + b"\n")
            if number % 16 == 0:
                _wait(exporters.has_room, patience)
        _wait(lambda: exporters.force_flush(1.0), patience)
    finally:
        exporters.shutdown()
    return exporters.counters()


def _wait(done: Any, patience: float) -> None:
    until = time.monotonic() + patience
    while not done():
        if time.monotonic() > until:
            raise TimeoutError(f"a destination took nothing for {patience:g} s; what was sent so far has arrived")
        time.sleep(0.01)
