# SPDX-License-Identifier: Apache-2.0
"""The cases of ``codecs.py``, run on whichever ``nemo_relay`` this interpreter has: cases in, microseconds out."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import nemo_relay
from nemo_relay import codecs

ENOUGH = 0.05  # seconds of one measurement
CLASSES = {
    "openai_chat": "OpenAIChatCodec",
    "openai_responses": "OpenAIResponsesCodec",
    "anthropic_messages": "AnthropicMessagesCodec",
    "gemini_generate_content": "GeminiGenerateContentCodec",
    "oci_genai": "OCIGenAIChatCodec",
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


def turns(size: int) -> list[tuple[str, str]]:
    """A conversation of ``size`` characters: many short turns in a small one, longer turns in a large one."""
    length = 250 if size < 10_000 else 1_000
    return [("user" if i % 2 == 0 else "assistant", "word " * (length // 5)) for i in range(max(1, size // length))]


def request_of(codec: str, size: int) -> dict[str, Any]:
    """A request body of about ``size`` bytes."""
    said = turns(size)
    function = {"name": "weather", "description": "The weather of a city", "parameters": SCHEMA}
    if codec == "gemini_generate_content":
        roles = {"user": "user", "assistant": "model"}
        return {
            "contents": [{"role": roles[role], "parts": [{"text": text}]} for role, text in said],
            "generationConfig": {"temperature": 0.2},
            "tools": [{"functionDeclarations": [function]}],
        }
    if codec == "oci_genai":
        messages = [{"role": role.upper(), "content": [{"type": "TEXT", "text": text}]} for role, text in said]
        return {"apiFormat": "GENERIC", "messages": messages, "temperature": 0.2, "maxTokens": 500}
    messages = [{"role": role, "content": text} for role, text in said]
    if codec == "anthropic_messages":
        tools: list[Any] = [{"name": "weather", "description": "The weather", "input_schema": SCHEMA}]
        return {"model": "m-1", "max_tokens": 500, "system": "Be brief.", "messages": messages, "tools": tools}
    if codec == "openai_responses":
        tools = [{"type": "function", **function}]
        return {"model": "m-1", "instructions": "Be brief.", "input": messages, "tools": tools, "temperature": 0.2}
    tools = [{"type": "function", "function": function}]
    return {"model": "m-1", "temperature": 0.2, "messages": messages, "tools": tools, "stream": False}


def response_of(codec: str, size: int) -> dict[str, Any]:
    """A response of about ``size`` bytes with one tool call."""
    text = "word " * (size // 5)
    arguments = json.dumps({"city": "Paris", "days": 3})
    if codec == "gemini_generate_content":
        parts = [{"text": text}, {"functionCall": {"name": "weather", "args": {"city": "Paris"}}}]
        usage: dict[str, Any] = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
        return {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage}
    if codec == "oci_genai":
        message: dict[str, Any] = {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": text}]}
        choice = {"index": 0, "message": message, "finishReason": "stop"}
        return {"modelId": "m-1", "chatResponse": {"apiFormat": "GENERIC", "choices": [choice]}}
    if codec == "anthropic_messages":
        blocks = [{"type": "text", "text": text}, {"type": "tool_use", "id": "t", "name": "weather", "input": {}}]
        usage = {"input_tokens": 10, "output_tokens": 5}
        return {
            "id": "m",
            "type": "message",
            "model": "m-1",
            "content": blocks,
            "stop_reason": "tool_use",
            "usage": usage,
        }
    if codec == "openai_responses":
        output: list[Any] = [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]},
            {"type": "function_call", "call_id": "c", "name": "weather", "arguments": arguments},
        ]
        usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        return {
            "id": "r",
            "object": "response",
            "model": "m-1",
            "status": "completed",
            "output": output,
            "usage": usage,
        }
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    message = {"role": "assistant", "content": text, "tool_calls": [call]}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [choice], "usage": usage}


def body_of(name: str, operation: str, size: int) -> Callable[[], Any]:
    """What is measured."""
    codec = getattr(codecs, CLASSES[name])()
    if operation == "decode_response":
        response = response_of(name, size)
        return lambda: codec.decode_response(response)
    content = request_of(name, size)
    request = codecs.LLMRequest({}, content)
    view = codec.decode(request)
    if operation == "decode":
        return lambda: codec.decode(request)
    if operation == "decode+":
        return lambda: codec.decode(codecs.LLMRequest({}, content)).messages
    if operation == "encode":
        return lambda: codec.encode(view, request).content
    view.messages = [*view.messages[:-1], {"role": "user", "content": "Something else"}]
    return lambda: codec.encode(view, request).content


def timed(run: Callable[[], Any]) -> float:
    """Processor time of one run, in microseconds."""
    run()
    count = 1
    while True:
        started = time.process_time()
        for _ in range(count):
            run()
        taken = time.process_time() - started
        if taken >= ENOUGH:
            return taken / count * 1e6
        count = max(count * 2, int(count * 1.2 * ENOUGH / max(taken, 1e-6)))


CHUNKS = [
    {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m-1",
        "choices": [{"index": 0, "delta": {"content": f"word {i} "}, "finish_reason": None}],
    }
    for i in range(1000)
]


def assemble() -> None:
    """Our assembly of a stream."""
    assembler = codecs.assembler("openai_chat")
    for chunk in CHUNKS:
        assembler.push(chunk)
    assembler.finish()


def collect() -> None:
    """The published package's managed stream with a collector that only keeps."""

    async def produce(request: Any) -> AsyncIterator[Any]:
        for chunk in CHUNKS:
            yield chunk

    async def consume() -> None:
        kept: list[Any] = []
        request = codecs.LLMRequest({}, {"messages": []})
        stream = await nemo_relay.llm.stream_execute("m", request, produce, kept.append, lambda: None)
        async for _ in stream:
            pass

    asyncio.run(consume())


def measured(case: dict[str, Any]) -> float:
    """One case, in microseconds per run (per chunk for a stream)."""
    if case["operation"] == "stream":
        return timed(assemble if hasattr(codecs, "assembler") else collect) / len(CHUNKS)
    return timed(body_of(case["codec"], case["operation"], case["size"]))


def main() -> None:
    """Answer cases until there are no more."""
    for line in sys.stdin:
        print(json.dumps(measured(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
