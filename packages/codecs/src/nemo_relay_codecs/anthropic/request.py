# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages, requests."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.alignment import patch
from nemo_relay_codecs.anthropic.response import AnthropicResponses
from nemo_relay_codecs.anthropic.shape import Choice, Content, Message, Tool
from nemo_relay_codecs.base import Codec, Edit, JsonObject, cannot, native, read_members, type_name, without
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.request_readers import Member
from nemo_relay_codecs.shape import request_shape
from nemo_relay_codecs.tools import own_choice

ID = "anthropic_messages"
_ROLES = frozenset(("user", "assistant", "system"))
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_WIRE_CHOICES = {decoded: wire for wire, decoded in _CHOICES.items()}
_UNSUPPORTED = (
    *("store", "previous_response_id", "truncation", "reasoning", "include", "user"),
    *("max_output_tokens", "max_tool_calls", "top_logprobs"),
)


def _stop(value: Any, surface: str, key: str) -> list[str]:
    return request_readers.strings(value, "Anthropic stop_sequences value")


MEMBERS: dict[str, Member] = {
    **{k: Member("special", k, request_readers.anything, null_matters=True) for k in ("messages", "system", "tools")},
    "tool_choice": Member("special", "tool_choice", request_readers.anything, null_matters=True),
    **request_readers.top(request_readers.string, "model"),
    **request_readers.param(request_readers.count, "max_tokens", "max_tokens"),
    **request_readers.param(request_readers.number, "temperature", "temperature"),
    **request_readers.param(request_readers.number, "top_p", "top_p"),
    **request_readers.param(_stop, "stop_sequences", "stop"),
    **request_readers.top(request_readers.mapping, "metadata"),
    **request_readers.top(request_readers.string, "service_tier"),
    **request_readers.top(request_readers.boolean, "stream"),
    **request_readers.api(request_readers.mapping, "cache_control", "output_config", "thinking"),
    **request_readers.api(request_readers.string, "container", "inference_geo"),
    **request_readers.api(request_readers.count, "top_k"),
    "anthropic-user-profile-id": Member("api_specific", "user_profile_id", request_readers.string),
}
_SHAPE = request_shape(
    MEMBERS,
    {"messages": list[Message]},
    system=Content,
    tools=list[Tool],
    tool_choice=Choice,
    stop_sequences=list[str] | None,
)


