# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses, requests."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.alignment import merge, patch
from nemo_relay_codecs.base import Codec, Edit, JsonObject, cannot, native, read_members, type_name, without
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.openai_responses.response import ResponsesResponses
from nemo_relay_codecs.openai_responses.shape import Choice, Item, Tool
from nemo_relay_codecs.request_readers import Member
from nemo_relay_codecs.shape import request_shape
from nemo_relay_codecs.tools import check_function, own_choice
from nemo_relay_codecs.values import parsed, text_of

ID = "openai_responses"
_ROLES = frozenset(("user", "system", "developer", "assistant"))
_MESSAGE_KEYS = frozenset(("type", "role", "content"))
_IMAGE_KEYS = ("image_url", "file_id", "detail")
_FILE_KEYS = ("file_data", "file_id", "file_url", "filename")
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_SCALARS = (
    *("store", "stream", "parallel_tool_calls", "previous_response_id", "user", "service_tier"),
    *("max_tool_calls", "top_logprobs", "reasoning", "metadata", "include", "truncation"),
)


def _special(
    key: str, read: request_readers.Reader = request_readers.anything, *, null_matters: bool = True
) -> dict[str, Member]:
    return {key: Member("special", key, read, null_matters)}


MEMBERS: dict[str, Member] = {
    **_special("input"),
    **request_readers.top(request_readers.string, "instructions", "model"),
    **request_readers.param(request_readers.number, "temperature", "temperature"),
    **request_readers.top(request_readers.count, "max_output_tokens"),
    **request_readers.param(request_readers.number, "top_p", "top_p"),
    **_special("tools"),
    **_special("tool_choice"),
    **request_readers.top(request_readers.boolean, "store", "stream", "parallel_tool_calls"),
    **request_readers.top(request_readers.string, "previous_response_id", "user", "service_tier"),
    **request_readers.top(request_readers.count, "max_tool_calls", "top_logprobs"),
    **request_readers.top(request_readers.mapping, "reasoning", "metadata"),
    **request_readers.top(request_readers.array, "include"),
    "truncation": Member("top", "truncation", request_readers.anything, null_matters=True),
    **request_readers.api(request_readers.boolean, "background"),
    **request_readers.api(request_readers.string, "prompt_cache_key", "prompt_cache_retention", "safety_identifier"),
    **request_readers.api(request_readers.array, "context_management"),
    **request_readers.api(
        request_readers.mapping, "moderation", "prompt", "prompt_cache_options", "stream_options", "text"
    ),
    "conversation": Member("api_specific", "conversation", request_readers.anything, null_matters=True),
}
_SHAPE = request_shape(MEMBERS, {"input": str | list[Item]}, tools=list[Tool], tool_choice=str | Choice)


# What a request may have in place of input of its own.
_INSTEAD = ("prompt", "previous_response_id", "conversation")


