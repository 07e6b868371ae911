# SPDX-License-Identifier: Apache-2.0
"""Neutral parts of Anthropic content blocks."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.model import parts
from nemo_relay_codecs.model.parts import JsonObject, rest

_RESULT_SUFFIX = "_tool_result"


def block_parts(block: Any) -> list[JsonObject]:
    """The parts of one content block."""
    if not isinstance(block, dict):
        return [parts.unknown("unknown", block)]
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str):
        cited = block.get("citations")
        citations = [parts.citation(c) for c in cited] if isinstance(cited, list) else []
        return [parts.text(block["text"], **rest(block, "type", "text", "citations")), *citations]
    if kind == "thinking":
        more = rest(block, "type", "thinking", "signature")
        return [parts.reasoning(block.get("thinking"), signature=block.get("signature"), **more)]
    if kind == "redacted_thinking":
        return [parts.reasoning(encrypted=block.get("data"), **rest(block, "type", "data"))]
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        more = rest(block, "type", "id", "name", "input")
        server = kind != "tool_use"
        return [parts.tool_call(block.get("id"), block.get("name"), block.get("input"), server=server, **more)]
    if isinstance(kind, str) and kind.endswith(_RESULT_SUFFIX):
        name = block.get("name") or kind.removesuffix(_RESULT_SUFFIX)
        more = rest(block, "type", "name", "tool_use_id", "content")
        return [parts.tool_result(block.get("tool_use_id"), name, block.get("content"), **more)]
    return [parts.unknown(kind if isinstance(kind, str) else "unknown", block)]
