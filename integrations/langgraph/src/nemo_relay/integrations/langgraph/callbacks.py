# SPDX-License-Identifier: Apache-2.0
"""The callback handler, by the module path of the published package."""

from __future__ import annotations

from nemo_relay.integrations.langchain.adapter import claim_public_path

from ._handler import RelayCallbackHandler
from ._wrap import configure_graph

NemoRelayCallbackHandler = RelayCallbackHandler

__all__ = ["NemoRelayCallbackHandler", "RelayCallbackHandler", "configure_graph"]

claim_public_path(__name__, globals(), __all__)
