# SPDX-License-Identifier: Apache-2.0
"""The middleware of one agent, by the module path of the published package."""

from __future__ import annotations

from nemo_relay.integrations.langchain.adapter import claim_public_path

from ._middleware import NemoRelayDeepAgentsMiddleware

RelayDeepAgentsMiddleware = NemoRelayDeepAgentsMiddleware  # as the other adapters name theirs

__all__ = ["NemoRelayDeepAgentsMiddleware", "RelayDeepAgentsMiddleware"]

claim_public_path(__name__, globals(), __all__)
