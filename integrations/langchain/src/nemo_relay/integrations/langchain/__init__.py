# SPDX-License-Identifier: Apache-2.0
"""LangChain on NeMo Relay: chains, model calls, tools and retrievers as one event tree."""

from __future__ import annotations

try:
    import langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "nemo_relay.integrations.langchain needs langchain-core: pip install 'nemo-relay[langchain]'"
    ) from error

from typing import TYPE_CHECKING, Any

from . import resolver
from .capture import Capture
from .edits import Ask, EditError, EmptyRequestError, UnknownSubstitute, UnsupportedEdit
from .embedding import wrap_embeddings, wrap_retriever
from .failures import callback_failures
from .gates import Status
from .handler import RelayCallbackHandler
from .health import status
from .instrumenting import instrument, instrumented, is_wanted, uninstrument
from .model_wrapping import wrap_chat_model
from .options import AdapterOptions, OptionError, chosen
from .resolver import current_scope
from .runs import RunInfo
from .tool_wrapping import wrap_tool, wrap_tools
from .unfolding import unfold

if TYPE_CHECKING:
    from .middleware import NemoRelayMiddleware, RelayGuardrailMiddleware, RelayMiddleware

NemoRelayCallbackHandler = RelayCallbackHandler  # the published package's name for it

# What needs LangChain's agents, which a program of plain runnables need not have.
_AGENTS = {
    "NemoRelayMiddleware": "NemoRelayMiddleware",
    "RelayGuardrailMiddleware": "RelayGuardrailMiddleware",
    "RelayMiddleware": "RelayMiddleware",
}

__all__ = [
    "AdapterOptions",
    "Ask",
    "Capture",
    "EditError",
    "EmptyRequestError",
    "NemoRelayCallbackHandler",
    "NemoRelayMiddleware",
    "OptionError",
    "RelayCallbackHandler",
    "RelayGuardrailMiddleware",
    "RelayMiddleware",
    "RunInfo",
    "Status",
    "UnknownSubstitute",
    "UnsupportedEdit",
    "callback_failures",
    "chosen",
    "current_scope",
    "instrument",
    "instrumented",
    "is_wanted",
    "status",
    "unfold",
    "uninstrument",
    "wrap_chat_model",
    "wrap_embeddings",
    "wrap_retriever",
    "wrap_tool",
    "wrap_tools",
]

resolver.install()
if is_wanted("langchain"):
    instrument()


def __getattr__(name: str) -> Any:
    if name not in _AGENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from . import middleware
    except ImportError as error:
        raise ImportError(f"{name} needs langchain: pip install 'nemo-relay-langchain[agents]'") from error
    return getattr(middleware, _AGENTS[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *_AGENTS})
