# SPDX-License-Identifier: Apache-2.0
"""Gemini generateContent: everything of an edit but the contents."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.base import Edit, JsonObject, without
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.gemini import contents
from nemo_relay_codecs.gemini.blocks import PROVIDER, is_thought
from nemo_relay_codecs.values import same

_UNREPRESENTABLE = (
    *("instructions", "tool_choice", "store", "previous_response_id", "truncation", "reasoning", "include"),
    *("user", "metadata", "service_tier", "parallel_tool_calls", "max_output_tokens", "max_tool_calls"),
    *("top_logprobs", "stream", "api_specific"),
)
_PARAMS = {
    "temperature": "temperature",
    "topP": "top_p",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
}


def write(edit: Edit) -> None:
    """Merge the edit into the payload."""
    _refuse_names(edit.after["messages"])
    if not edit.changed.isdisjoint(_UNREPRESENTABLE):
        name = next(name for name in _UNREPRESENTABLE if name in edit.changed)
        raise InvalidPayload(
            f"Gemini encoder: field '{name}' is not representable in the Gemini generateContent API; "
            "use a provider-native extra field instead"
        )
    _write_messages(edit)
    if edit.messages_only:
        return
    edit.scalars("model")
    if "params" in edit.changed:
        _write_params(edit)
    if "tools" in edit.changed:
        _write_tools(edit)
    edit.extra()


def _refuse_names(messages: list[JsonObject]) -> None:
    for message in messages:
        if message["role"] in ("system", "user", "assistant") and message.get("name") is not None:
            kind = message["role"].capitalize()
            raise InvalidPayload(f"Gemini encoder: Message::{kind}.name is not representable")


def _write_messages(edit: Edit) -> None:
    if "messages" not in edit.changed:
        return
    old_system, old = _split(edit.before["messages"])
    new_system, new = _split(edit.after["messages"])
    if not same(old_system, new_system):
        _write_system(edit, new_system)
    if not same(old, new):
        edit.content["contents"] = contents.merge(new, old, edit.content["contents"])


def _split(messages: list[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
    """The system messages, and the others."""
    system = [m for m in messages if m["role"] == "system"]
    return system, [m for m in messages if m["role"] != "system"] if system else messages


def _system_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for part in content:
        if part["type"] != "text":
            raise InvalidPayload(
                f"Gemini encoder: normalized content part type '{part['type']}' cannot be encoded into a "
                "Gemini text part; use a provider-native extra field for non-text content"
            )
        texts.append(part["text"])
    return "\n".join(texts)


def _write_system(edit: Edit, messages: list[JsonObject]) -> None:
    text = "\n".join(t for t in (_system_text(m["content"]) for m in messages) if t)
    original = edit.content.get("systemInstruction")
    if not text:
        edit.content.pop("systemInstruction", None)
    elif original is None:
        edit.content["systemInstruction"] = {"parts": [{"text": text}]}
    else:
        edit.content["systemInstruction"] = {**original, "parts": _system_parts(original["parts"], text)}


def _system_parts(parts: list[JsonObject], text: str) -> list[JsonObject]:
    visible = [i for i, part in enumerate(parts) if not is_thought(part)]
    if len(visible) > 1:
        raise InvalidPayload(
            "Gemini systemInstruction with multiple text parts or non-text parts cannot be edited via the "
            "normalized layer; edit the raw provider payload directly"
        )
    if not visible:
        return [*parts, {"text": text}]
    return [{**part, "text": text} if i == visible[0] else part for i, part in enumerate(parts)]


def _write_params(edit: Edit) -> None:
    params = edit.after.get("params") or {}
    config = dict(edit.content.get("generationConfig") or {})
    for key, name in _PARAMS.items():
        edit.put(key, params.get(name), config)
    edit.put("generationConfig", config or None)


def _write_tools(edit: Edit) -> None:
    functions: list[Any] = []
    natives: list[JsonObject] = []
    for tool in edit.after.get("tools") or ():
        if tool["type"] == "function":
            functions.append(_declaration(tool["function"]))
        else:
            natives.append(_native_group(tool))
    groups = edit.content.get("tools") or []
    declared = sum("functionDeclarations" in group for group in groups)
    if declared > 1:
        raise InvalidPayload(
            f"Gemini encoder: the original request has {declared} functionDeclarations groups; editing tools with "
            "multiple groups is not supported because the decode path flattens them and grouping cannot be "
            "recovered. Use provider-native extra fields to manage multi-group tools."
        )
    edit.put("tools", _regrouped(groups, functions, natives) or None)


def _declaration(function: JsonObject) -> JsonObject:
    if not function["name"]:
        raise InvalidPayload("Gemini encoder: FunctionDefinition.name must be non-empty")
    if function.get("strict") is not None:
        raise InvalidPayload(
            "Gemini encoder: FunctionDefinition.strict is not supported; remove it or use a provider-native extra field"
        )
    return function


def _native_group(tool: JsonObject) -> JsonObject:
    if tool["provider"] != PROVIDER:
        raise InvalidPayload(
            f"Gemini encoder: ProviderNative tool '{tool['kind']}' (provider '{tool['provider']}') "
            "cannot be represented on the Gemini surface"
        )
    value = tool["value"]
    if not isinstance(value, dict):
        raise InvalidPayload("Gemini encoder: ProviderNative tool value must be an object")
    if "functionDeclarations" in value:
        raise InvalidPayload(
            "Gemini encoder: ProviderNative tool value must not contain functionDeclarations; "
            "use ToolDefinition::Function instead"
        )
    return value


def _regrouped(groups: list[JsonObject], functions: list[Any], natives: list[JsonObject]) -> list[JsonObject]:
    """The groups of the original, each refilled in its place; what has no place is appended."""
    left = list(natives)

    def take(keys: list[str]) -> JsonObject | None:
        found = next((i for i, group in enumerate(left) if sorted(group) == keys), None)
        return None if found is None else left.pop(found)

    out: list[JsonObject] = []
    placed = False
    for group in groups:
        if "functionDeclarations" not in group:
            replacement = take(sorted(group))
            out += [] if replacement is None else [replacement]
            continue
        rest = without(group, "functionDeclarations")
        companion = (take(sorted(rest)) or {}) if rest else {}
        placed = True
        refilled = {"functionDeclarations": functions, **companion} if functions else companion
        if refilled:
            out.append(refilled)
    if functions and not placed:
        out.append({"functionDeclarations": functions})
    return out + left
