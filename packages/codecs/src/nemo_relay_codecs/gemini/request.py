# SPDX-License-Identifier: Apache-2.0
"""Gemini generateContent, requests."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.base import Codec, Edit, JsonObject, native, without
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.gemini import encode
from nemo_relay_codecs.gemini.blocks import (
    PROVIDER,
    data_field,
    refuse_duplicates,
    request_call,
    request_response,
    visible,
)
from nemo_relay_codecs.gemini.response import GeminiResponses
from nemo_relay_codecs.gemini.shape import Request
from nemo_relay_codecs.values import is_u64

ID = "gemini_generate_content"
_MODELLED = frozenset(("systemInstruction", "contents", "generationConfig", "tools", "model"))
_ROLES = {"user": "user", "model": "assistant"}


class GeminiGenerateContentCodec(GeminiResponses, Codec):
    """Gemini generateContent. System text is a leading ``system`` message.

    >>> from nemo_relay_codecs import LLMRequest
    >>> body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    >>> GeminiGenerateContentCodec().decode(LLMRequest({}, body)).messages
    [{'role': 'user', 'content': 'Hi'}]
    """

    __slots__ = ()

    id: ClassVar[str] = ID
    surface: ClassVar[str] = "Gemini"
    label: ClassVar[str] = "Gemini"
    shape: ClassVar[type[Struct] | None] = Request

    def _read(self, content: JsonObject) -> JsonObject:
        messages: list[JsonObject] = []
        if "systemInstruction" in content:
            text = _system_text(content["systemInstruction"])
            if text:
                messages.append({"role": "system", "content": text})
        for owned in read_contents(content):
            messages += owned
        fields: JsonObject = {"messages": messages}
        params = _params(content["generationConfig"]) if "generationConfig" in content else {}
        if params:
            fields["params"] = params
        tools = _tools(content["tools"]) if "tools" in content else []
        if tools:
            fields["tools"] = tools
        if "model" in content:
            if not isinstance(content["model"], str):
                raise InvalidPayload("Gemini request 'model' must be a string")
            fields["model"] = content["model"]
        extra = {k: v for k, v in content.items() if k not in _MODELLED}
        if extra:
            fields["extra"] = extra
        return fields

    def _write(self, edit: Edit) -> None:
        encode.write(edit)


def read_contents(content: JsonObject) -> list[list[JsonObject]]:
    """The messages that each content item stands for."""
    if "contents" not in content:
        raise InvalidPayload("Gemini request is missing contents")
    items = content["contents"]
    if not isinstance(items, list):
        raise InvalidPayload("Gemini request contents must be an array")
    return [_item(item) for item in items]


def _item(item: Any) -> list[JsonObject]:
    if not isinstance(item, dict):
        raise InvalidPayload("Gemini contents item must be an object")
    role = item.get("role", "user")
    if not isinstance(role, str):
        raise InvalidPayload("Gemini contents item 'role' must be a string")
    if role not in _ROLES:
        raise InvalidPayload(f"Gemini contents item has unsupported role '{role}'; expected 'user' or 'model'")
    parts = item.get("parts")
    if not isinstance(parts, list):
        raise InvalidPayload("Gemini contents item must have an array 'parts' field")
    calls, responses = _checked(parts)
    if calls and responses:
        raise InvalidPayload("Gemini contents item must not contain both functionResponse and functionCall parts")
    if responses:
        return _results(parts, responses, role)
    content = visible(parts)
    if calls:
        if role != "model":
            raise InvalidPayload(f"Gemini functionCall parts must be in a 'model' role content item, got '{role}'")
        refuse_duplicates((p["functionCall"] for p in parts if "functionCall" in p), "functionCall")
        filled = {} if content is None else {"content": content}
        return [{"role": "assistant", **filled, "tool_calls": calls}]
    return [{"role": _ROLES[role], "content": "" if content is None else content}]


def _checked(parts: list[Any]) -> tuple[list[JsonObject], list[JsonObject]]:
    """Check every part in order; the normalised calls and responses among them."""
    calls, responses = [], []
    for part in parts:
        if not isinstance(part, dict):
            raise InvalidPayload("Gemini parts item must be an object")
        kind = data_field(part, "request")
        if kind == "functionResponse":
            responses.append(request_response(part[kind]))
        elif kind == "functionCall":
            calls.append(request_call(part[kind]))
        elif kind == "text" and not isinstance(part[kind], str):
            raise InvalidPayload("Gemini parts item 'text' must be a string")
    return calls, responses


def _results(parts: list[JsonObject], responses: list[JsonObject], role: str) -> list[JsonObject]:
    if role != "user":
        raise InvalidPayload(f"Gemini functionResponse parts must be in a 'user' role content item, got '{role}'")
    refuse_duplicates((p["functionResponse"] for p in parts if "functionResponse" in p), "functionResponse")
    filled = visible(parts)  # what a tool shows may stand beside its result
    return responses if filled is None else [*responses, {"role": "user", "content": filled}]


def _system_text(instruction: Any) -> str:
    name = "Gemini systemInstruction"
    if not isinstance(instruction, dict):
        raise InvalidPayload(f"{name} must be an object")
    if not isinstance(instruction.get("role", ""), str):
        raise InvalidPayload(f"{name}.role must be a string")
    if "parts" not in instruction:
        raise InvalidPayload(f"{name} must have a 'parts' field")
    parts = instruction["parts"]
    if not isinstance(parts, list):
        raise InvalidPayload(f"{name}.parts must be an array")
    texts = []
    for part in parts:
        if not isinstance(part, dict):
            raise InvalidPayload(f"{name}.parts entry must be an object")
        if data_field(part, "systemInstruction") != "text":
            raise InvalidPayload(f"{name}.parts entries must be text parts")
        if not isinstance(part["text"], str):
            raise InvalidPayload(f"{name}.parts[].text must be a string")
        texts.append(part["text"])
    return "\n".join(texts)


def _params(config: Any) -> JsonObject:
    if not isinstance(config, dict):
        raise InvalidPayload("Gemini generationConfig must be an object")
    out: JsonObject = {}
    for key, name in (("temperature", "temperature"), ("topP", "top_p")):
        if key in config:
            try:
                out[name] = request_readers.number(config[key], "Gemini", key)
            except InvalidPayload:
                raise InvalidPayload(f"Gemini {key} must be a number") from None
    if "maxOutputTokens" in config:
        if not is_u64(config["maxOutputTokens"]):
            raise InvalidPayload("Gemini maxOutputTokens must be a non-negative integer")
        out["max_tokens"] = config["maxOutputTokens"]
    if "stopSequences" in config:
        stops = config["stopSequences"]
        if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
            raise InvalidPayload("Gemini stopSequences must be an array of strings")
        out["stop"] = stops
    return out


def _tools(groups: Any) -> list[JsonObject]:
    if not isinstance(groups, list):
        raise InvalidPayload("Gemini tools must be an array")
    out: list[JsonObject] = []
    for group in groups:
        if not isinstance(group, dict):
            raise InvalidPayload("Gemini tools[] entry must be an object")
        declared = "functionDeclarations" in group
        if declared:
            out += _declarations(group["functionDeclarations"])
        rest = without(group, "functionDeclarations")
        if rest or not declared:
            kind = min(rest, default="unknown")
            out.append(native(PROVIDER, kind, rest, type="provider_native"))
    return out


def _declarations(declarations: Any) -> list[JsonObject]:
    if not isinstance(declarations, list):
        raise InvalidPayload("Gemini functionDeclarations must be an array")
    for entry in declarations:
        if not isinstance(entry, dict):
            raise InvalidPayload("Gemini functionDeclaration entry must be an object")
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            raise InvalidPayload("Gemini functionDeclaration must have a non-empty 'name'")
        if not isinstance(entry.get("description", ""), str):
            raise InvalidPayload("Gemini functionDeclaration.description must be a string")
    return [{"type": "function", "function": entry} for entry in declarations]
