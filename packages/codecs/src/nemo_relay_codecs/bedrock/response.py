# SPDX-License-Identifier: Apache-2.0
"""Amazon Bedrock Converse, responses."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.model import parts
from nemo_relay_codecs.response_readers import Document, JsonObject, present

_FINISH = {
    "end_turn": "complete",
    "stop_sequence": "complete",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_use",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}
_MODELLED = frozenset(("output", "stopReason", "usage"))
_MEDIA = ("image", "video", "document", "audio")


class BedrockResponses:
    """The response side of the Bedrock codec. Bedrock does not name the model in its response."""

    __slots__ = ()

    id: ClassVar[str]
    document: ClassVar[Document] = Document("Bedrock Converse")

    def _read_response(self, response: Any) -> JsonObject:
        document = self.document
        root = document.root(response)
        output = document.mapping(root, "output") or {}
        message = document.mapping(output, "message") or {}
        blocks = document.objects(message, "content")
        texts = [text for block in blocks for text in _texts(block)]
        calls = [call for b in blocks if (call := _call(b.get("toolUse"))) is not None]
        reason = document.text(root, "stopReason")
        fields = present(
            message="".join(texts) if texts else None,
            tool_calls=calls or None,
            finish_reason=None if reason is None else _FINISH.get(reason, reason),
        )
        usage = document.mapping(root, "usage")
        if usage is not None:
            fields["usage"] = self._usage(usage)
        fields["api_specific"] = {"api": self.id, **present(stop_reason=reason, content_blocks=blocks or None)}
        extra = {k: v for k, v in root.items() if k not in _MODELLED}
        if extra:
            fields["extra"] = extra
        return fields

    def _usage(self, usage: JsonObject) -> JsonObject:
        document = self.document
        given = document.count(usage, "inputTokens")
        return present(
            prompt_tokens=given,
            completion_tokens=document.count(usage, "outputTokens"),
            total_tokens=document.count(usage, "totalTokens"),
            cache_read_tokens=document.count(usage, "cacheReadInputTokens"),
            cache_write_tokens=document.count(usage, "cacheWriteInputTokens"),
            uncached_input_tokens=given,
        )

    def choices(self, response: Any) -> list[JsonObject]:
        """The one alternative of a response, its blocks as neutral parts."""
        root = response if isinstance(response, dict) else {}
        output = root.get("output")
        message = output.get("message") if isinstance(output, dict) else None
        blocks = message.get("content") if isinstance(message, dict) else None
        read = [_part(block) for block in (blocks if isinstance(blocks, list) else ())]
        reason = root.get("stopReason")
        known = _FINISH.get(reason, reason) if isinstance(reason, str) else None
        return [{"index": 0, "parts": read, **present(finish_reason=known)}]


def _texts(block: JsonObject) -> list[str]:
    """The words of a block, those that carry citations among them."""
    if isinstance(block.get("text"), str):
        return [block["text"]]
    cited = block.get("citationsContent")
    content = cited.get("content") if isinstance(cited, dict) else None
    found = [c.get("text") for c in content if isinstance(c, dict)] if isinstance(content, list) else []
    return [text for text in found if isinstance(text, str)]


def is_server_tool(use: JsonObject) -> bool:
    """Whether Bedrock runs the tool itself."""
    return use.get("type") == "server_tool_use"


def _call(use: Any) -> JsonObject | None:
    if not isinstance(use, dict) or is_server_tool(use) or not isinstance(use.get("name"), str):
        return None
    arguments = {} if use.get("input") is None else use["input"]
    return {"id": str(use.get("toolUseId", "")), "name": use["name"], "arguments": arguments}


def _part(block: Any) -> JsonObject:
    if not isinstance(block, dict):
        return parts.unknown("unknown", block)
    if isinstance(block.get("text"), str):
        return parts.text(block["text"], **parts.rest(block, "text"))
    use, thought, result = block.get("toolUse"), block.get("reasoningContent"), block.get("toolResult")
    if isinstance(use, dict):
        more = parts.rest(use, "toolUseId", "name", "input", "type")
        name, server = use.get("name"), is_server_tool(use)
        return parts.tool_call(use.get("toolUseId"), name, use.get("input"), server=server, **more)
    if isinstance(thought, dict):
        summary = thought.get("reasoningText")
        summary = summary if isinstance(summary, dict) else {}
        return parts.reasoning(
            summary.get("text"),
            signature=summary.get("signature"),
            encrypted=thought.get("redactedContent"),
            **parts.rest(thought, "reasoningText", "redactedContent"),
        )
    if isinstance(result, dict):
        more = parts.rest(result, "toolUseId", "content")
        return parts.tool_result(result.get("toolUseId"), None, result.get("content"), **more)
    cited = block.get("citationsContent")
    if isinstance(cited, dict):
        return parts.text("".join(_texts(block)), citations=cited.get("citations"))
    for kind in _MEDIA:
        if isinstance(block.get(kind), dict):
            return _media(kind, block[kind])
    return parts.unknown(min(block, default="unknown"), block)


def _media(kind: str, value: JsonObject) -> JsonObject:
    source = value.get("source")
    source = source if isinstance(source, dict) else {}
    more = {k: v for k, v in value.items() if k != "source"}
    more.update((k, v) for k, v in source.items() if k != "bytes")
    data = source.get("bytes")
    mime = f"{kind}/{value['format']}" if kind != "document" and isinstance(value.get("format"), str) else None
    return parts.media("file" if kind == "document" else kind, data, mime, **more)
