# SPDX-License-Identifier: Apache-2.0
"""Neutral parts of Chat choices and messages."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.model import parts
from nemo_relay_codecs.model.parts import JsonObject, rest
from nemo_relay_codecs.values import text_of


def choice_of(choice: Any, position: int, finish: dict[str, str]) -> JsonObject:
    """One choice of a Chat response."""
    if not isinstance(choice, dict):
        return {"index": position, "parts": [parts.unknown("choice", choice)]}
    message = choice.get("message")
    index, reason = choice.get("index"), choice.get("finish_reason")
    out: JsonObject = {
        "index": index if type(index) is int else position,
        "parts": message_parts(message) if isinstance(message, dict) else [],
        **rest(choice, "index", "message", "finish_reason"),
    }
    if isinstance(reason, str):
        out["finish_reason"] = finish.get(reason, reason)
    role = message.get("role") if isinstance(message, dict) else None
    return out if role in (None, "assistant") else {**out, "role": role}


def message_parts(message: JsonObject) -> list[JsonObject]:
    """The parts of a Chat message: thoughts first, then words, then calls."""
    known = (
        *("role", "content", "refusal", "reasoning_content", "reasoning", "reasoning_details", "annotations"),
        *("audio", "tool_calls", "function_call"),
    )
    out = [*_reasoning(message), *_content(message.get("content"))]
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        out.append(parts.refusal(message["refusal"]))
    cited = message.get("annotations")
    out += [parts.citation(a) for a in cited if a] if isinstance(cited, list) else []
    audio = message.get("audio")
    if isinstance(audio, dict) and any(audio.values()):
        out.append(parts.media("audio", audio.get("data"), **parts.without_data(audio)))
    calls = message.get("tool_calls")
    out += [_call(call) for call in calls if _is_call(call)] if isinstance(calls, list) else []
    function = message.get("function_call")
    if isinstance(function, dict) and any(function.values()):
        out.append(parts.tool_call(None, function.get("name"), parts.arguments(function.get("arguments"))))
    out += [parts.unknown(k, v) for k, v in message.items() if k not in known and v is not None]
    return out


def _reasoning(message: JsonObject) -> list[JsonObject]:
    details = message.get("reasoning_details")
    if isinstance(details, list) and details:
        return [_reasoning_detail(d) for d in details]
    for key in ("reasoning_content", "reasoning"):
        if isinstance(message.get(key), str) and message[key]:
            return [parts.reasoning(message[key])]
        if message.get(key):
            return [parts.unknown(key, message[key])]
    return []


def _reasoning_detail(detail: Any) -> JsonObject:
    if not isinstance(detail, dict):
        return parts.unknown("reasoning", detail)
    words = detail.get("text") or detail.get("summary")
    more = rest(detail, "text", "summary", "signature", "data", "type")
    return parts.reasoning(words, signature=detail.get("signature"), encrypted=detail.get("data"), **more)


def _content(content: Any) -> list[JsonObject]:
    if isinstance(content, str):
        return [parts.text(content)] if content else []
    if isinstance(content, dict):  # servers that parse the JSON they were asked for
        return [parts.text(text_of(content))]
    out = []
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            out.append(parts.text(part["text"], **rest(part, "type", "text")))
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            out.append(parts.refusal(part["refusal"]))
        elif kind == "thinking":
            out.append(_thinking_list(part))
        else:
            out.append(parts.unknown(kind if isinstance(kind, str) else "unknown", part))
    return out


def _thinking_list(part: JsonObject) -> JsonObject:
    """A thinking chunk of Mistral or Cohere: text, or a list of text chunks."""
    inner = part.get("thinking")
    if isinstance(inner, list):
        words = [i["text"] for i in inner if isinstance(i, dict) and isinstance(i.get("text"), str)]
        if len(words) == len(inner):
            return parts.reasoning("".join(words), signature=part.get("signature"))
        return parts.unknown("thinking", part)
    return parts.reasoning(inner, signature=part.get("signature"), **rest(part, "type", "thinking", "signature"))


def _is_call(call: Any) -> bool:
    """Not so for the empty shells that some servers send."""
    function = call.get("function") if isinstance(call, dict) else None
    return not isinstance(function, dict) or bool(call.get("id")) or any(function.values())


def _call(call: Any) -> JsonObject:
    custom = call.get("custom") if isinstance(call, dict) else None
    if isinstance(custom, dict) and not call.get("function"):
        more = rest(call, "id", "type", "custom", "index", "function")
        return parts.tool_call(call.get("id"), custom.get("name"), custom.get("input"), **more)
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return parts.unknown("tool_call", call)
    more = {**rest(call, "id", "type", "function", "index").get("extra", {})}
    more.update(rest(function, "name", "arguments").get("extra", {}))
    extra: JsonObject = {"extra": more} if more else {}
    return parts.tool_call(call.get("id"), function.get("name"), parts.arguments(function.get("arguments")), **extra)
