# SPDX-License-Identifier: Apache-2.0
"""OCI GenAI chat, responses. Only malformed message content fails; other surprises are left out of the view."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.base import JsonObject, native, type_name
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.model import parts
from nemo_relay_codecs.response_readers import present, uncached
from nemo_relay_codecs.values import is_u64, parsed

FINISH = {
    **dict.fromkeys(("stop", "COMPLETE", "STOP_SEQUENCE"), "complete"),
    **dict.fromkeys(("length", "max_tokens", "MAX_TOKENS"), "length"),
    **dict.fromkeys(("tool_calls", "TOOL_CALL"), "tool_use"),
}
_ENVELOPE = frozenset(("modelId", "modelVersion", "chatResponse"))


def generic_content(raw: Any) -> Any:
    """Message content: one text, a list of parts, or None."""
    if raw is None or raw == []:
        return None
    if isinstance(raw, str):
        return raw
    if not isinstance(raw, list):
        raise InvalidPayload("OCI GenAI GENERIC message content must be a string, an array, or null")
    for entry in raw:
        if not isinstance(entry, dict):
            raise InvalidPayload("OCI GenAI GENERIC content part must be an object")
    if all(e.get("type") == "TEXT" and isinstance(e.get("text"), str | None) for e in raw):
        return "".join([entry.get("text") or "" for entry in raw])
    return [_part(entry) for entry in raw]


def _part(entry: JsonObject) -> JsonObject:
    if entry.get("type") == "TEXT" and isinstance(entry.get("text", ""), str):
        return {"text": "", **entry, "type": "text"}
    return native("oci_genai", type_name(entry), entry, type="provider_native")


class _Shape:
    """Where a response keeps its parts, by format."""

    __slots__ = ("api_format", "choice", "envelope", "message", "root")

    def __init__(self, response: JsonObject) -> None:
        inner = response.get("chatResponse")
        self.envelope: JsonObject = response if isinstance(inner, dict) else {}
        self.root: JsonObject = inner if isinstance(inner, dict) else response
        stated = self.root.get("apiFormat")
        self.api_format = stated.upper() if isinstance(stated, str) else "GENERIC"
        self.choice: JsonObject = {}
        if self.api_format == "COHERE":
            self.message: JsonObject | None = None
            return
        if self.api_format == "COHEREV2":
            holder = self.root
        else:
            choices = self.root.get("choices")
            first = choices[0] if isinstance(choices, list) and choices else None
            holder = self.choice = first if isinstance(first, dict) else {}
        message = holder.get("message")
        self.message = message if isinstance(message, dict) else {}

    @property
    def finish_holder(self) -> JsonObject:
        """The object with ``finishReason``."""
        return self.root if self.api_format in ("COHERE", "COHEREV2") else self.choice


class OCIResponses:
    """The response side of the OCI codec."""

    __slots__ = ()

    id: ClassVar[str]

    def _read_response(self, response: Any) -> JsonObject:
        if not isinstance(response, dict):
            return {"extra": {"raw": response}}
        shape = _Shape(response)
        fields = present(
            model=_text(shape.envelope, "modelId"),
            id=_text(shape.root, "id") if shape.api_format == "COHEREV2" else None,
            message=self._message(shape),
            tool_calls=_calls((shape.root if shape.message is None else shape.message).get("toolCalls")),
        )
        reason = _text(shape.finish_holder, "finishReason")
        if reason is not None:
            fields["finish_reason"] = FINISH.get(reason, reason)
        usage = shape.root.get("usage")
        if isinstance(usage, dict):
            fields["usage"] = _usage(usage)
        version = _text(shape.envelope, "modelVersion")
        fields["api_specific"] = {"api": self.id, "api_format": shape.api_format, **present(model_version=version)}
        extra = _leftovers(shape)
        if extra:
            fields["extra"] = extra
        return fields

    def _message(self, shape: _Shape) -> Any:
        if shape.message is None:
            return _text(shape.root, "text")
        return generic_content(shape.message.get("content"))

    def choices(self, response: Any) -> list[JsonObject]:
        """Every alternative, its content as neutral parts."""
        if not isinstance(response, dict):
            return []
        shape = _Shape(response)
        if shape.api_format in ("COHERE", "COHEREV2"):
            entries = [shape.root]
        else:
            found = shape.root.get("choices")
            entries = [c for c in (found if isinstance(found, list) else ()) if isinstance(c, dict)]
        return [_choice(entry, position) for position, entry in enumerate(entries)]

    def raw_usage(self, response: Any) -> Any:
        """The provider's usage object."""
        return _Shape(response).root.get("usage") if isinstance(response, dict) else None


