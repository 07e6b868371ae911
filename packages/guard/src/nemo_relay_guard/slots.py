# SPDX-License-Identifier: Apache-2.0
"""Where the text of a chunk stands, in the formats of the providers and of LangChain."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy, deepcopy
from typing import Any

Path = tuple[Any, ...]
# What events of the Responses API say of a text, and under which name it stands in them.
_RESPONSES = {
    "response.output_text.delta": "delta",
    "response.refusal.delta": "delta",
    "response.reasoning_text.delta": "delta",
    "response.reasoning_summary_text.delta": "delta",
    "response.function_call_arguments.delta": "delta",
    "response.custom_tool_call_input.delta": "delta",
}
_PIECES = ("text", "thinking", "partial_json")  # of a delta of the Messages API
_TOLD_AGAIN = (".done", "response.completed", "response.incomplete", "response.failed")


class Slot:
    """One text of a chunk: which of the stream's texts it goes on with, and where it stands."""

    __slots__ = ("key", "path", "text")

    def __init__(self, key: Any, path: Path, text: str) -> None:
        self.key = key
        self.path = path
        self.text = text

    def put(self, chunk: Any, text: str) -> None:
        """Set the text of ``chunk``, which is a copy."""
        place = chunk
        for part in self.path[:-1]:
            place = place[part]
        if isinstance(place, (dict, list)):
            place[self.path[-1]] = text
        else:
            setattr(place, self.path[-1], text)

    def alone(self, chunk: Any) -> Any:
        """A copy of ``chunk`` that tells nothing but this text: neither usage nor an end, which it has told already."""
        made = deepcopy(chunk) if isinstance(chunk, dict) else copy(chunk)
        if isinstance(made, dict):
            for name in ("usage", "usageMetadata"):
                made.pop(name, None)
            for choice in made.get("choices") or ():
                choice["finish_reason"] = None
            for candidate in made.get("candidates") or ():
                candidate.pop("finishReason", None)
            for other in slots(made):
                if other.key != self.key:
                    other.put(made, "")
        return made


def slots(chunk: Any) -> Iterator[Slot]:
    """The texts of a chunk that is an object."""
    if isinstance(chunk, dict):
        yield from _of_event(chunk)
    elif isinstance(getattr(chunk, "content", None), str) and chunk.content:
        yield Slot(("content", getattr(chunk, "id", None)), ("content",), chunk.content)


def _of_event(chunk: dict[str, Any]) -> Iterator[Slot]:
    kind = chunk.get("type")
    name = _RESPONSES.get(kind) if isinstance(kind, str) else None
    if name is not None and isinstance(chunk.get(name), str):
        key = (kind, chunk.get("item_id"), chunk.get("output_index"), chunk.get("content_index"))
        yield Slot(key, (name,), chunk[name])
    elif kind == "content_block_delta" and isinstance(chunk.get("delta"), dict):
        for piece in _PIECES:
            if isinstance(chunk["delta"].get(piece), str):
                yield Slot((chunk.get("index"), piece), ("delta", piece), chunk["delta"][piece])
    elif isinstance(chunk.get("choices"), list):
        yield from _of_choices(chunk["choices"])
    elif isinstance(chunk.get("candidates"), list):
        yield from _of_candidates(chunk["candidates"])
    elif kind is None and isinstance(chunk.get("text"), str):
        yield Slot("text", ("text",), chunk["text"])
    elif kind is None and "content" in chunk:  # how LangChain's adapter shows a chunk of a message
        yield from _of_message(chunk["content"])


def _of_message(content: Any) -> Iterator[Slot]:
    if isinstance(content, str) and content:
        yield Slot("content", ("content",), content)
    for at, block in enumerate(content if isinstance(content, list) else ()):
        if isinstance(block, dict) and isinstance(block.get("text"), str):
            yield Slot(("block", block.get("index", at)), ("content", at, "text"), block["text"])


def _of_choices(choices: list[Any]) -> Iterator[Slot]:
    for at, choice in enumerate(choices):
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(delta, dict):
            if isinstance(choice, dict) and isinstance(choice.get("text"), str):
                yield Slot((at, "text"), ("choices", at, "text"), choice["text"])
            continue
        index = choice.get("index", at)
        for name in ("content", "refusal", "reasoning_content", "reasoning"):
            if isinstance(delta.get(name), str) and delta[name]:
                yield Slot((index, name), ("choices", at, "delta", name), delta[name])
        for place, call in enumerate(delta.get("tool_calls") or ()):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), str) and function["arguments"]:
                path = ("choices", at, "delta", "tool_calls", place, "function", "arguments")
                yield Slot((index, "call", call.get("index", place)), path, function["arguments"])


def _of_candidates(candidates: list[Any]) -> Iterator[Slot]:
    for at, candidate in enumerate(candidates):
        content = candidate.get("content") if isinstance(candidate, dict) else None
        for place, part in enumerate((content or {}).get("parts") or ()):
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                key = (candidate.get("index", at), "thought" if part.get("thought") else "text")
                yield Slot(key, ("candidates", at, "content", "parts", place, "text"), part["text"])


def endings(chunk: Any, open_keys: dict[Any, str]) -> list[Any]:
    """Which of the open texts end with ``chunk``, or before it."""
    if not isinstance(chunk, dict) or not open_keys:
        return []
    kind = chunk.get("type")
    if kind == "content_block_stop":
        return [key for key in open_keys if isinstance(key, tuple) and key[0] == chunk.get("index")]
    if isinstance(kind, str) and kind.startswith("response.") and kind.endswith(_TOLD_AGAIN):
        return list(open_keys)
    if kind in ("message_delta", "message_stop"):
        return list(open_keys)
    choices = chunk.get("choices")
    if choices == []:  # usage, after everything
        return list(open_keys)
    ended = [
        choice.get("index", at)
        for at, choice in enumerate(choices if isinstance(choices, list) else ())
        if isinstance(choice, dict) and choice.get("finish_reason") and not any(True for _ in _of_choices([choice]))
    ]
    return [key for key in open_keys if isinstance(key, tuple) and key[0] in ended]


def closes(chunk: Any, key: Any) -> bool:
    """Whether ``chunk``, which has some of that text, has the last of it."""
    if not isinstance(chunk, dict) or not isinstance(key, tuple):
        return False
    ended = [
        choice.get("index", at)
        for name in ("choices", "candidates")
        for at, choice in enumerate(chunk.get(name) or ())
        if isinstance(choice, dict) and (choice.get("finish_reason") or choice.get("finishReason"))
    ]
    return key[0] in ended


def whole_texts(chunk: Any) -> bool:
    """Whether ``chunk`` tells texts once more that came in pieces before."""
    kind = chunk.get("type") if isinstance(chunk, dict) else None
    return isinstance(kind, str) and kind.startswith("response.") and kind.endswith(_TOLD_AGAIN)
