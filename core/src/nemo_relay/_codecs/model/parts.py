# SPDX-License-Identifier: Apache-2.0
"""Neutral parts: what a model said, in one vocabulary for all providers, nothing left out.

Readers of an answer (exporters, evaluators, the viewer) walk these instead of five wire formats. They never raise:
whatever they do not know becomes a ``provider_native`` part with its value.
"""

from __future__ import annotations

from typing import Any

from nemo_relay._codecs.model.media import refer
from nemo_relay._codecs.values import parsed

JsonObject = dict[str, Any]


def rest(value: JsonObject, *known: str) -> JsonObject:
    """The members of ``value`` beside ``known``, as a part's ``extra`` (absent if there are none)."""
    left = {k: v for k, v in value.items() if k not in known and v is not None}
    return {"extra": left} if left else {}


def text(value: str, **more: Any) -> JsonObject:
    """Something the model said."""
    return {"type": "text", "text": value, **more}


def refusal(value: str) -> JsonObject:
    """The model's words for not answering."""
    return {"type": "refusal", "text": value}


def reasoning(value: Any = None, *, signature: Any = None, encrypted: Any = None, **more: Any) -> JsonObject:
    """What the model thought: open text, a signature that lets it be replayed, or an encrypted form."""
    part = {"type": "reasoning", "text": value, "signature": signature, "encrypted": encrypted}
    return {**{k: v for k, v in part.items() if v is not None}, **more}


def tool_call(call_id: Any, name: Any, arguments: Any, *, server: bool = False, **more: Any) -> JsonObject:
    """A call of a tool; ``server`` if the provider runs it itself."""
    part = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments, **more}
    return {**part, "server": True} if server else part


def tool_result(call_id: Any, name: Any, output: Any, **more: Any) -> JsonObject:
    """The result of a tool that the provider ran."""
    return {"type": "tool_result", "id": call_id, "name": name, "output": output, "server": True, **more}


def citation(value: Any) -> JsonObject:
    """A source of what was said: the provider's object, with URL and title where it has them."""
    part: JsonObject = {"type": "citation", "value": value}
    for holder in _holders(value):
        for name, keys in (("url", ("url", "uri")), ("title", ("title", "document_title")), ("text", ("cited_text",))):
            found = next((holder[k] for k in keys if isinstance(holder.get(k), str)), None)
            if found is not None and name not in part:
                part[name] = found
    return part


def _holders(value: Any) -> list[JsonObject]:
    if not isinstance(value, dict):
        return []
    return [value, *(v for v in value.values() if isinstance(v, dict))]


def media(modality: str, data: Any, mime_type: str | None = None, **more: Any) -> JsonObject:
    """Inline media by reference: MIME type, size in bytes, digest."""
    part: JsonObject = {"type": "media", "modality": modality, **more}
    if isinstance(data, str):
        reference = refer(data, mime_type)
        part.update(size=reference.size, digest=reference.digest)
        mime_type = reference.mime_type
    return {**part, "mime_type": mime_type} if mime_type is not None else part


def unknown(kind: str, value: Any) -> JsonObject:
    """What no other part can express."""
    return {"type": "provider_native", "kind": kind, "value": value}


def arguments(value: Any) -> Any:
    """Call arguments as a value; text that is no JSON stays text."""
    return parsed(value) if isinstance(value, str) else value


def chat_choice(choice: Any, position: int, finish: dict[str, str]) -> JsonObject:
    """One choice of a Chat response."""
    if not isinstance(choice, dict):
        return {"index": position, "parts": [unknown("choice", choice)]}
    message = choice.get("message")
    index, reason = choice.get("index"), choice.get("finish_reason")
    out: JsonObject = {
        "index": index if type(index) is int else position,
        "parts": chat_parts(message) if isinstance(message, dict) else [],
        **rest(choice, "index", "message", "finish_reason"),
    }
    if isinstance(reason, str):
        out["finish_reason"] = finish.get(reason, reason)
    role = message.get("role") if isinstance(message, dict) else None
    return out if role in (None, "assistant") else {**out, "role": role}


def chat_parts(message: JsonObject) -> list[JsonObject]:
    """The parts of a Chat message: thoughts first, then words, then calls."""
    known = (
        *("role", "content", "refusal", "reasoning_content", "reasoning", "reasoning_details", "annotations"),
        *("audio", "tool_calls", "function_call"),
    )
    out = [*_chat_reasoning(message), *_chat_content(message.get("content"))]
    if isinstance(message.get("refusal"), str):
        out.append(refusal(message["refusal"]))
    out += [citation(a) for a in message.get("annotations") or () if a]
    audio = message.get("audio")
    if isinstance(audio, dict):
        out.append(media("audio", audio.get("data"), **without_data(audio)))
    calls = message.get("tool_calls")
    out += [_chat_call(call) for call in calls] if isinstance(calls, list) else []
    function = message.get("function_call")
    if isinstance(function, dict):
        out.append(tool_call(None, function.get("name"), arguments(function.get("arguments"))))
    out += [unknown(k, v) for k, v in message.items() if k not in known and v is not None]
    return out


def without_data(audio: JsonObject) -> JsonObject:
    """The members of an audio object beside its data."""
    return {k: v for k, v in audio.items() if k not in ("data", "type", "modality") and v is not None}


def _chat_reasoning(message: JsonObject) -> list[JsonObject]:
    details = message.get("reasoning_details")
    if isinstance(details, list) and details:
        return [_reasoning_detail(d) for d in details]
    for key in ("reasoning_content", "reasoning"):
        if isinstance(message.get(key), str) and message[key]:
            return [reasoning(message[key])]
        if message.get(key):
            return [unknown(key, message[key])]
    return []


def _reasoning_detail(detail: Any) -> JsonObject:
    if not isinstance(detail, dict):
        return unknown("reasoning", detail)
    words = detail.get("text") or detail.get("summary")
    known = ("text", "summary", "signature", "data", "type")
    return reasoning(words, signature=detail.get("signature"), encrypted=detail.get("data"), **rest(detail, *known))


def _chat_content(content: Any) -> list[JsonObject]:
    if isinstance(content, str):
        return [text(content)] if content else []
    out = []
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            out.append(text(part["text"], **rest(part, "type", "text")))
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            out.append(refusal(part["refusal"]))
        elif kind == "thinking":
            out.append(_thinking_list(part))
        else:
            out.append(unknown(kind if isinstance(kind, str) else "unknown", part))
    return out


def _thinking_list(part: JsonObject) -> JsonObject:
    """A thinking chunk of Mistral or Cohere: text, or a list of text chunks."""
    inner = part.get("thinking")
    if isinstance(inner, list):
        words = [i["text"] for i in inner if isinstance(i, dict) and isinstance(i.get("text"), str)]
        if len(words) == len(inner):
            return reasoning("".join(words), signature=part.get("signature"))
        return unknown("thinking", part)
    return reasoning(inner, signature=part.get("signature"), **rest(part, "type", "thinking", "signature"))


def _chat_call(call: Any) -> JsonObject:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return unknown("tool_call", call)
    more = {**rest(call, "id", "type", "function", "index").get("extra", {})}
    more.update(rest(function, "name", "arguments").get("extra", {}))
    extra: JsonObject = {"extra": more} if more else {}
    return tool_call(call.get("id"), function.get("name"), arguments(function.get("arguments")), **extra)
