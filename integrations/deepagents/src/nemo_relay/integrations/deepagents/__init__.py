# SPDX-License-Identifier: Apache-2.0
"""Deep Agents on NeMo Relay: an agent and all it delegates to as one event tree, under control on every path."""

from __future__ import annotations

try:
    import deepagents  # noqa: F401
except ImportError as error:
    raise ImportError(
        "nemo_relay.integrations.deepagents needs deepagents: pip install 'nemo-relay[deepagents]'"
    ) from error

from nemo_relay.integrations.langchain import callback_failures, current_scope, status
from nemo_relay.integrations.langchain.adapter import say_public_path

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

say_public_path(__name__, globals(), __all__)
