# SPDX-License-Identifier: Apache-2.0
"""LangChain on NeMo Relay: chains, model calls, tools and retrievers as one event tree."""

from __future__ import annotations

try:
    import langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "nemo_relay.integrations.langchain needs langchain-core: pip install 'nemo-relay[langchain]'"
    ) from error

from . import resolver
from .failures import callback_failures
from .handler import RelayCallbackHandler
from .resolver import current_scope
from .runs import RunInfo

NemoRelayCallbackHandler = RelayCallbackHandler  # the published package's name for it

__all__ = [
    "NemoRelayCallbackHandler",
    "RelayCallbackHandler",
    "RunInfo",
    "callback_failures",
    "current_scope",
]

resolver.install()
