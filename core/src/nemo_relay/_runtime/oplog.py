# SPDX-License-Identifier: Apache-2.0
"""The runtime's own log: what operators read about the runtime itself. It has nothing to do with events."""

from __future__ import annotations

from nemo_relay._runtime import faults


def error(event: str, message: str, **fields: object) -> None:
    """Write one record at level error."""
    shown = "".join(f" {name}={value}" for name, value in sorted(fields.items()))
    faults.say(f"nemo_relay: event={event}{shown} {message}")