def _text(holder: JsonObject, key: str) -> str | None:
    found = holder.get(key)
    return found if isinstance(found, str) else None


def _calls(raw: Any) -> list[JsonObject] | None:
    out = []
    for position, call in enumerate(raw if isinstance(raw, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        holder = function if isinstance(function, dict) else call
        if not isinstance(holder, dict) or not isinstance(holder.get("name"), str):
            continue
        call_id = call.get("id")
        out.append(
            {
                "id": call_id if isinstance(call_id, str) else f"call_{position}",
                "name": holder["name"],
                "arguments": _arguments(holder),
            }
        )
    return out or None


def _arguments(holder: JsonObject) -> Any:
    if "arguments" not in holder:
        return holder.get("parameters")
    value = holder["arguments"]
    return ({} if not value.strip() else parsed(value)) if isinstance(value, str) else value


def _usage(usage: JsonObject) -> JsonObject:
    def count(holder: Any, key: str) -> int | None:
        found = holder.get(key) if isinstance(holder, dict) else None
        return found if is_u64(found) else None

    prompt = count(usage, "promptTokens")
    cached = count(usage.get("promptTokensDetails"), "cachedTokens")
    return present(
        prompt_tokens=prompt,
        completion_tokens=count(usage, "completionTokens"),
        total_tokens=count(usage, "totalTokens"),
        cache_read_tokens=cached,
        uncached_input_tokens=uncached(prompt, cached),
    )


_CONSUMED = {
    "COHERE": frozenset(("apiFormat", "text", "finishReason", "toolCalls", "usage")),
    "COHEREV2": frozenset(("apiFormat", "id", "message", "finishReason", "usage")),
}
_CONSUMED_GENERIC = frozenset(("apiFormat", "choices", "usage"))
_CONSUMED_MESSAGE = frozenset(("role", "content", "toolCalls"))


def _leftovers(shape: _Shape) -> JsonObject:
    consumed = _CONSUMED.get(shape.api_format, _CONSUMED_GENERIC)
    out = {k: v for k, v in shape.envelope.items() if k not in _ENVELOPE}
    out.update((k, v) for k, v in shape.root.items() if k not in consumed)
    choice = {k: v for k, v in shape.choice.items() if k not in ("index", "message", "finishReason")}
    message = {k: v for k, v in (shape.message or {}).items() if k not in _CONSUMED_MESSAGE}
    out.update({"choice": choice} if choice else {})
    out.update({"message": message} if message else {})
    return out


def _choice(entry: JsonObject, position: int) -> JsonObject:
    message = entry.get("message")
    holder = message if isinstance(message, dict) else entry
    out: list[JsonObject] = []
    if isinstance(holder.get("reasoningContent"), str):
        out.append(parts.reasoning(holder["reasoningContent"]))
    out += _words(holder)
    for call in holder.get("toolCalls") or () if isinstance(holder.get("toolCalls"), list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        source = function if isinstance(function, dict) else call
        if isinstance(source, dict):
            out.append(parts.tool_call(call.get("id"), source.get("name"), _arguments(source)))
        else:
            out.append(parts.unknown("toolCall", call))
    if isinstance(holder.get("citations"), list):
        out += [parts.citation(c) for c in holder["citations"]]
    reason = entry.get("finishReason")
    index = entry.get("index")
    return {
        "index": index if type(index) is int else position,
        "parts": out,
        **present(finish_reason=FINISH.get(reason, reason) if isinstance(reason, str) else None),
        **parts.rest(entry, "index", "message", "finishReason", "text", "toolCalls", "usage", "apiFormat", "id"),
    }


def _words(holder: JsonObject) -> list[JsonObject]:
    content = holder.get("content", holder.get("text"))
    if isinstance(content, str):
        return [parts.text(content)] if content else []
    out = []
    for entry in content if isinstance(content, list) else ():
        if isinstance(entry, dict) and entry.get("type") == "TEXT" and isinstance(entry.get("text"), str):
            out.append(parts.text(entry["text"], **parts.rest(entry, "type", "text")))
        else:
            out.append(parts.unknown(type_name(entry), entry))
    return out
