# SPDX-License-Identifier: Apache-2.0
"""The callback handler, by the module path of the published package."""

from __future__ import annotations

from nemo_relay.integrations.langchain._public import claim_public_path
from nemo_relay.integrations.langchain._record.handler import RelayCallbackHandler

NemoRelayCallbackHandler = RelayCallbackHandler  # the published package's name for it

__all__ = ["NemoRelayCallbackHandler", "RelayCallbackHandler"]

claim_public_path(__name__, globals(), __all__)
