# SPDX-License-Identifier: Apache-2.0
"""Tool nodes whose tool calls are managed calls, by the module path of the published package."""

from __future__ import annotations

from nemo_relay.integrations.langchain.adapter import claim_public_path

from ._tool_nodes import awrap_tool_call, create_tool_node, wrap_tool_call

__all__ = ["awrap_tool_call", "create_tool_node", "wrap_tool_call"]

claim_public_path(__name__, globals(), __all__)
