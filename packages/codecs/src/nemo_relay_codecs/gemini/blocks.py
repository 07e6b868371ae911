# SPDX-License-Identifier: Apache-2.0
"""Gemini parts: the rules that requests and responses share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nemo_relay_codecs.base import JsonObject, native, without
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.values import text_of

PROVIDER = "gemini"
DATA_FIELDS = frozenset(
    (
        *("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode"),
        "codeExecutionResult",
    )
)


def data_field(part: JsonObject, context: str) -> str | None:
    """The one data field of a part, None if it carries metadata only."""
    found = DATA_FIELDS & part.keys()
    if len(found) > 1:
        fields = ", ".join(sorted(found))
        raise InvalidPayload(f"Gemini generateContent {context} part must not contain multiple data fields: {fields}")
    return next(iter(found), None)


def is_thought(part: JsonObject) -> bool:
    """Whether a part is the model thinking."""
    return part.get("thought") is True


def optional_id(holder: JsonObject, context: str) -> str | None:
    """The id of a call or response."""
    if "id" not in holder:
        return None
    found = holder["id"]
    if not isinstance(found, str):
        raise InvalidPayload(f"Gemini generateContent {context}.id must be a string")
    if not found:
        raise InvalidPayload(f"Gemini generateContent {context}.id must be a non-empty string")
    return found


def effective_id(holder: JsonObject) -> str:
    """What correlates calls and responses: the id, else the name."""
    return str(holder.get("id", holder.get("name")))


def refuse_duplicates(holders: Iterable[JsonObject], kind: str) -> None:
    """Fail if two calls, or two responses, of one content share an id that somebody gave them.

    Parallel calls of one function without ids are what the Gemini API itself produces; they go by their order.
    """
    seen: dict[str, bool] = {}
    for holder in holders:
        key, named = effective_id(holder), "id" in holder
        if key in seen and (named or seen[key]):
            raise InvalidPayload(
                f"Gemini {kind} parts have duplicate effective id '{key}'; "
                "distinct ids are required to correlate function responses"
            )
        seen[key] = named or seen.get(key, False)


def visible(parts: list[JsonObject]) -> Any:
    """What a reader sees of a part list: one text, a list of content parts, or None."""
    shown = [p for p in parts if not is_thought(p) and "functionCall" not in p and "functionResponse" not in p]
    if not shown:
        return None
    if all(len(part) == 1 and "text" in part for part in shown):
        return shown[0]["text"] if len(shown) == 1 else "\n".join([part["text"] for part in shown])
    return [_content_part(part) for part in shown]


def _content_part(part: JsonObject) -> JsonObject:
    if "text" in part:
        return {**without(part, "type"), "type": "text"}
    kind = next((key for key in part if key in DATA_FIELDS), "unknown")
    return native(PROVIDER, kind, part, type="provider_native")


def request_call(call: Any) -> JsonObject:
    """Check a ``functionCall`` of a request and give the normalised tool call."""
    if not isinstance(call, dict):
        raise InvalidPayload("Gemini functionCall must be an object")
    name = call.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidPayload("Gemini functionCall is missing a non-empty 'name'")
    arguments = call.get("args", {})
    if not isinstance(arguments, dict):
        raise InvalidPayload("Gemini functionCall.args must be an object")
    call_id = optional_id(call, "functionCall") or name
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text_of(arguments)}}


def request_response(response: Any) -> JsonObject:
    """Check a ``functionResponse`` of a request and give the normalised tool message."""
    if not isinstance(response, dict):
        raise InvalidPayload("Gemini functionResponse must be an object")
    name = response.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidPayload("Gemini functionResponse is missing a non-empty 'name'")
    if "response" not in response:
        raise InvalidPayload("Gemini functionResponse is missing required 'response'")
    if not isinstance(response["response"], dict):
        raise InvalidPayload("Gemini functionResponse.response must be an object")
    content: Any = text_of(response["response"])
    if "parts" in response:
        content = [{"type": "text", "text": content}, *_nested(response["parts"])]
    call_id = optional_id(response, "functionResponse") or name
    return {"role": "tool", "content": content, "tool_call_id": call_id}


def _nested(parts: Any) -> list[JsonObject]:
    if not isinstance(parts, list):
        raise InvalidPayload("Gemini functionResponse.parts must be an array")
    out = []
    for part in parts:
        if not isinstance(part, dict):
            raise InvalidPayload("Gemini functionResponse.parts entry must be an object")
        kind = data_field(part, "functionResponse.parts")
        if kind in ("functionCall", "functionResponse"):
            raise InvalidPayload("Gemini functionResponse.parts must not contain nested functionCall/functionResponse")
        if kind == "text" and not isinstance(part["text"], str):
            raise InvalidPayload("Gemini functionResponse.parts[].text must be a string")
        out.append(native(PROVIDER, kind or "unknown", part, type="provider_native"))
    return out
