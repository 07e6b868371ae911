# SPDX-License-Identifier: Apache-2.0
"""OpenAI Chat Completions, requests."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.base import Codec, Edit, JsonObject, cannot, native, read_members, type_name, without
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.openai_chat.response import ChatResponses
from nemo_relay_codecs.openai_chat.shape import Messages, Tool
from nemo_relay_codecs.request_readers import Member
from nemo_relay_codecs.shape import request_shape
from nemo_relay_codecs.tools import check_function, decode_choice, own_choice

ID = "openai_chat"
_SPOKEN = frozenset(("system", "developer", "user"))
_PLAIN = frozenset(("system", "developer", "user", "assistant"))
_SPOKEN_KEYS = frozenset(("role", "content", "name"))
_ASSISTANT_KEYS = frozenset(("role", "content", "tool_calls", "name"))
_TOOL_KEYS = frozenset(("role", "content", "tool_call_id"))
_CALL_KEYS = frozenset(("id", "type", "function", "index"))  # clients echo the index of a streamed call
_CALLED_KEYS = frozenset(("name", "arguments"))
_API_STRINGS = (
    *("prompt_cache_key", "prompt_cache_retention", "reasoning_effort"),
    *("safety_identifier", "verbosity"),
)
_API_OBJECTS = (
    *("audio", "logit_bias", "moderation", "prediction", "prompt_cache_options"),
    *("response_format", "stream_options", "web_search_options"),
)
_SCALARS = ("store", "parallel_tool_calls", "stream", "user", "service_tier", "metadata", "top_logprobs")


def _modalities(value: Any, surface: str, key: str) -> list[str]:
    return request_readers.strings(value, f"{surface} modalities")


def _stop(value: Any, surface: str, key: str) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return request_readers.strings(value, f"{surface} stop value")
    raise InvalidPayload(f"{surface} stop must be a string, array, or null")


def _raw(key: str) -> dict[str, Member]:
    return {key: Member("special", key, request_readers.anything, null_matters=True)}


MEMBERS: dict[str, Member] = {
    **_raw("messages"),
    **request_readers.top(request_readers.string, "model"),
    **request_readers.param(request_readers.number, "temperature", "temperature"),
    **{k: Member("special", k, request_readers.count) for k in ("max_completion_tokens", "max_tokens")},
    **request_readers.param(request_readers.number, "top_p", "top_p"),
    **request_readers.param(_stop, "stop", "stop"),
    **_raw("tools"),
    **_raw("tool_choice"),
    **request_readers.top(request_readers.boolean, "store", "parallel_tool_calls", "stream"),
    **request_readers.top(request_readers.string, "user", "service_tier"),
    **request_readers.top(request_readers.mapping, "metadata"),
    **request_readers.top(request_readers.count, "top_logprobs"),
    **request_readers.api(request_readers.number, "frequency_penalty", "presence_penalty"),
    **request_readers.api(request_readers.array, "functions"),
    **request_readers.api(_modalities, "modalities"),
    **request_readers.api(request_readers.boolean, "logprobs"),
    **request_readers.api(request_readers.count, "n"),
    **request_readers.api(request_readers.integer, "seed"),
    **request_readers.api(request_readers.string, *_API_STRINGS),
    **request_readers.api(request_readers.mapping, *_API_OBJECTS),
    "function_call": Member("api_specific", "function_call", request_readers.anything, null_matters=True),
}


def chat_shape(members: dict[str, Member], **own: Any) -> type[Struct]:
    """The usual shape of a request of this family."""
    return request_shape(members, {"messages": Messages}, tools=list[Tool], modalities=list[str] | None, **own)


_UNSUPPORTED = (
    *("instructions", "previous_response_id", "truncation", "reasoning", "include"),
    *("max_output_tokens", "max_tool_calls"),
)


class OpenAIChatCodec(ChatResponses, Codec):
    """OpenAI Chat Completions.

    >>> from nemo_relay_codecs import LLMRequest
    >>> codec = OpenAIChatCodec()
    >>> request = LLMRequest({}, {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}]})
    >>> view = codec.decode(request)
    >>> view.last_user_message()
    'Hi'
    >>> view.params = {"temperature": 0.0}
    >>> codec.encode(view, request).content["temperature"]
    0.0
    """

    __slots__ = ()

    id: ClassVar[str] = ID
    surface: ClassVar[str] = "OpenAI Chat"
    label: ClassVar[str] = "OpenAI Chat"
    # What servers that speak almost this format do differently.
    members: ClassVar[dict[str, Member]] = MEMBERS
    shape: ClassVar[type[Struct] | None] = chat_shape(MEMBERS, stop=str | list[str] | None)
    wire_params: ClassVar[dict[str, str]] = {}
    wire_choices: ClassVar[dict[str, str]] = {}
    hidden_keys: ClassVar[frozenset[str]] = frozenset()

    def _read(self, content: JsonObject) -> JsonObject:
        if "messages" not in content:
            raise InvalidPayload(f"{self.surface} request is missing messages")
        messages = content["messages"]
        if not isinstance(messages, list):
            raise InvalidPayload(f"{self.surface} messages must be an array")
        normalised = self._messages(messages)
        fields, params, special = read_members(content, self.members, self.surface, self.id)
        fields["messages"] = normalised
        for key in ("max_completion_tokens", "max_tokens"):
            if key in special:
                params.setdefault("max_tokens", special[key])
        if params:
            fields["params"] = params
        if special.get("tools") is not None:  # servers read null as if nothing were there
            fields["tools"] = self._tools(special["tools"])
        if "tool_choice" in special:
            fields["tool_choice"] = self._decode_choice(special["tool_choice"])
        return fields

    def _messages(self, raw: list[Any]) -> list[JsonObject]:
        # The common message, a role and a text, is its own normalised form: one look, no copy.
        message = self._message
        try:
            return [
                m
                if type(m) is dict and len(m) == 2 and type(m.get("content")) is str and m.get("role") in _PLAIN
                else message(m)
                for m in raw
            ]
        except TypeError:  # a role that cannot be looked up in a set
            return [message(m) for m in raw]

    def _message(self, raw: Any) -> JsonObject:
        surface = self.surface
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{surface} message must be an object")
        role = raw.get("role")
        if not isinstance(role, str):
            raise InvalidPayload(f"{surface} message is missing role")
        if self.hidden_keys and not self.hidden_keys.isdisjoint(raw):
            raw = without(raw, *self.hidden_keys)
        if role in _SPOKEN:
            return self._spoken(raw) if raw.keys() <= _SPOKEN_KEYS else self._opaque(raw, role)
        if role == "assistant":
            return self._assistant(raw) if raw.keys() <= _ASSISTANT_KEYS else self._opaque(raw, role)
        if role == "tool" and raw.keys() <= _TOOL_KEYS:
            return self._tool_message(raw)
        if role == "function" and raw.keys() <= _SPOKEN_KEYS:
            return self._function_message(raw)
        return self._opaque(raw, role)

    def _opaque(self, raw: JsonObject, role: str) -> JsonObject:
        return native(self.id, role, raw, role="provider_native")

    def _named(self, raw: JsonObject, what: str) -> JsonObject:
        name = raw.get("name")
        if name is None:
            return without(raw, "name") if "name" in raw else raw
        if not isinstance(name, str):
            raise InvalidPayload(f"{self.surface} {what} must be a string or null")
        return raw

    def _spoken(self, raw: JsonObject) -> JsonObject:
        if "content" not in raw:
            raise InvalidPayload(f"{self.surface} message is missing content")
        content = self._content(raw["content"])
        out = self._named(raw, "message name")
        return out if content is raw["content"] else {**out, "content": content}

    def _tool_message(self, raw: JsonObject) -> JsonObject:
        if "content" not in raw:
            raise InvalidPayload(f"{self.surface} tool message is missing content")
        content = self._content(raw["content"])
        if not isinstance(raw.get("tool_call_id"), str):
            raise InvalidPayload(f"{self.surface} tool message is missing tool_call_id")
        return raw if content is raw["content"] else {**raw, "content": content}

    def _function_message(self, raw: JsonObject) -> JsonObject:
        if not isinstance(raw.get("content"), str | None):
            raise InvalidPayload(f"{self.surface} function message content must be a string or null")
        if not isinstance(raw.get("name"), str):
            raise InvalidPayload(f"{self.surface} function message is missing name")
        return raw if "content" in raw else {**raw, "content": None}

    def _assistant(self, raw: JsonObject) -> JsonObject:
        content, calls = raw.get("content"), raw.get("tool_calls")
        if content is not None:
            content = self._content(content)
        if calls is not None and not self._readable_calls(calls):
            return self._opaque(raw, "assistant")
        out = self._named(raw, "assistant message name")
        if content is not raw.get("content"):
            out = {**out, "content": content}
        if calls is not None and any("index" in call for call in calls):
            out = {**out, "tool_calls": [without(call, "index") for call in calls]}
        absent = [k for k in ("content", "tool_calls") if k in raw and raw[k] is None]
        return without(out, *absent) if absent else out

    def _readable_calls(self, calls: Any) -> bool:
        """Check every call; False if one of them has a form that only the provider knows."""
        if not isinstance(calls, list):
            raise InvalidPayload(f"{self.surface} assistant tool_calls must be an array or null")
        # A list, not a generator: a malformed later entry raises even after an opaque one.
        return all([self._readable_call(call) for call in calls])  # noqa: C419

    def _readable_call(self, call: Any) -> bool:
        if not isinstance(call, dict):
            raise InvalidPayload(f"{self.surface} tool call must be an object")
        if call.get("type") != "function" or not call.keys() <= _CALL_KEYS:
            return False
        function = call.get("function")
        if not isinstance(function, dict):
            raise InvalidPayload(f"{self.surface} function tool call is missing function")
        if not function.keys() <= _CALLED_KEYS:
            return False
        for holder, key in ((call, "id"), (function, "name"), (function, "arguments")):
            if not isinstance(holder.get(key), str):
                raise InvalidPayload(f"{self.surface} function tool call is missing {key}")
        return True

    def _content(self, raw: Any) -> Any:
        if isinstance(raw, str):
            return raw
        if not isinstance(raw, list):
            raise InvalidPayload(f"{self.surface} message content must be a string or array")
        parts = [self._part(part) for part in raw]
        unchanged = all(part is item for part, item in zip(parts, raw, strict=True))
        return raw if unchanged else parts

    def _part(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} content part must be an object")
        kind = raw.get("type")
        if kind == "text":
            return self._with_text(raw, "text")
        if kind == "image_url":
            return self._image(raw)
        if kind == "input_audio":
            if "input_audio" not in raw:
                raise InvalidPayload(f"{self.surface} audio part is missing input_audio")
            return {**without(raw, "input_audio"), "type": "audio", "audio": raw["input_audio"]}
        if kind == "file":
            if "file" not in raw:
                raise InvalidPayload(f"{self.surface} file part is missing file")
            return raw
        if kind == "refusal":
            return self._with_text(raw, "refusal")
        return native(self.id, type_name(raw), raw, type="provider_native")

    def _with_text(self, raw: JsonObject, key: str) -> JsonObject:
        if not isinstance(raw.get(key), str):
            raise InvalidPayload(f"{self.surface} {key} part is missing {key}")
        return raw

    def _image(self, raw: JsonObject) -> JsonObject:
        if "image_url" not in raw:
            raise InvalidPayload(f"{self.surface} image part is missing image_url")
        image = raw["image_url"]
        if not isinstance(image, dict) or not isinstance(image.get("url"), str):
            raise InvalidPayload(f"invalid {self.surface} image_url: expected an object with a string 'url'")
        detail = image.get("detail")
        if not isinstance(detail, str | None):
            raise InvalidPayload(f"invalid {self.surface} image_url: 'detail' must be a string or null")
        known = 1 + (detail is not None)
        if len(image) == known:
            return raw
        kept = {k: v for k, v in image.items() if k == "url" or (k == "detail" and v is not None)}
        return {**raw, "image_url": kept}

    def _tools(self, raw: Any) -> list[JsonObject]:
        if not isinstance(raw, list):
            raise InvalidPayload(f"{self.surface} tools must be an array")
        return [self._tool(tool) for tool in raw]

    def _tool(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} tool must be an object")
        if raw.get("type") != "function":
            return native(self.id, type_name(raw), raw, type="provider_native")
        function = raw.get("function")
        if not isinstance(function, dict):
            raise InvalidPayload(f"{self.surface} function tool is missing function")
        checked = check_function(function, self.surface)
        return raw if checked is function else {**raw, "function": checked}

    def _write(self, edit: Edit) -> None:
        edit.items("messages", "messages", self._encode_message)
        if edit.messages_only:
            return
        edit.refuse(*_UNSUPPORTED)
        edit.scalars("model")
        self._write_params(edit)
        edit.items("tools", "tools", self._encode_tool)
        edit.choice("tool_choice", self._encode_choice)
        edit.scalars(*_SCALARS)
        edit.api(self.id, self.members)
        edit.extra()

    def _write_params(self, edit: Edit) -> None:
        for name, value in edit.changed_params().items():
            if name == "max_tokens":
                self._write_limit(edit, value)
            elif name == "stop" and value is not None:
                key = self.wire_params.get(name, name)
                single = len(value) == 1 and isinstance(edit.content.get(key), str)
                edit.content[key] = value[0] if single else value
            else:
                edit.put(self.wire_params.get(name, name), value)

    def _write_limit(self, edit: Edit, value: int | None) -> None:
        if value is None:
            edit.put("max_completion_tokens", None)
            edit.put("max_tokens", None)
            return
        newer = "max_completion_tokens" in edit.content or "max_tokens" not in edit.content
        edit.put("max_completion_tokens" if newer else "max_tokens", value)

    def _encode_message(self, message: JsonObject) -> Any:
        role = message["role"]
        if role == "provider_native" and message["provider"] == self.id:
            return message["value"]
        if role not in _PLAIN and role not in ("tool", "function"):
            raise cannot("message", message, self.surface)
        content = message.get("content")
        if isinstance(content, list):
            return {**message, "content": [self._encode_part(part) for part in content]}
        return message

    def _encode_part(self, part: JsonObject) -> Any:
        kind = part["type"]
        if kind in ("text", "image_url", "file", "refusal"):
            return part
        if kind == "audio":
            return {**without(part, "audio"), "type": "input_audio", "input_audio": part["audio"]}
        if kind == "provider_native" and part["provider"] == self.id:
            return part["value"]
        raise cannot("content part", part, self.surface)

    def _encode_tool(self, tool: JsonObject) -> Any:
        if tool["type"] == "function":
            return tool
        if tool["provider"] == self.id:
            return tool["value"]
        raise cannot("tool", tool, self.surface)

    def _decode_choice(self, raw: Any) -> Any:
        return decode_choice(raw, self.id)

    def _encode_choice(self, choice: Any) -> Any:
        if isinstance(choice, str):
            return self.wire_choices.get(choice, choice)
        if "function" in choice:
            return {"type": "function", "function": {"name": choice["function"]["name"]}}
        return own_choice(choice, self.id, self.surface)
