# SPDX-License-Identifier: Apache-2.0
"""LangChain on NeMo Relay: chains, model calls, tools and retrievers as one event tree."""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-langchain needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[langchain]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-langchain")

try:
    import langchain_core  # noqa: F401
except ImportError as error:
    from nemo_relay.errors import MissingExtra

    raise MissingExtra("nemo_relay.integrations.langchain", "langchain-core", "langchain") from error

from typing import TYPE_CHECKING, Any

from nemo_relay.integrations.langchain._calls.embeddings import wrap_embeddings, wrap_retriever
from nemo_relay.integrations.langchain._calls.wrap_model import wrap_chat_model
from nemo_relay.integrations.langchain._calls.wrap_tool import wrap_tool, wrap_tools
from nemo_relay.integrations.langchain._errors import (
    Ask,
    EditError,
    EmptyRequestError,
    UnknownSubstitute,
    UnsupportedEdit,
)
from nemo_relay.integrations.langchain._failures import callback_failures
from nemo_relay.integrations.langchain._guards.gates import Status
from nemo_relay.integrations.langchain._health import status
from nemo_relay.integrations.langchain._options import AdapterOptions, OptionError, chosen
from nemo_relay.integrations.langchain._public import claim_public_path
from nemo_relay.integrations.langchain._record.instrument import instrument, instrumented, is_wanted, uninstrument
from nemo_relay.integrations.langchain._runs import resolver
from nemo_relay.integrations.langchain._runs.resolver import current_scope
from nemo_relay.integrations.langchain._runs.table import RunInfo
from nemo_relay.integrations.langchain._views.capture import Capture
from nemo_relay.integrations.langchain._views.unfolding import unfold
from nemo_relay.integrations.langchain.callbacks import NemoRelayCallbackHandler, RelayCallbackHandler

if TYPE_CHECKING:
    from nemo_relay.integrations.langchain.middleware import (
        NemoRelayMiddleware,
        RelayGuardrailMiddleware,
        RelayMiddleware,
    )

# What needs LangChain's agents, which a program of plain runnables need not have.
_AGENTS = ("NemoRelayMiddleware", "RelayGuardrailMiddleware", "RelayMiddleware")

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

claim_public_path(__name__, globals(), __all__)
resolver.install()
if is_wanted("langchain"):
    instrument()


def __getattr__(name: str) -> Any:
    if name not in _AGENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from nemo_relay.integrations.langchain import middleware
    except ImportError as error:
        from nemo_relay.errors import MissingExtra

        raise MissingExtra(name, "langchain", "agents", "nemo-relay-langchain") from error
    return getattr(middleware, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_AGENTS})
