# SPDX-License-Identifier: Apache-2.0
"""LLM and tool calls answered from a recorded run: tests without a provider, and without a cassette for each.

The runtime offers it as ``nemo_relay.replay``.
"""

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-replay needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[replay]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-replay")

from .errors import RecordedError, ReplayMiss
from .replaying import Replay, replay

__all__ = ["RecordedError", "Replay", "ReplayMiss", "replay"]
