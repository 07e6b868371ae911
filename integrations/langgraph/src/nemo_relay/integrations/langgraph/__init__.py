# SPDX-License-Identifier: Apache-2.0
"""LangGraph on NeMo Relay: a graph run with its nodes, agents, model and tool calls as one event tree."""

from __future__ import annotations

try:
    import langgraph  # noqa: F401
except ImportError as error:
    raise ImportError(
        "nemo_relay.integrations.langgraph needs langgraph: pip install 'nemo-relay[langgraph]'"
    ) from error

from nemo_relay.integrations.langchain import callback_failures, current_scope

from .handler import RelayCallbackHandler
from .wrapping import configure_graph, wrap_graph

NemoRelayCallbackHandler = RelayCallbackHandler  # the published package's name for it

__all__ = [
    "NemoRelayCallbackHandler",
    "RelayCallbackHandler",
    "callback_failures",
    "configure_graph",
    "current_scope",
    "wrap_graph",
]
