# SPDX-License-Identifier: Apache-2.0
"""The callback handler, by the module path of the published package."""

from __future__ import annotations

from nemo_relay.integrations.langchain.adapter import claim_public_path

from ._handler import NemoRelayDeepAgentsCallbackHandler

RelayDeepAgentsCallbackHandler = NemoRelayDeepAgentsCallbackHandler  # as the other adapters name theirs

__all__ = ["NemoRelayDeepAgentsCallbackHandler", "RelayDeepAgentsCallbackHandler"]

claim_public_path(__name__, globals(), __all__)
