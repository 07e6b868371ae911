# SPDX-License-Identifier: Apache-2.0
"""Sends a stream of lines to a destination that may be slow, full or away: nothing waits for it, and what did not
arrive is on the disk, or counted.

`Pipeline` is a thread with a queue, `Journal` the queue on the disk, and a `Transport` knows one way to one
destination. Exporters of NeMo Relay are built on it; it knows nothing of the runtime.
"""

from __future__ import annotations

from nemo_relay_spool.counters import Counters, Diagnostic, Diagnostics
from nemo_relay_spool.delivery import Limits
from nemo_relay_spool.journal import Journal
from nemo_relay_spool.memory import MemoryQueue, Queue
from nemo_relay_spool.outcome import Delivered, Item, Outcome, Refused, Retry, TooLarge, Transport
from nemo_relay_spool.pipeline import Occasion, Pipeline, Transform

__all__ = [
    "Counters",
    "Delivered",
    "Diagnostic",
    "Diagnostics",
    "Item",
    "Journal",
    "Limits",
    "MemoryQueue",
    "Occasion",
    "Outcome",
    "Pipeline",
    "Queue",
    "Refused",
    "Retry",
    "TooLarge",
    "Transform",
    "Transport",
]
