# SPDX-License-Identifier: Apache-2.0
"""Neutral parts of OpenAI Responses items."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.model import parts
from nemo_relay_codecs.model.parts import JsonObject, rest

# Calls that the provider runs itself; "<name>_call".
_SERVER_CALLS = (
    *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"),
    *("mcp_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call", "custom_tool_call"),
)
_CLIENT_RUN = ("computer_call", "local_shell_call", "shell_call", "apply_patch_call", "custom_tool_call")


def item_parts(item: Any) -> list[JsonObject]:
    """The parts of one output item."""
    if not isinstance(item, dict):
        return [parts.unknown("unknown", item)]
    kind = item.get("type")
    if kind == "message":
        return _message(item)
    if kind == "output_text":
        return _block(item)
    if kind == "reasoning":
        return [_reasoning(item)]
    if kind == "function_call":
        arguments = parts.arguments(item.get("arguments"))
        more = rest(item, "type", "call_id", "name", "arguments")
        return [parts.tool_call(item.get("call_id"), item.get("name"), arguments, **more)]
    if kind in _SERVER_CALLS:
        return _tool(item, kind)
    return [parts.unknown(kind if isinstance(kind, str) else "unknown", item)]


def _message(item: JsonObject) -> list[JsonObject]:
    content = item.get("content")
    out = []
    for block in content if isinstance(content, list) else ():
        out += _block(block)
    more = rest(item, "type", "role", "content")
    if out and more:
        out[0] = {**out[0], "item": more["extra"]}
    elif more:
        out = [parts.unknown("message", item)]
    return out


def _block(block: Any) -> list[JsonObject]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "output_text" and isinstance(block.get("text"), str):
        more = rest(block, "type", "text", "annotations")
        cited = block.get("annotations")
        citations = [parts.citation(a) for a in cited] if isinstance(cited, list) else []
        return [parts.text(block["text"], **more), *citations]
    if kind == "refusal" and isinstance(block.get("refusal"), str):
        return [parts.refusal(block["refusal"])]
    return [parts.unknown(kind if isinstance(kind, str) else "unknown", block)]


def _reasoning(item: JsonObject) -> JsonObject:
    words = [
        entry["text"]
        for key in ("summary", "content")
        for entry in (item.get(key) if isinstance(item.get(key), list) else ())  # type: ignore[union-attr]
        if isinstance(entry, dict) and isinstance(entry.get("text"), str)
    ]
    more = rest(item, "type", "encrypted_content", "summary", "content")
    details = {k: item[k] for k in ("summary", "content") if item.get(k)}
    return parts.reasoning("\n".join(words) or None, encrypted=item.get("encrypted_content"), **details, **more)


def _tool(item: JsonObject, kind: str) -> list[JsonObject]:
    name = item.get("name") or kind.removesuffix("_call")
    call_id = item.get("call_id", item.get("id"))
    keys = ("arguments", "action", "input", "queries", "code", "operation")
    given = {k: item[k] for k in keys if item.get(k) is not None}
    value = parts.arguments(next(iter(given.values()))) if len(given) == 1 else given or None
    known = ("type", "name", *given, "output", "outputs", "results", "result", "error")
    out = [parts.tool_call(call_id, name, value, server=kind not in _CLIENT_RUN, kind=kind, **rest(item, *known))]
    if kind == "image_generation_call" and isinstance(item.get("result"), str):
        fmt = item.get("output_format")
        out.append(parts.media("image", item["result"], f"image/{fmt}" if isinstance(fmt, str) else None))
        return out
    results = {k: item[k] for k in ("output", "outputs", "results", "result", "error") if item.get(k) is not None}
    if results:
        value = next(iter(results.values())) if len(results) == 1 else results
        out.append(parts.tool_result(call_id, name, value))
    return out
