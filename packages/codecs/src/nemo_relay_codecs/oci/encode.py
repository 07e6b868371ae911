# SPDX-License-Identifier: Apache-2.0
"""OCI GenAI chat: merging an edit back."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.alignment import merge
from nemo_relay_codecs.base import Edit, JsonObject, cannot, shown, without
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.oci.history import read_history
from nemo_relay_codecs.values import same

_PROVIDER = "oci_genai"
_UNSUPPORTED = (
    *("model", "instructions", "store", "previous_response_id", "truncation", "reasoning", "include", "user"),
    *("metadata", "service_tier", "parallel_tool_calls", "max_output_tokens", "max_tool_calls", "top_logprobs"),
    "stream",
)
_TURNS = {"user": "USER", "assistant": "CHATBOT", "system": "SYSTEM"}


def write(edit: Edit, envelope: JsonObject | None, request: JsonObject, api_format: str, stop: str) -> None:
    """Merge the edit into ``request`` and, where it concerns the envelope, into ``edit.content``."""
    edit.refuse(*_UNSUPPORTED)
    if "messages" in edit.changed:
        if api_format == "COHERE":
            _write_cohere(edit, request)
        else:
            _write_generic(edit, request, api_format)
    if edit.messages_only:
        return
    keys = {"temperature": "temperature", "top_p": "topP", "max_tokens": "maxTokens", "stop": stop}
    for name, value in edit.changed_params().items():
        edit.put(keys[name], value, request)
    if "tools" in edit.changed:
        tools = edit.after.get("tools")
        edit.put("tools", None if tools is None else [_tool(tool) for tool in tools], request)
    if "tool_choice" in edit.changed:
        choice = edit.after.get("tool_choice")
        edit.put("toolChoice", None if choice is None else _choice(choice), request)
    _write_api(edit, envelope)
    edit.extra(request)


def _write_generic(edit: Edit, request: JsonObject, api_format: str) -> None:
    def encode(message: JsonObject) -> Any:
        return _generic(message, nested=api_format == "COHEREV2")

    before, after, raw = edit.before["messages"], edit.after["messages"], request.get("messages")
    if isinstance(raw, list):
        request["messages"] = merge(after, before, raw, encode)
    else:
        request["messages"] = [encode(message) for message in after]


def _generic(message: JsonObject, *, nested: bool) -> Any:
    role = message["role"]
    if role == "provider_native" and message["provider"] == _PROVIDER:
        return message["value"]
    if role not in ("system", "user", "assistant", "tool"):
        raise cannot("message", message, "OCI GenAI")
    out: JsonObject = {"role": role.upper(), "content": _content(message.get("content"))}
    if message.get("tool_calls") is not None:
        out["toolCalls"] = [_call(call, nested=nested) for call in message["tool_calls"]]
    if role == "tool":
        out["toolCallId"] = message["tool_call_id"]
    return out


def _content(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "TEXT", "text": content}]
    return [_part(part) for part in content or ()]


def _part(part: JsonObject) -> Any:
    if part["type"] == "text":
        return {**part, "type": "TEXT"}
    if part["type"] == "provider_native" and part["provider"] == _PROVIDER:
        return part["value"]
    raise cannot("content part", part, "OCI GenAI")


def _call(call: JsonObject, *, nested: bool) -> JsonObject:
    function = {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
    out = {"id": call["id"]} if call["id"] else {}
    return {**out, "type": "FUNCTION", **({"function": function} if nested else function)}


def _write_cohere(edit: Edit, request: JsonObject) -> None:
    messages = list(edit.after["messages"])
    if messages and messages[0]["role"] == "system":
        request["preambleOverride"] = _text(messages.pop(0))
    else:
        request.pop("preambleOverride", None)
    if not messages or messages[-1]["role"] != "user":
        raise InvalidPayload("OCI GenAI COHERE requests require the last message to be a user message")
    last = messages.pop()
    raw = request.get("chatHistory")
    before = read_history(raw) if isinstance(raw, list) else []
    if messages or "chatHistory" in request:
        request["chatHistory"] = merge(messages, before, raw or [], _turn)
    request["message"] = _text(last)


def _text(message: JsonObject) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    raise InvalidPayload("multimodal content cannot be encoded for the OCI GenAI COHERE format")


def _turn(message: JsonObject) -> Any:
    role = message["role"]
    if role == "provider_native" and message["provider"] == _PROVIDER:
        return message["value"]
    if role == "tool":
        raise InvalidPayload("OCI GenAI COHERE tool results cannot be rebuilt from a normalized tool message")
    if role not in _TURNS or message.get("content") is None:
        raise InvalidPayload(f"message {shown(message)} cannot be encoded as an OCI GenAI COHERE chatHistory turn")
    return {"role": _TURNS[role], "message": _text(message)}


def _tool(tool: JsonObject) -> Any:
    if tool["type"] == "function":
        return {"type": "FUNCTION", **without(tool["function"], "strict"), **without(tool, "type", "function")}
    if tool["provider"] == _PROVIDER:
        return tool["value"]
    raise cannot("tool", tool, "OCI GenAI")


def _choice(choice: Any) -> Any:
    if isinstance(choice, dict) and choice.get("provider") == _PROVIDER:
        return choice["value"]
    name = choice if isinstance(choice, str) else choice.get("kind", "function")
    raise InvalidPayload(f"tool choice {name!r} cannot be encoded for OCI GenAI")


def _write_api(edit: Edit, envelope: JsonObject | None) -> None:
    after = edit.after.get("api_specific")
    if "api_specific" not in edit.changed or after is None:
        return
    before = edit.before["api_specific"]
    if after["api"] != _PROVIDER:
        raise InvalidPayload("api_specific provider does not match OCI GenAI")
    if after.get("api_format") != before["api_format"]:
        raise InvalidPayload("the OCI GenAI api_format cannot be edited")
    for member, key in (("compartment_id", "compartmentId"), ("serving_mode", "servingMode")):
        if same(before.get(member), after.get(member)):
            continue
        if envelope is None:
            raise InvalidPayload("compartmentId and servingMode edits require a ChatDetails envelope")
        edit.put(key, after.get(member))