class OpenAIResponsesCodec(ResponsesResponses, Codec):
    """OpenAI Responses.

    >>> from nemo_relay_codecs import LLMRequest
    >>> OpenAIResponsesCodec().decode(LLMRequest({}, {"model": "m-1", "input": "Hi"})).messages
    [{'role': 'user', 'content': 'Hi'}]
    """

    __slots__ = ()

    id: ClassVar[str] = ID
    surface: ClassVar[str] = "OpenAI Responses"
    label: ClassVar[str] = "OpenAI Responses"
    shape: ClassVar[type[Struct] | None] = _SHAPE

    def _read(self, content: JsonObject) -> JsonObject:
        if "input" not in content and not any(content.get(key) is not None for key in _INSTEAD):
            raise InvalidPayload(f"{self.surface} request is missing input")
        messages = self._input(content["input"]) if "input" in content else []
        fields, params, special = read_members(content, MEMBERS, self.surface, self.id)
        fields["messages"] = messages
        if "max_output_tokens" in fields:
            params["max_tokens"] = fields["max_output_tokens"]
        if params:
            fields["params"] = params
        if special.get("tools") is not None:
            fields["tools"] = self._tools(special["tools"])
        if "tool_choice" in special:
            self._choice_fields(special["tool_choice"], fields)
        return fields

    def _choice_fields(self, raw: Any, fields: JsonObject) -> None:
        fields["tool_choice"] = _decode_choice(raw, self.id)
        parallel = fields.get("parallel_tool_calls")
        disabled = raw.get("disable_parallel_tool_use") if isinstance(raw, dict) else None
        if disabled is not None:
            request_readers.boolean(disabled, self.surface, "tool_choice disable_parallel_tool_use")
            fields["parallel_tool_calls"] = not disabled if parallel is None else parallel

    def _input(self, raw: Any) -> list[JsonObject]:
        if isinstance(raw, str):
            return [{"role": "user", "content": raw}]
        if not isinstance(raw, list):
            raise InvalidPayload(f"{self.surface} input must be a string or an array")
        return [self._item(item) for item in raw]

    def _item(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} input item must be an object")
        role = raw.get("role")
        if isinstance(role, str):
            return self._message(raw, role)
        kind = type_name(raw)
        if kind == "function_call":
            return self._call(raw)
        if kind == "function_call_output":
            return self._result(raw)
        return native(self.id, kind, raw, role="provider_native")

    def _message(self, raw: JsonObject, role: str) -> JsonObject:
        if not raw.keys() <= _MESSAGE_KEYS:
            return native(self.id, "message", raw, role="provider_native")
        if "content" not in raw:
            raise InvalidPayload(f"{self.surface} message is missing content")
        content = self._content(raw["content"])
        if role not in _ROLES:
            return native(self.id, "message", raw, role="provider_native")
        return raw if content is raw["content"] and len(raw) == 2 else {"role": role, "content": content}

    def _required(self, raw: JsonObject, what: str, *keys: str) -> None:
        for key in keys:
            if not isinstance(raw.get(key), str):
                raise InvalidPayload(f"{self.surface} {what} is missing {key}")

    def _item_id(self, raw: JsonObject, what: str) -> tuple[str, ...]:
        """Check the optional id; the keys that the normalised item leaves out."""
        if raw.get("id") is None:
            return ("type", "id")
        request_readers.string(raw["id"], self.surface, f"{what} id")
        return ("type",)

    def _call(self, raw: JsonObject) -> JsonObject:
        self._required(raw, "function_call", "call_id", "name", "arguments")
        dropped = self._item_id(raw, "function_call")
        return {"role": "tool_call", **without(raw, *dropped, "role"), "arguments": parsed(raw["arguments"])}

    def _result(self, raw: JsonObject) -> JsonObject:
        self._required(raw, "function_call_output", "call_id")
        if "output" not in raw:
            raise InvalidPayload(f"{self.surface} function_call_output is missing output")
        dropped = self._item_id(raw, "function_call_output")
        return {"role": "tool_result", **without(raw, *dropped, "role")}

    def _content(self, raw: Any) -> Any:
        if isinstance(raw, str):
            return raw
        if not isinstance(raw, list):
            raise InvalidPayload(f"{self.surface} message content must be a string or array")
        return [self._part(part) for part in raw]

    def _part(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} content part must be an object")
        kind = raw.get("type")
        if kind in ("input_text", "output_text"):
            if not isinstance(raw.get("text"), str):
                raise InvalidPayload(f"{self.surface} text part is missing text")
            return {**raw, "type": "text"}
        if kind == "input_image":
            return _gathered(raw, "image", _IMAGE_KEYS)
        if kind == "input_file":
            return _gathered(raw, "file", _FILE_KEYS)
        if kind == "refusal":
            if not isinstance(raw.get("refusal"), str):
                raise InvalidPayload(f"{self.surface} refusal part is missing refusal")
            return raw
        return native(self.id, type_name(raw), raw, type="provider_native")

    def _tools(self, raw: Any) -> list[JsonObject]:
        if not isinstance(raw, list):
            raise InvalidPayload(f"{self.surface} tools must be an array")
        return [self._tool(tool) for tool in raw]

    def _tool(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} tool must be an object")
        if raw.get("type") != "function":
            return native(self.id, type_name(raw), raw, type="provider_native")
        nested = raw.get("function")
        function = without(nested if isinstance(nested, dict) else raw, "type", "function")
        tool = {"type": "function", "function": check_function(function, self.surface)}
        return {**without(raw, "function"), **tool} if isinstance(nested, dict) else tool

    def _write(self, edit: Edit) -> None:
        self._write_messages(edit)
        if edit.messages_only:
            return
        if isinstance(edit.after.get("instructions"), list):
            raise InvalidPayload(f"{self.surface} instructions cannot contain content parts")
        edit.scalars("instructions", "model")
        for name, value in edit.changed_params().items():
            if name == "stop" and value is not None:
                raise InvalidPayload(f"{self.surface} does not support stop sequences")
            edit.put("max_output_tokens" if name == "max_tokens" else name, value)
        self._write_tools(edit)
        edit.choice("tool_choice", self._encode_choice)
        edit.scalars("max_output_tokens", *_SCALARS)
        edit.api(self.id, MEMBERS)
        edit.extra()

    def _write_messages(self, edit: Edit) -> None:
        if "messages" not in edit.changed:
            return
        messages = edit.after["messages"]
        if isinstance(edit.content.get("input"), str) and len(messages) == 1:
            (only,) = messages
            if only["role"] == "user" and isinstance(only["content"], str) and "name" not in only:
                edit.content["input"] = only["content"]
                return
        edit.items("messages", "input", self._encode_item)

    def _encode_item(self, message: JsonObject) -> Any:
        role = message["role"]
        if role == "provider_native" and message["provider"] == self.id:
            return message["value"]
        if role == "tool_call":
            value = message["arguments"]
            encoded = value if isinstance(value, str) else text_of(value)
            return {"type": "function_call", **without(message, "role"), "arguments": encoded}
        if role == "tool_result":
            return {"type": "function_call_output", **without(message, "role")}
        if role not in _ROLES or message.get("content") is None:
            raise cannot("message", message, self.surface)
        content = message["content"]
        if isinstance(content, list):
            content = [self._encode_part(part, role) for part in content]
        return {"type": "message", "role": role, "content": content}

    def _encode_part(self, part: JsonObject, role: str) -> Any:
        kind = part["type"]
        if kind == "text":
            return {**part, "type": "output_text" if role == "assistant" else "input_text"}
        if kind == "image_url":
            image = part["image_url"]
            detail = {"detail": image["detail"]} if image.get("detail") is not None else {}
            rest = without(part, "type", "image_url")
            return {"type": "input_image", "image_url": image["url"], **detail, **rest}
        if kind in ("image", "file"):
            if not isinstance(part[kind], dict):
                raise InvalidPayload(f"{self.surface} {kind} content must be an object")
            return {"type": f"input_{kind}", **part[kind], **without(part, "type", kind)}
        if kind == "refusal" and role == "assistant":
            return part
        if kind == "provider_native" and part["provider"] == self.id:
            return part["value"]
        raise cannot("content part", part, self.surface)

    def _write_tools(self, edit: Edit) -> None:
        raw, before = edit.content.get("tools"), edit.before.get("tools")
        after = edit.after.get("tools")
        if "tools" in edit.changed and after is not None and isinstance(raw, list) and before:
            edit.content["tools"] = merge(after, before, raw, self._encode_tool, self._patch_tool)
        else:
            edit.items("tools", "tools", self._encode_tool)

    def _encode_tool(self, tool: JsonObject) -> Any:
        if tool["type"] == "function":
            return {"type": "function", **tool["function"], **without(tool, "type", "function")}
        if tool["provider"] == self.id:
            return tool["value"]
        raise cannot("tool", tool, self.surface)

    def _patch_tool(self, raw: Any, before: JsonObject, after: JsonObject) -> Any:
        nested = isinstance(raw, dict) and isinstance(raw.get("function"), dict)
        if not nested or before["type"] != "function" or after["type"] != "function":
            return patch(raw, self._encode_tool(before), self._encode_tool(after))
        outer = patch(without(raw, "function"), without(before, "function"), without(after, "function"))
        inner = patch(raw["function"], before["function"], after["function"])
        return {**outer, "function": inner}

    def _encode_choice(self, choice: Any) -> Any:
        if isinstance(choice, str):
            return choice
        if "function" in choice:
            return {"type": "function", "name": choice["function"]["name"]}
        return own_choice(choice, self.id, self.surface)


def _gathered(raw: JsonObject, kind: str, keys: tuple[str, ...]) -> JsonObject:
    """A part whose provider keys move into an inner object."""
    inner = {k: raw[k] for k in keys if k in raw}
    return {**without(raw, *keys), "type": kind, kind: inner}


def _decode_choice(raw: Any, provider: str) -> Any:
    if isinstance(raw, str) and raw in ("auto", "none", "required"):
        return raw
    if isinstance(raw, dict):
        kind = raw.get("type")
        if isinstance(kind, str) and kind in _CHOICES:
            return _CHOICES[kind]
        if kind in ("tool", "function"):
            name, function = raw.get("name"), raw.get("function")
            if not isinstance(name, str) and isinstance(function, dict):
                name = function.get("name")
            if isinstance(name, str):
                return {"type": "function", "function": {"name": name}}
    return native(provider, "tool_choice", raw)
