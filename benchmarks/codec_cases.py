# SPDX-License-Identifier: Apache-2.0
"""The cases of ``bench_codecs.py`` on whichever ``nemo_relay`` this interpreter has: cases in, microseconds out."""

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
ARGUMENTS = {"city": "Paris", "days": 3}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


Turn = tuple[str, str]  # who speaks ("user", "assistant", or "tool" for a call with its result), and the words


def turns(size: int) -> list[Turn]:
    """An agent's conversation of ``size`` characters: short turns in a small one, a tool called every fourth turn."""
    length = 250 if size < 10_000 else 1_000
    out: list[Turn] = []
    for i in range(max(1, size // length)):
        words = "word " * (length // 5)
        out.append(("user" if i % 2 == 0 else "assistant", words))
        if i % 4 == 0:
            out.append(("tool", json.dumps({"weather": "rain", "report": words[:60]})))
    return out


def chat(turn: Turn, call: str) -> list[Any]:
    """A turn in Chat messages."""
    who, words = turn
    if who != "tool":
        return [{"role": who, "content": words}]
    function = {"name": "weather", "arguments": json.dumps(ARGUMENTS)}
    calls = [{"id": call, "type": "function", "function": function}]
    return [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": call, "content": words},
    ]


def responses(turn: Turn, call: str) -> list[Any]:
    """A turn in Responses items."""
    who, words = turn
    if who != "tool":
        return [{"role": who, "content": words}]
    return [
        {"type": "function_call", "call_id": call, "name": "weather", "arguments": json.dumps(ARGUMENTS)},
        {"type": "function_call_output", "call_id": call, "output": words},
    ]


def anthropic(turn: Turn, call: str) -> list[Any]:
    """A turn in Anthropic messages."""
    who, words = turn
    if who != "tool":
        return [{"role": who, "content": words}]
    use = {"type": "tool_use", "id": call, "name": "weather", "input": ARGUMENTS}
    return [
        {"role": "assistant", "content": [{"type": "text", "text": "Let me look."}, use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": words}]},
    ]


def gemini(turn: Turn, call: str) -> list[Any]:
    """A turn in Gemini contents."""
    who, words = turn
    if who != "tool":
        return [{"role": "user" if who == "user" else "model", "parts": [{"text": words}]}]
    response = {"id": call, "name": "weather", "response": json.loads(words)}
    return [
        {"role": "model", "parts": [{"functionCall": {"id": call, "name": "weather", "args": ARGUMENTS}}]},
        {"role": "user", "parts": [{"functionResponse": response}]},
    ]


def oci(turn: Turn, call: str) -> list[Any]:
    """A turn in OCI messages."""
    who, words = turn
    text = [{"type": "TEXT", "text": words}]
    if who != "tool":
        return [{"role": who.upper(), "content": text}]
    made = {"id": call, "type": "FUNCTION", "name": "weather", "arguments": json.dumps(ARGUMENTS)}
    return [
        {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Let me look."}], "toolCalls": [made]},
        {"role": "TOOL", "content": text, "toolCallId": call},
    ]


WORDING = {
    "openai_chat": chat,
    "openai_responses": responses,
    "anthropic_messages": anthropic,
    "gemini_generate_content": gemini,
    "oci_genai": oci,
}


def request_of(codec: str, size: int) -> dict[str, Any]:
    """A request body with about ``size`` characters of conversation, a tool and a parameter or two."""
    said = [item for i, turn in enumerate(turns(size)) for item in WORDING[codec](turn, f"call-{i}")]
    function = {"name": "weather", "description": "The weather of a city", "parameters": SCHEMA}
    if codec == "gemini_generate_content":
        tools: list[Any] = [{"functionDeclarations": [function]}]
        return {"contents": said, "generationConfig": {"temperature": 0.2}, "tools": tools}
    if codec == "oci_genai":
        tools = [{"type": "FUNCTION", **function}]
        return {"apiFormat": "GENERIC", "messages": said, "temperature": 0.2, "maxTokens": 500, "tools": tools}
    if codec == "anthropic_messages":
        tools = [{"name": "weather", "description": "The weather of a city", "input_schema": SCHEMA}]
        return {"model": "m-1", "max_tokens": 500, "system": "Be brief.", "messages": said, "tools": tools}
    if codec == "openai_responses":
        tools = [{"type": "function", **function}]
        return {"model": "m-1", "instructions": "Be brief.", "input": said, "tools": tools, "temperature": 0.2}
    tools = [{"type": "function", "function": function}]
    return {"model": "m-1", "temperature": 0.2, "messages": said, "tools": tools, "stream": False}


def response_of(codec: str, size: int) -> dict[str, Any]:
    """A response of about ``size`` bytes with one tool call."""
    text = "word " * (size // 5)
    arguments = json.dumps(ARGUMENTS)
    if codec == "gemini_generate_content":
        parts = [{"text": text}, {"functionCall": {"name": "weather", "args": ARGUMENTS}}]
        usage: dict[str, Any] = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
        return {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage}
    if codec == "oci_genai":
        calls = [{"id": "c", "type": "FUNCTION", "name": "weather", "arguments": arguments}]
        content = [{"type": "TEXT", "text": text}]
        message: dict[str, Any] = {"role": "ASSISTANT", "content": content, "toolCalls": calls}
        choice = {"index": 0, "message": message, "finishReason": "stop"}
        return {"modelId": "m-1", "chatResponse": {"apiFormat": "GENERIC", "choices": [choice]}}
    if codec == "anthropic_messages":
        blocks = [
            {"type": "text", "text": text},
            {"type": "tool_use", "id": "t", "name": "weather", "input": ARGUMENTS},
        ]
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
    if operation in ("decode_response", "response read"):
        return response_case(codec, operation, response_of(name, size))
    content = request_of(name, size)
    if operation == "request read":
        return lambda: seen(codec.decode(codecs.LLMRequest({}, content)))
    if operation == "request edited":
        return lambda: edited(codec, codecs.LLMRequest({}, content))
    request = codecs.LLMRequest({}, content)
    view = codec.decode(request)
    if operation == "decode":
        return lambda: codec.decode(request)
    if operation == "encode edited":
        view.messages = [*view.messages[:-1], LAST]
    return lambda: codec.encode(view, request).content


def seen(view: Any) -> tuple[Any, ...]:
    """What middleware looks at."""
    return view.model, view.messages, view.params


def edited(codec: Any, request: Any) -> Any:
    """What middleware does that changes a request, from the request object to the body that is sent."""
    view = codec.decode(request)
    view.messages = [*view.messages[:-1], LAST]
    return codec.encode(view, request).content


def response_case(codec: Any, operation: str, response: Any) -> Callable[[], Any]:
    """The response side."""
    if operation == "decode_response":
        return lambda: codec.decode_response(response)

    def read() -> tuple[Any, ...]:
        view = codec.decode_response(response)
        return view.message, view.tool_calls, view.finish_reason, view.usage

    return read


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


LAST = {"role": "user", "content": "Something else"}
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
