# SPDX-License-Identifier: Apache-2.0
"""Amazon Bedrock Converse, requests."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.alignment import merge, patch
from nemo_relay_codecs.base import Codec, Edit, JsonObject, cannot, native, without
from nemo_relay_codecs.bedrock.response import BedrockResponses
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.tools import own_choice

ID = "bedrock_converse"
_MODELLED = frozenset(("modelId", "messages", "system", "inferenceConfig", "toolConfig"))
_PARAMS = {"temperature": "temperature", "topP": "top_p", "maxTokens": "max_tokens", "stopSequences": "stop"}
_CHOICES = {"auto": "auto", "any": "required"}
_UNSUPPORTED = (
    *("store", "previous_response_id", "truncation", "reasoning", "include", "user", "metadata", "service_tier"),
    *("parallel_tool_calls", "max_output_tokens", "max_tool_calls", "top_logprobs", "stream", "api_specific"),
)


class BedrockConverseCodec(BedrockResponses, Codec):
    """Amazon Bedrock Converse.

    >>> from nemo_relay_codecs import LLMRequest
    >>> body = {"modelId": "m-1", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    >>> BedrockConverseCodec().decode(LLMRequest({}, body)).last_user_message()
    'Hi'
    """

    __slots__ = ()

    id: ClassVar[str] = ID
    surface: ClassVar[str] = "Bedrock Converse"
    label: ClassVar[str] = "Bedrock Converse"

    def _read(self, content: JsonObject) -> JsonObject:
        messages = content.get("messages")
        if messages is None:
            messages = []
        if not isinstance(messages, list):
            raise InvalidPayload(f"{self.surface} messages must be an array")
        fields: JsonObject = {"messages": [self._message(m) for m in messages]}
        if content.get("modelId") is not None:
            fields["model"] = request_readers.string(content["modelId"], self.surface, "modelId")
        if content.get("system") is not None:
            fields["instructions"] = self._blocks(content["system"], "system")
        params = self._params(content)
        if params:
            fields["params"] = params
        self._tool_fields(content, fields)
        extra = {k: v for k, v in content.items() if k not in _MODELLED}
        if extra:
            fields["extra"] = extra
        return fields

    def _message(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} message must be an object")
        role = raw.get("role")
        if not isinstance(role, str):
            raise InvalidPayload(f"{self.surface} message is missing role")
        if role not in ("user", "assistant") or raw.keys() != {"role", "content"}:
            return native(ID, role, raw, role="provider_native")
        return {"role": role, "content": self._blocks(raw["content"], "message content")}

    def _blocks(self, raw: Any, what: str) -> list[JsonObject]:
        if not isinstance(raw, list):
            raise InvalidPayload(f"{self.surface} {what} must be an array")
        return [self._block(block) for block in raw]

    def _block(self, raw: Any) -> JsonObject:
        if not isinstance(raw, dict):
            raise InvalidPayload(f"{self.surface} content block must be an object")
        if isinstance(raw.get("text"), str) and "type" not in raw:
            return {"type": "text", **raw}
        if len(raw) == 1:
            ((kind, value),) = raw.items()
            if kind == "image":
                return {"type": "image", "image": value}
            if kind in ("document", "video"):
                return {"type": "file", "file": value, "kind": kind}
            if kind in ("toolUse", "toolResult") and isinstance(value, dict):
                return _tool_part(kind, value) or native(ID, kind, raw, type="provider_native")
        return native(ID, min(raw, default="unknown"), raw, type="provider_native")

    def _params(self, content: JsonObject) -> JsonObject:
        config = content.get("inferenceConfig")
        if config is None:
            return {}
        config = request_readers.mapping(config, self.surface, "inferenceConfig")
        out: JsonObject = {}
        for key, name in _PARAMS.items():
            value = config.get(key)
            if value is None:
                continue
            if name == "stop":
                out[name] = request_readers.strings(value, f"{self.surface} stopSequences value")
            else:
                read: request_readers.Reader = request_readers.count if name == "max_tokens" else request_readers.number
                out[name] = read(value, self.surface, key)
        return out

    def _tool_fields(self, content: JsonObject, fields: JsonObject) -> None:
        config = content.get("toolConfig")
        if config is None:
            return
        config = request_readers.mapping(config, self.surface, "toolConfig")
        if config.get("tools") is not None:
            fields["tools"] = [_tool(t) for t in request_readers.array(config["tools"], self.surface, "tools")]
        if config.get("toolChoice") is not None:
            fields["tool_choice"] = _decode_choice(config["toolChoice"])

    def _write(self, edit: Edit) -> None:
        edit.items("messages", "messages", self._encode_message)
        edit.refuse(*_UNSUPPORTED)
        if "model" in edit.changed:
            edit.put("modelId", edit.after.get("model"))
        if "instructions" in edit.changed:
            self._write_system(edit)
        if "params" in edit.changed:
            config = dict(edit.content.get("inferenceConfig") or {})
            wire = {name: key for key, name in _PARAMS.items()}
            for name, value in edit.changed_params().items():
                edit.put(wire[name], value, config)
            edit.put("inferenceConfig", config or None)
        if edit.changed & {"tools", "tool_choice"}:
            self._write_tools(edit)
        edit.extra()

    def _write_system(self, edit: Edit) -> None:
        instructions = edit.after.get("instructions")
        if instructions is None:
            edit.content.pop("system", None)
            return
        after = [{"type": "text", "text": instructions}] if isinstance(instructions, str) else instructions
        before = edit.before.get("instructions") or []
        edit.content["system"] = merge(after, before, edit.content.get("system") or [], self._encode_part)

    def _write_tools(self, edit: Edit) -> None:
        config = dict(edit.content.get("toolConfig") or {})
        if "tools" in edit.changed:
            tools = edit.after.get("tools")
            before = edit.before.get("tools") or []
            merged = None if tools is None else merge(tools, before, config.get("tools") or [], self._encode_tool)
            edit.put("tools", merged, config)
        if "tool_choice" in edit.changed:
            old, new = edit.before.get("tool_choice"), edit.after.get("tool_choice")
            encoded = None if new is None else self._encode_choice(new)
            if old is not None and new is not None:
                encoded = patch(config["toolChoice"], self._encode_choice(old), encoded)
            edit.put("toolChoice", encoded, config)
        edit.put("toolConfig", config or None)

    def _encode_message(self, message: JsonObject) -> Any:
        role = message["role"]
        if role == "provider_native" and message["provider"] == ID:
            return message["value"]
        if role not in ("user", "assistant"):
            raise cannot("message", message, self.surface)
        content = message.get("content")
        instructions = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        return {"role": role, "content": [self._encode_part(part) for part in instructions]}

    def _encode_part(self, part: JsonObject) -> Any:
        kind = part["type"]
        if kind == "text":
            return without(part, "type")
        if kind == "image":
            return {"image": part["image"]}
        if kind == "file":
            return {part.get("kind", "document"): part["file"]}
        if kind == "tool_use":
            rest = without(part, "type", "id", "name", "input")
            return {"toolUse": {"toolUseId": part["id"], "name": part["name"], "input": part["input"], **rest}}
        if kind == "tool_result":
            return {"toolResult": _encode_result(part)}
        if kind == "provider_native" and part["provider"] == ID:
            return part["value"]
        raise cannot("content part", part, self.surface)

    def _encode_tool(self, tool: JsonObject) -> Any:
        if tool["type"] == "function":
            function = tool["function"]
            spec = without(function, "parameters")
            if "parameters" in function:
                spec["inputSchema"] = {"json": function["parameters"]}
            return {"toolSpec": spec}
        if tool["provider"] == ID:
            return tool["value"]
        raise cannot("tool", tool, self.surface)

    def _encode_choice(self, choice: Any) -> Any:
        if choice == "none":
            raise InvalidPayload(f"tool choice 'none' cannot be encoded for {self.surface}")
        if isinstance(choice, str):
            return {"any" if choice == "required" else choice: {}}
        if "function" in choice:
            return {"tool": {"name": choice["function"]["name"]}}
        return own_choice(choice, ID, self.surface)


# Members of the normalised parts: a block that has them too (the server's own tools do) stays as it is.
_OWN_KEYS = frozenset(("type", "id", "tool_use_id", "is_error"))


def _tool_part(kind: str, value: JsonObject) -> JsonObject | None:
    call_id = value.get("toolUseId")
    if not isinstance(call_id, str) or not _OWN_KEYS.isdisjoint(value):
        return None
    if kind == "toolUse":
        if not isinstance(value.get("name"), str) or "input" not in value:
            return None
        rest = without(value, "toolUseId", "name", "input")
        return {"type": "tool_use", "id": call_id, "name": value["name"], "input": value["input"], **rest}
    if "content" not in value or value.get("status", "success") not in ("success", "error"):
        return None
    failed = {"is_error": value["status"] == "error"} if "status" in value else {}
    rest = without(value, "toolUseId", "content", "status")
    return {"type": "tool_result", "tool_use_id": call_id, "content": value["content"], **failed, **rest}


def _encode_result(part: JsonObject) -> JsonObject:
    failed = part.get("is_error")
    status = {} if failed is None else {"status": "error" if failed else "success"}
    rest = without(part, "type", "tool_use_id", "content", "is_error")
    content = part["content"]
    instructions = [{"text": content}] if isinstance(content, str) else content
    return {"toolUseId": part["tool_use_id"], "content": instructions, **status, **rest}


def _tool(raw: Any) -> JsonObject:
    spec = raw.get("toolSpec") if isinstance(raw, dict) and len(raw) == 1 else None
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        kind = min(raw, default="unknown") if isinstance(raw, dict) else "unknown"
        return native(ID, kind, raw, type="provider_native")
    function = {k: v for k, v in spec.items() if k != "inputSchema" and v is not None}
    schema = spec.get("inputSchema")
    if isinstance(schema, dict) and "json" in schema:
        function["parameters"] = schema["json"]
    return {"type": "function", "function": function}


def _decode_choice(raw: Any) -> Any:
    if isinstance(raw, dict) and len(raw) == 1:
        ((kind, value),) = raw.items()
        if kind in _CHOICES:
            return _CHOICES[kind]
        if kind == "tool" and isinstance(value, dict) and isinstance(value.get("name"), str):
            return {"type": "function", "function": {"name": value["name"]}}
    return native(ID, "tool_choice", raw)
