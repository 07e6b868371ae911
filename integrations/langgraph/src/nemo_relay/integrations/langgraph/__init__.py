# SPDX-License-Identifier: Apache-2.0
"""LangGraph on NeMo Relay: a graph run with its nodes, agents, model and tool calls as one event tree."""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-langgraph needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[langgraph]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-langgraph")

try:
    import langgraph.pregel  # noqa: F401 - `langgraph` alone is there with its checkpoint package, too
except ImportError as error:
    from nemo_relay.errors import MissingExtra

    raise MissingExtra("nemo_relay.integrations.langgraph", "langgraph", "langgraph") from error

from typing import TYPE_CHECKING, Any

from nemo_relay.integrations.langchain import AdapterOptions, callback_failures, current_scope, is_wanted, status
from nemo_relay.integrations.langchain.adapter import claim_public_path

from ._caches import RelayCache
from ._checkpoints import RelayCheckpointer
from ._instrument import instrument, uninstrument
from ._propagation import propagate_headers
from ._wrap import wrap_graph
from .callbacks import NemoRelayCallbackHandler, RelayCallbackHandler, configure_graph
from .tool_node import awrap_tool_call, create_tool_node, wrap_tool_call

if TYPE_CHECKING:
    from nemo_relay.integrations.langchain import NemoRelayMiddleware, RelayMiddleware

__all__ = [
    "AdapterOptions",
    "NemoRelayCallbackHandler",
    "NemoRelayMiddleware",
    "RelayCache",
    "RelayCallbackHandler",
    "RelayCheckpointer",
    "RelayMiddleware",
    "awrap_tool_call",
    "callback_failures",
    "configure_graph",
    "create_tool_node",
    "current_scope",
    "instrument",
    "propagate_headers",
    "status",
    "uninstrument",
    "wrap_graph",
    "wrap_tool_call",
]

claim_public_path(__name__, globals(), __all__)
if is_wanted("langgraph"):
    instrument()


def __getattr__(name: str) -> Any:
    if name not in ("NemoRelayMiddleware", "RelayMiddleware"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nemo_relay.integrations import langchain

    return getattr(langchain, name)  # needs LangChain's agents, which a program of plain graphs need not have
