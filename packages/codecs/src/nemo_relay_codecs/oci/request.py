# SPDX-License-Identifier: Apache-2.0
"""OCI GenAI chat, requests: GENERIC, COHEREV2 and COHERE."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.base import Codec, Edit, JsonObject, native, type_name
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.oci.encode import write
from nemo_relay_codecs.oci.history import read_history
from nemo_relay_codecs.oci.response import OCIResponses, generic_content
from nemo_relay_codecs.oci.shape import Request
from nemo_relay_codecs.values import text_of

ID = "oci_genai"
_SHARED = ("apiFormat", "maxTokens", "temperature", "topP", "tools", "toolChoice")


def split(content: JsonObject) -> tuple[JsonObject | None, JsonObject, str]:
    """The envelope if there is one, the chat request, and its format in upper case."""
    inner = content.get("chatRequest")
    envelope = content if isinstance(inner, dict) else None
    request = inner if isinstance(inner, dict) else content
    stated = request.get("apiFormat")
    return envelope, request, stated.upper() if isinstance(stated, str) else "GENERIC"


def modelled_keys(api_format: str) -> frozenset[str]:
    """The members of a request that its format models."""
    if api_format == "COHERE":
        own: tuple[str, ...] = ("message", "chatHistory", "preambleOverride", "stopSequences")
    else:
        own = ("messages", stop_key(api_format))
    return frozenset((*_SHARED, *own))


def stop_key(api_format: str) -> str:
    """The wire key of stop sequences."""
    return "stopSequences" if api_format.startswith("COHERE") else "stop"


class OCIGenAIChatCodec(OCIResponses, Codec):
    """OCI GenAI chat, with or without the ``ChatDetails`` envelope.

    >>> from nemo_relay_codecs import LLMRequest
    >>> body = {"apiFormat": "COHERE", "message": "Hi"}
    >>> OCIGenAIChatCodec().decode(LLMRequest({}, body)).messages
    [{'role': 'user', 'content': 'Hi'}]
    """

    __slots__ = ()

    id: ClassVar[str] = ID
    surface: ClassVar[str] = "OCI GenAI"
    label: ClassVar[str] = "OCI GenAI"
    shape: ClassVar[type[Struct] | None] = Request

    def _read(self, content: JsonObject) -> JsonObject:
        envelope, request, api_format = split(content)
        read = _cohere_messages if api_format == "COHERE" else generic_messages
        fields: JsonObject = {"messages": read(request)}
        params = self._params(request, api_format)
        if params:
            fields["params"] = params
        self._tool_fields(request, fields)
        api: JsonObject = {"api": ID}
        if envelope is not None:
            _envelope_fields(envelope, fields, api)
        api["api_format"] = api_format
        fields["api_specific"] = api
        modelled = modelled_keys(api_format)
        extra = {k: v for k, v in request.items() if k not in modelled}
        if extra:
            fields["extra"] = extra
        return fields

    def _params(self, request: JsonObject, api_format: str) -> JsonObject:
        out: JsonObject = {}
        members: tuple[tuple[str, str, request_readers.Reader], ...] = (
            ("temperature", "temperature", request_readers.number),
            ("topP", "top_p", request_readers.number),
            ("maxTokens", "max_tokens", request_readers.count),
            (stop_key(api_format), "stop", _stop),
        )
        for key, name, read in members:
            if request.get(key) is not None:
                out[name] = read(request[key], self.surface, key)
        return out

    def _tool_fields(self, request: JsonObject, fields: JsonObject) -> None:
        tools, choice = request.get("tools"), request.get("toolChoice")
        if tools is not None:
            if not isinstance(tools, list):
                raise InvalidPayload(f"{self.surface} tools must be an array")
            fields["tools"] = [native(ID, type_name(t), t, type="provider_native") for t in tools]
        if choice is not None:
            fields["tool_choice"] = native(ID, type_name(choice), choice)

    def _write(self, edit: Edit) -> None:
        envelope, request, api_format = split(edit.content)
        request = dict(request)
        write(edit, envelope, request, api_format, stop_key(api_format))
        if envelope is None:
            edit.content = request
        else:
            edit.content["chatRequest"] = request


def _stop(value: Any, surface: str, key: str) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise InvalidPayload(f"{surface} {key} must be a string array: expected a list of strings")


def _envelope_fields(envelope: JsonObject, fields: JsonObject, api: JsonObject) -> None:
    mode = envelope.get("servingMode")
    if isinstance(mode, dict):
        model = mode["modelId"] if "modelId" in mode else mode.get("endpointId")
        if isinstance(model, str):
            fields["model"] = model
    if isinstance(envelope.get("compartmentId"), str):
        api["compartment_id"] = envelope["compartmentId"]
    if mode is not None:
        api["serving_mode"] = mode


def generic_messages(request: JsonObject) -> list[JsonObject]:
    """The messages of a GENERIC or COHEREV2 request."""
    raw = request.get("messages")
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise InvalidPayload("OCI GenAI GENERIC messages must be an array")
    return [_generic_message(message) for message in raw]


def _generic_message(raw: Any) -> JsonObject:
    if not isinstance(raw, dict):
        raise InvalidPayload("OCI GenAI GENERIC message must be an object")
    stated = raw.get("role")
    role = stated.lower() if isinstance(stated, str) else "user"
    content = generic_content(raw.get("content"))
    calls = _calls(raw)
    if role == "assistant":
        filled = {} if content is None else {"content": content}
        return {"role": role, **filled, **({} if calls is None else {"tool_calls": calls})}
    if content is not None:
        if role in ("system", "user"):
            return {"role": role, "content": content}
        if role == "tool" and isinstance(raw.get("toolCallId"), str):
            return {"role": role, "content": content, "tool_call_id": raw["toolCallId"]}
    return native(ID, role, raw, role="provider_native")


def _calls(raw: JsonObject) -> list[JsonObject] | None:
    calls = raw.get("toolCalls")
    if calls is None:
        return None
    if not isinstance(calls, list):
        raise InvalidPayload("OCI GenAI GENERIC toolCalls must be an array")
    return [_call(call) for call in calls]


def _call(call: Any) -> JsonObject:
    if not isinstance(call, dict):
        raise InvalidPayload("OCI GenAI toolCalls entry must be an object")
    function = call["function"] if isinstance(call.get("function"), dict) else call
    call_id, name, arguments = call.get("id"), function.get("name"), function.get("arguments", "")
    return {
        "id": call_id if isinstance(call_id, str) else "",
        "type": "function",
        "function": {
            "name": name if isinstance(name, str) else "",
            "arguments": arguments if isinstance(arguments, str) else text_of(arguments),
        },
    }


def _cohere_messages(request: JsonObject) -> list[JsonObject]:
    messages: list[JsonObject] = []
    preamble, last = request.get("preambleOverride"), request.get("message")
    if isinstance(preamble, str) and preamble:
        messages.append({"role": "system", "content": preamble})
    if "chatHistory" in request:
        messages += read_history(request["chatHistory"])
    if isinstance(last, str):
        messages.append({"role": "user", "content": last})
    return messages
