# SPDX-License-Identifier: Apache-2.0
"""Deep Agents on NeMo Relay: an agent and all it delegates to as one event tree, under control on every path."""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-deepagents needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[deepagents]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-deepagents")

try:
    import deepagents  # noqa: F401
except ImportError as error:
    from nemo_relay.errors import MissingExtra

    raise MissingExtra("nemo_relay.integrations.deepagents", "deepagents", "deepagents") from error

from nemo_relay.integrations.langchain import callback_failures, current_scope, status
from nemo_relay.integrations.langchain.adapter import claim_public_path

from ._integration import add_nemo_relay_integration, create_deep_agent
from .callbacks import NemoRelayDeepAgentsCallbackHandler, RelayDeepAgentsCallbackHandler
from .middleware import NemoRelayDeepAgentsMiddleware, RelayDeepAgentsMiddleware

__all__ = [
    "NemoRelayDeepAgentsCallbackHandler",
    "NemoRelayDeepAgentsMiddleware",
    "RelayDeepAgentsCallbackHandler",
    "RelayDeepAgentsMiddleware",
    "add_nemo_relay_integration",
    "callback_failures",
    "create_deep_agent",
    "current_scope",
    "status",
]

claim_public_path(__name__, globals(), __all__)
