# SPDX-License-Identifier: Apache-2.0
"""What a recorded answer says, read by hand from its bytes: what the events of a replay are held against."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .real_recordings import CHAT, MESSAGES, Recording


@dataclass
class Answer:
    """Model, counts, finish reason, text and tool calls (id, name, arguments), or that there is only an error."""

    model: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    finish: str | None = None
    text: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    failed: bool = False


def answer_of(recording: Recording) -> Answer:
    """Reads the recorded answer, whole or streamed."""
    raw = gzip.decompress(recording.answer) if recording.answer[:2] == b"\x1f\x8b" else recording.answer
    streamed = "event-stream" in recording.headers["content-type"][0]
    found = _events(raw.decode()) if streamed else [json.loads(raw)]
    if recording.status["code"] >= 400 or any("error" in event and event["error"] for event in found):
        return Answer(failed=True)
    if recording.api == CHAT:
        return _chat(found, "delta" if streamed else "message")
    if recording.api == MESSAGES:
        return _messages(found) if streamed else _message(found[0])
    whole = [event["response"] for event in found if event["type"] == "response.completed"] if streamed else found
    return _response(whole[-1])


def _events(text: str) -> list[dict[str, Any]]:
    lines = (line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:"))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def _chat(found: list[dict[str, Any]], part: str) -> Answer:
    answer, calls = Answer(model=next((one["model"] for one in found if one.get("model")), None)), {}
    for one in found:
        for choice in one["choices"]:
            said = choice.get(part) or {}
            answer.text += said.get("content") or ""
            answer.finish = choice.get("finish_reason") or answer.finish
            for position, call in enumerate(said.get("tool_calls") or ()):
                kept = calls.setdefault(call.get("index", position), {"id": "", "name": "", "arguments": ""})
                kept["id"] += call.get("id") or ""
                for key in ("name", "arguments"):
                    kept[key] += (call.get("function") or {}).get(key) or ""
        answer.usage = _chat_usage(one.get("usage") or (one.get("x_groq") or {}).get("usage")) or answer.usage
    answer.calls = [(call["id"], call["name"], json.loads(call["arguments"])) for call in calls.values()]
    return answer


def _chat_usage(usage: dict[str, Any] | None) -> dict[str, int]:
    usage = usage or {}
    into, out = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return _counts(
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        total_tokens=usage.get("total_tokens"),
        cache_read_tokens=into.get("cached_tokens"),
        reasoning_tokens=out.get("reasoning_tokens"),
    )


def _message(whole: dict[str, Any]) -> Answer:
    blocks = whole["content"]
    return Answer(
        whole["model"],
        _message_usage(whole["usage"]),
        whole["stop_reason"],
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
    )


def _messages(events: list[dict[str, Any]]) -> Answer:
    """The message that a stream of Anthropic's adds up to."""
    whole: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                whole = event["message"]
            case "content_block_start":
                blocks[event["index"]] = {**event["content_block"], "json": ""}
            case "content_block_delta":
                _grow(blocks[event["index"]], event["delta"])
            case "message_delta":
                counts = {name: count for name, count in event["usage"].items() if count is not None}
                whole |= {"stop_reason": event["delta"]["stop_reason"], "usage": {**whole["usage"], **counts}}
    for block in blocks.values():
        if block["type"] == "tool_use" and block["json"]:
            block["input"] = json.loads(block["json"])
    return _message({**whole, "content": list(blocks.values())})


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if delta["type"] == "text_delta":
        block["text"] += delta["text"]
    if delta["type"] == "input_json_delta":
        block["json"] += delta["partial_json"]


def _message_usage(usage: dict[str, Any]) -> dict[str, int]:
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    prompt = usage["input_tokens"] + (read or 0) + (written or 0)
    return _counts(
        prompt_tokens=prompt,
        completion_tokens=usage["output_tokens"],
        total_tokens=prompt + usage["output_tokens"],
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens"),
    )


def _response(whole: dict[str, Any]) -> Answer:
    usage, items = whole["usage"], whole["output"]
    into, out = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return Answer(
        whole["model"],
        _counts(
            prompt_tokens=usage["input_tokens"],
            completion_tokens=usage["output_tokens"],
            total_tokens=usage["total_tokens"],
            cache_read_tokens=into.get("cached_tokens"),
            cache_write_tokens=into.get("cache_write_tokens"),
            reasoning_tokens=out.get("reasoning_tokens"),
        ),
        whole["status"],
        "".join(_texts(item for item in items if item["type"] == "message")),
        [
            (item["call_id"], item["name"], json.loads(item["arguments"]))
            for item in items
            if item["type"] == "function_call"
        ],
    )


def _texts(items: Iterable[dict[str, Any]]) -> Iterable[str]:
    return (part["text"] for item in items for part in item["content"] if part["type"] == "output_text")


def _counts(**counts: int | None) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count is not None}
