# SPDX-License-Identifier: Apache-2.0
"""What several processes share: values, counters and messages, in memory or in Redis.

>>> import asyncio
>>> from nemo_relay_state import opened
>>> asyncio.run(opened({"kind": "memory"}).add("spent", 2))
2.0
"""

from __future__ import annotations

from nemo_relay_state.errors import InvalidState, StateError, StateUnavailable
from nemo_relay_state.memory import MemoryState
from nemo_relay_state.opening import opened
from nemo_relay_state.state import State

__all__ = ["InvalidState", "MemoryState", "State", "StateError", "StateUnavailable", "opened"]
