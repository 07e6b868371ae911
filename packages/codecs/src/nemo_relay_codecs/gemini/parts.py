# SPDX-License-Identifier: Apache-2.0
"""Neutral parts of Gemini content."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.model import parts
from nemo_relay_codecs.model.parts import JsonObject, rest


def part_of(part: Any) -> JsonObject:
    """One part."""
    if not isinstance(part, dict):
        return parts.unknown("unknown", part)
    signature = part.get("thoughtSignature")
    signed = {"signature": signature} if signature is not None else {}
    if part.get("thought") is True and isinstance(part.get("text"), str):
        return parts.reasoning(part["text"], signature=signature, **rest(part, "text", "thought", "thoughtSignature"))
    if isinstance(part.get("text"), str):
        return parts.text(part["text"], **signed, **rest(part, "text", "thoughtSignature"))
    for key, read in _READERS.items():
        if isinstance(part.get(key), dict):
            return {**read(part[key]), **signed, **rest(part, key, "thoughtSignature")}
    return parts.unknown(next((k for k in part if k != "thoughtSignature"), "unknown"), part)


def _call(call: JsonObject) -> JsonObject:
    more = {f"call_{k}": v for k, v in call.items() if k not in ("id", "name", "args")}
    return parts.tool_call(call.get("id", call.get("name")), call.get("name"), call.get("args", {}), **more)


def _inline(blob: JsonObject) -> JsonObject:
    mime = blob.get("mimeType")
    known = mime if isinstance(mime, str) else None
    more = {k: v for k, v in blob.items() if k not in ("mimeType", "data")}
    return parts.media(_modality(known), blob.get("data"), known, **more)


def _file(blob: JsonObject) -> JsonObject:
    mime = blob.get("mimeType")
    known = mime if isinstance(mime, str) else None
    more = {k: v for k, v in blob.items() if k not in ("mimeType", "fileUri")}
    return parts.media(_modality(known), None, known, url=blob.get("fileUri"), **more)


def _modality(mime: str | None) -> str:
    kind = (mime or "").partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "file"


def _code(code: JsonObject) -> JsonObject:
    more = {k: v for k, v in code.items() if k not in ("id", "code", "language")}
    arguments = {k: code[k] for k in ("language", "code") if k in code}
    return parts.tool_call(code.get("id"), "code_execution", arguments, server=True, **more)


def _outcome(result: JsonObject) -> JsonObject:
    return parts.tool_result(result.get("id"), "code_execution", {k: v for k, v in result.items() if k != "id"})


_READERS = {
    "functionCall": _call,
    "inlineData": _inline,
    "fileData": _file,
    "executableCode": _code,
    "codeExecutionResult": _outcome,
}
