# SPDX-License-Identifier: Apache-2.0
"""What the modules of the log share: the record, its levels, its outputs, and the variables that configure them."""

from __future__ import annotations

from typing import Any, Protocol

LEVELS = ("error", "warn", "info", "debug", "trace")
ERROR, WARN, INFO, DEBUG, TRACE = range(5)
VARIABLES = (
    "NEMO_RELAY_LOG",
    "NEMO_RELAY_LOG_STDERR",
    "NEMO_RELAY_LOG_STDERR_FORMAT",
    "NEMO_RELAY_LOG_CONFIG_PATH",
)


class Record:
    """One line of the log. ``fields`` is the record's own copy, in JSON types; ``event`` is empty for free text."""

    __slots__ = ("event", "fields", "level", "message", "ns", "root", "target")

    def __init__(
        self, ns: int, level: int, target: str, event: str, fields: dict[str, Any], message: str, root: str
    ) -> None:
        self.ns = ns
        self.level = level
        self.target = target
        self.event = event
        self.fields = fields
        self.message = message
        self.root = root


class Output(Protocol):
    """Where records go. ``write`` never raises and never waits."""

    level: int

    def write(self, record: Record) -> None:
        """Take one record."""

    def close(self, seconds: float) -> None:
        """Write what is still waiting, for at most ``seconds``; later records are written at once."""