class AnthropicMessagesCodec(AnthropicResponses, Codec):
    """Anthropic Messages.

    >>> from nemo_relay_codecs import LLMRequest
    >>> body = {"model": "m-1", "max_tokens": 64, "system": "Be brief.", "messages": []}
    >>> AnthropicMessagesCodec().decode(LLMRequest({}, body)).system_prompt()
    'Be brief.'
    """

    __slots__ = ()

    id: ClassVar[str] = ID
    surface: ClassVar[str] = "Anthropic Messages"
    label: ClassVar[str] = "Anthropic Messages"
    shape: ClassVar[type[Struct] | None] = _SHAPE

    def _read(self, content: JsonObject) -> JsonObject:
        if "messages" not in content:
            raise InvalidPayload(f"{self.surface} request is missing messages")
        messages = content["messages"]
        if not isinstance(messages, list):
            raise InvalidPayload(f"{self.surface} messages must be an array")
        normalised = [self._message(m) for m in messages]
        fields, params, special = read_members(content, MEMBERS, self.surface, self.id)
        fields["messages"] = normalised
        if "system" in special:
            fields["instructions"] = self._content(special["system"])
        if params:
            fields["params"] = params
        if "tools" in special:
            fields["tools"] = self._tools(special["tools"])
        if "tool_choice" in special:
            self._choice_fields(special["tool_choice"], fields)
        return fields

    def _choice_fields(self, raw: Any, fields: JsonObject) -> None:
        fields["tool_choice"] = _decode_choice(raw, self.id)
        disabled = raw.get("disable_parallel_tool_use") if isinstance(raw, dict) else None
        if disabled is not None:
            request_readers.boolean(disabled, self.surface, "tool_choice disable_parallel_tool_use")
            fields["parallel_tool_calls"] = not disabled

    def _message(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} message must be an object")
        role = raw.get("role")
        if not isinstance(role, str):
            raise InvalidPayload(f"{self.surface} message is missing role")
        if "content" not in raw:
            raise InvalidPayload(f"{self.surface} message is missing content")
        if len(raw) > 2:
            return native(self.id, role, raw, role="provider_native")
        content = self._content(raw["content"])
        if role not in _ROLES:
            return native(self.id, role, raw, role="provider_native")
        return raw if content is raw["content"] else {**raw, "content": content}

    def _content(self, raw: Any) -> Any:
        if isinstance(raw, str):
            return raw
        if not isinstance(raw, list):
            raise InvalidPayload(f"{self.surface} content must be a string or an array")
        blocks = [self._block(block) for block in raw]
        return raw if all(b is r for b, r in zip(blocks, raw, strict=True)) else blocks

    def _block(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} content block must be an object")
        kind = raw.get("type")
        if kind == "text":
            if not isinstance(raw.get("text"), str):
                raise InvalidPayload("Anthropic text block is missing text")
            return raw
        if kind == "image":
            return {"type": "image", "image": without(raw, "type")}
        if kind == "document":
            return {"type": "file", "file": without(raw, "type")}
        if kind == "tool_use":
            _required(raw, "tool_use block", ("id", "name"), "input")
            return raw
        if kind == "tool_result":
            return self._result(raw)
        return native(self.id, type_name(raw), raw, type="provider_native")

    def _result(self, raw: JsonObject) -> JsonObject:
        _required(raw, "tool_result block", ("tool_use_id",), "content")
        failed = raw.get("is_error")
        if failed is None:
            return without(raw, "is_error") if "is_error" in raw else raw
        if not isinstance(failed, bool):
            raise InvalidPayload("Anthropic tool_result is_error must be a boolean")
        return raw

    def _tools(self, raw: Any) -> list[JsonObject]:
        if not isinstance(raw, list):
            raise InvalidPayload(f"{self.surface} tools must be an array")
        return [self._tool(tool) for tool in raw]

    def _tool(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} tool must be an object")
        if "type" in raw or "name" not in raw or "input_schema" not in raw:
            return native(self.id, type_name(raw), raw, type="provider_native")
        name, description, strict = raw["name"], raw.get("description"), raw.get("strict")
        if name is None:
            raise InvalidPayload(f"{self.surface} tool is missing name")
        function: JsonObject = {"name": request_readers.string(name, self.surface, "tool name")}
        if description is not None:
            function["description"] = request_readers.string(description, self.surface, "tool description")
        function["parameters"] = raw["input_schema"]
        if strict is not None:
            function["strict"] = request_readers.boolean(strict, self.surface, "tool strict")
        rest = without(raw, "name", "description", "input_schema", "strict", "function")
        return {"type": "function", "function": function, **rest}

    def _write(self, edit: Edit) -> None:
        edit.items("messages", "messages", self._encode_message)
        if edit.messages_only:
            return
        edit.refuse(*_UNSUPPORTED)
        if "instructions" in edit.changed:
            instructions = edit.after.get("instructions")
            edit.put("system", self._encode_content(instructions) if isinstance(instructions, list) else instructions)
        edit.scalars("model")
        for name, value in edit.changed_params().items():
            edit.put("stop_sequences" if name == "stop" else name, value)
        edit.items("tools", "tools", self._encode_tool)
        self._write_choice(edit)
        edit.scalars("metadata", "service_tier", "stream")
        edit.api(self.id, MEMBERS)
        edit.extra()

    def _encode_message(self, message: JsonObject) -> Any:
        role = message["role"]
        if role == "provider_native" and message["provider"] == self.id:
            return message["value"]
        if role not in _ROLES:
            raise cannot("message", message, self.surface)
        content = message.get("content")
        if content is None:
            content = []
        return {"role": role, "content": self._encode_content(content) if isinstance(content, list) else content}

    def _encode_content(self, content: list[JsonObject]) -> list[Any]:
        return [self._encode_part(part) for part in content]

    def _encode_part(self, part: JsonObject) -> Any:
        kind = part["type"]
        if kind in ("text", "tool_use", "tool_result"):
            return part
        if kind in ("image", "file"):
            wire = "image" if kind == "image" else "document"
            if not isinstance(part[kind], dict):
                raise InvalidPayload(f"Anthropic {wire} payload must be an object")
            return {"type": wire, **part[kind], **without(part, "type", kind)}
        if kind == "provider_native" and part["provider"] == self.id:
            return part["value"]
        raise cannot("content part", part, self.surface)

    def _encode_tool(self, tool: JsonObject) -> Any:
        if tool["type"] == "function":
            function = tool["function"]
            out = {"name": function["name"], **without(function, "name", "parameters")}
            if "parameters" in function:
                out["input_schema"] = function["parameters"]
            return {**out, **without(tool, "type", "function")}
        if tool["provider"] == self.id:
            return tool["value"]
        raise cannot("tool", tool, self.surface)

    def _write_choice(self, edit: Edit) -> None:
        if not edit.changed & {"tool_choice", "parallel_tool_calls"}:
            return
        before, after = self._encode_choice(edit.before), self._encode_choice(edit.after)
        raw = edit.content.get("tool_choice")
        if before is not None and after is not None and isinstance(raw, dict):
            edit.content["tool_choice"] = patch(raw, before, after)
        else:
            edit.put("tool_choice", after)

    def _encode_choice(self, fields: JsonObject) -> Any:
        choice, parallel = fields.get("tool_choice"), fields.get("parallel_tool_calls")
        if choice is None and parallel is None:
            return None
        if choice is None:
            choice = "auto"
        if isinstance(choice, str):
            encoded: Any = {"type": _WIRE_CHOICES[choice]}
        elif "function" in choice:
            encoded = {"type": "tool", "name": choice["function"]["name"]}
        else:
            encoded = own_choice(choice, self.id, self.surface)
        if parallel is not None and isinstance(encoded, dict):
            encoded = {**encoded, "disable_parallel_tool_use": not parallel}
        return encoded


def _required(raw: JsonObject, what: str, strings: tuple[str, ...], member: str) -> None:
    for key in strings:
        if not isinstance(raw.get(key), str):
            raise InvalidPayload(f"Anthropic {what} is missing {key}")
    if member not in raw:
        raise InvalidPayload(f"Anthropic {what} is missing {member}")


def _decode_choice(raw: Any, provider: str) -> Any:
    kind = type_name(raw)
    if kind in _CHOICES:
        return _CHOICES[kind]
    if kind == "tool" and isinstance(raw.get("name"), str):
        return {"type": "function", "function": {"name": raw["name"]}}
    return native(provider, kind, raw)
