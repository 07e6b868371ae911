# SPDX-License-Identifier: Apache-2.0
"""The agent middleware. It needs LangChain's agents: the extra ``agents`` of ``nemo-relay-langchain``."""

from __future__ import annotations

from nemo_relay.integrations.langchain._calls.middleware import (
    NemoRelayMiddleware,
    RelayGuardrailMiddleware,
    RelayMiddleware,
)
from nemo_relay.integrations.langchain._public import claim_public_path

__all__ = ["NemoRelayMiddleware", "RelayGuardrailMiddleware", "RelayMiddleware"]

claim_public_path(__name__, globals(), __all__)
