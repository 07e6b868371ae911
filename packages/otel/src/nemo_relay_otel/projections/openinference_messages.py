# SPDX-License-Identifier: Apache-2.0
"""Messages, tools and documents under OpenInference's numbered names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from openinference.semconv.trace import (
    DocumentAttributes,
    EmbeddingAttributes,
    MessageAttributes,
    SpanAttributes,
    ToolAttributes,
    ToolCallAttributes,
)

from nemo_relay_otel.projections.gen_ai_messages import content_parts, tool_call_parts
from nemo_relay_otel.records import Attributes
from nemo_relay_otel.values import compact, mapping, put_text, text

Json = Mapping[str, Any]
_PARAMETERS = ("temperature", "max_tokens", "top_p", "stop")


def put_request(attributes: Attributes, request: Json, data: Json) -> None:
    """Parameters, conversation and tools."""
    chosen = {key: value for key in _PARAMETERS if (value := mapping(request.get("params")).get(key)) is not None}
    if chosen:
        attributes[SpanAttributes.LLM_INVOCATION_PARAMETERS] = msgspec.json.encode(chosen).decode()
    for index, message in enumerate(_messages(request, data)):
        _put_message(attributes, f"{SpanAttributes.LLM_INPUT_MESSAGES}.{index}", message)
    for index, tool in enumerate(request.get("tools") or ()):
        schema = msgspec.json.encode(_schema(tool, request)).decode()
        attributes[f"{SpanAttributes.LLM_TOOLS}.{index}.{ToolAttributes.TOOL_JSON_SCHEMA}"] = schema


def _schema(tool: Any, request: Json) -> Any:
    function = mapping(mapping(tool).get("function"))
    if not function:
        return tool
    kept = {key: function[key] for key in ("name", "description", "parameters") if function.get(key) is not None}
    return {"type": "function", "function": kept}


def _messages(request: Json, data: Json) -> Iterator[dict[str, Any]]:
    if instructions := _text_of(request.get("instructions")):
        yield {"role": "system", "text": instructions}
    for message in request.get("messages") or ():
        if isinstance(message, Mapping):
            yield from _expanded(message)
    if not request and "openclaw" in str(mapping(data.get("content")).get("source", "")):
        yield from _replayed(mapping(data.get("content")))


def _replayed(content: Json) -> Iterator[dict[str, Any]]:
    if system := text(content.get("systemPrompt")):
        yield {"role": "system", "text": system}
    messages = content.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping):
            yield from _expanded(message)
    if not messages and (prompt := text(content.get("prompt"))):
        yield {"role": "user", "text": prompt}


def _expanded(message: Json) -> Iterator[dict[str, Any]]:
    role, content = str(message.get("role", "user")), message.get("content")
    results = [part for part in content_parts(content) if part["type"] == "tool_call_response"]
    if role == "user" and results:
        for part in results:
            yield {"role": "tool", "text": _result_text(part["response"]), "tool_call_id": part["id"]}
        if len(results) == len(list(content_parts(content))):
            return
    calls = [part for part in content_parts(content) if part["type"] == "tool_call"]
    yield {
        "role": role,
        "text": _text_of(content),
        "tool_call_id": message.get("tool_call_id"),
        "calls": [*calls, *tool_call_parts(message.get("tool_calls"))],
    }


def _result_text(response: Any) -> str:
    return response if isinstance(response, str) else compact(response)


def _text_of(content: Any) -> str | None:
    texts = [str(part["content"]) for part in content_parts(content) if part["type"] == "text"]
    return "\n".join(texts).strip() or None


def _put_message(attributes: Attributes, prefix: str, message: Json) -> None:
    put_text(attributes, f"{prefix}.{MessageAttributes.MESSAGE_ROLE}", message["role"])
    put_text(attributes, f"{prefix}.{MessageAttributes.MESSAGE_CONTENT}", message["text"])
    put_text(attributes, f"{prefix}.{MessageAttributes.MESSAGE_TOOL_CALL_ID}", message.get("tool_call_id"))
    _put_calls(attributes, prefix, message.get("calls", ()))


def _put_calls(attributes: Attributes, prefix: str, calls: Any) -> None:
    for index, call in enumerate(calls):
        under = f"{prefix}.{MessageAttributes.MESSAGE_TOOL_CALLS}.{index}"
        put_text(attributes, f"{under}.{ToolCallAttributes.TOOL_CALL_ID}", call["id"])
        put_text(attributes, f"{under}.{ToolCallAttributes.TOOL_CALL_FUNCTION_NAME}", call["name"])
        if call["arguments"] is not None:
            key = f"{under}.{ToolCallAttributes.TOOL_CALL_FUNCTION_ARGUMENTS_JSON}"
            attributes[key] = compact(call["arguments"])


def put_output(attributes: Attributes, response: Json) -> None:
    """The answer."""
    content = _text_of(response.get("message"))
    calls = list(tool_call_parts(response.get("tool_calls")))
    reasoning = [part for part in content_parts(response.get("message")) if part["type"] == "reasoning"]
    if content is None and not calls and not reasoning:
        return
    prefix = f"{SpanAttributes.LLM_OUTPUT_MESSAGES}.0"
    _put_message(attributes, prefix, {"role": "assistant", "text": content, "calls": calls})
    for index, part in enumerate(reasoning):
        under = f"{prefix}.{MessageAttributes.MESSAGE_CONTENTS}.{index}.message_content"
        attributes[f"{under}.type"] = "reasoning"
        put_text(attributes, f"{under}.text", part["content"])


def put_documents(attributes: Attributes, data: Any) -> None:
    """What a retriever found."""
    found = data
    if isinstance(data, Mapping):
        found = next((data[key] for key in ("documents", "results", "hits", "matches") if key in data), None)
    for index, document in enumerate(found if isinstance(found, list) else ()):
        prefix = f"{SpanAttributes.RETRIEVAL_DOCUMENTS}.{index}"
        fields = document if isinstance(document, Mapping) else {"content": document}
        content = next((fields[key] for key in ("page_content", "content", "text") if fields.get(key)), None)
        if content is not None:
            attributes[f"{prefix}.{DocumentAttributes.DOCUMENT_CONTENT}"] = _result_text(content)
        put_text(attributes, f"{prefix}.{DocumentAttributes.DOCUMENT_ID}", fields.get("id"))
        score = fields.get("score")
        if isinstance(score, (int, float)) and not isinstance(score, bool):
            attributes[f"{prefix}.{DocumentAttributes.DOCUMENT_SCORE}"] = float(score)
        if isinstance(fields.get("metadata"), Mapping):
            attributes[f"{prefix}.{DocumentAttributes.DOCUMENT_METADATA}"] = compact(fields["metadata"])


def put_embeddings(attributes: Attributes, data: Any) -> None:
    """What is embedded."""
    fields = mapping(data)
    put_text(attributes, SpanAttributes.EMBEDDING_MODEL_NAME, fields.get("model"))
    given = data if isinstance(data, (str, list)) else fields.get("input", fields.get("texts"))
    for index, item in enumerate(given if isinstance(given, list) else [given]):
        key = f"{SpanAttributes.EMBEDDING_EMBEDDINGS}.{index}.{EmbeddingAttributes.EMBEDDING_TEXT}"
        put_text(attributes, key, item)
