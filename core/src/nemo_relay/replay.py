# SPDX-License-Identifier: Apache-2.0
"""LLM and tool calls answered from a recorded run: tests without a provider.

All of it is ``nemo_relay_replay``, a distribution of its own (the extra ``replay``); without it any name asked for
here raises ``MissingExtra``, an ImportError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_relay.siblings import names_of

if TYPE_CHECKING:
    from nemo_relay_replay import RecordedError, Replay, ReplayMiss, replay

__all__ = ["RecordedError", "Replay", "ReplayMiss", "replay"]

__getattr__ = names_of("nemo_relay_replay", "replay", __all__, globals())
