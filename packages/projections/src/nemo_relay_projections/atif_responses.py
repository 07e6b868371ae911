# SPDX-License-Identifier: Apache-2.0
"""What a model answered: message, reasoning and tool calls, whatever the provider's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_relay_projections.atif_content import joined, message, text
from nemo_relay_projections.atif_spans import Event, Span, mapping

_ID = ("id", "tool_call_id", "call_id")
_NAME = ("name", "toolName", "tool_name", "function_name")
_ARGUMENTS = ("arguments", "args", "input")
_THINKING = ("thinking", "reasoning", "reasoning.text", "reasoning.summary")
_REASONING = ("reasoning", "reasoning_content", "reasoningContent", "thinking")


@dataclass(slots=True, eq=False)
class Call:
    """A tool call of a step, declared by the model or found in the run, with its executions."""

    id: str
    name: str
    arguments: dict[str, Any]
    extra: dict[str, Any] = field(default_factory=dict)
    runs: list[Span] = field(default_factory=list)


class Response:
    """One model response, read tolerantly: Chat, Responses, Anthropic, Gemini, a bare message, anything."""

    __slots__ = ("_annotated", "_span", "_speaker", "data")

    def __init__(self, span: Span) -> None:
        self.data = span.output
        self._span = span
        self._annotated = mapping(span.end, "category_profile", "annotated_response")
        self._speaker = _speaker(self.data)

    @property
    def message(self) -> str | list[dict[str, Any]]:
        """What the model said; empty where it only called tools, or failed."""
        answer = self._annotated.get("message")
        if isinstance(answer, str):
            return answer
        if self._speaker is not None:
            content = self._speaker.get("parts", self._speaker.get("content"))
            return joined(content) if content is not None else text(self._speaker.get("refusal"))
        found = _unspoken(self.data)
        if found is None:
            return "" if self._annotated else message(self.data)
        return found

    @property
    def reasoning(self) -> str | None:
        """The model's thoughts, where the provider shows them."""
        holders = [holder for holder in (self._speaker, mapping(self.data)) if holder]
        if self._speaker is not None:
            holders.append(mapping(self._speaker, "extra", "lc", "additional_kwargs"))
        for holder in holders:
            stated = next((holder[key] for key in _REASONING if isinstance(holder.get(key), str)), "")
            thoughts = stated or "\n".join(thought for block in _blocks(holder) for thought in _thoughts(block))
            if thoughts:
                return thoughts
        return None

    @property
    def model(self) -> str | None:
        """The model that answered."""
        data, profile = mapping(self.data), mapping(self._span.end, "category_profile")
        named = (self._annotated.get("model"), data.get("model"), data.get("modelVersion"))
        places = (*named, profile.get("model_name"))
        return next((model for model in places if isinstance(model, str) and model), None)

    def calls(self) -> list[Call]:
        """The tool calls it declares, in order, with the ids that results will name."""
        stated = _listed(self._annotated.get("tool_calls"))
        declared = list(_declared(self._speaker, mapping(self.data))) or stated
        found = [_call(raw, number) for number, raw in enumerate(declared, 1)]
        return [call for call in found if call is not None]


def ends_turn(end: Event) -> bool:
    """Whether a turn scope has ended, or a model has answered without a wish for tools."""
    if mapping(end, "metadata").get("nemo_relay_scope_role") == "turn":
        return True
    return end.get("category") == "llm" and not Response(Span("", "", "llm", None, 0, end=end)).calls()


def arguments(value: Any) -> dict[str, Any]:
    """Tool arguments as the object ATIF demands, with ``{"value": ...}`` or ``{"raw": ...}`` around it."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {"raw": value}
        if value is None:
            return {"value": None}
    if value is None:
        return {}
    return dict(value) if isinstance(value, Mapping) else {"value": value}


def _speaker(data: Any) -> Mapping[str, Any] | None:
    """The object that holds the assistant's content, or None where the response has no such object."""
    if not isinstance(data, Mapping):
        return None
    if "content" in data and not isinstance(data["content"], Mapping):
        return data
    first = mapping(_first(data.get("choices") or mapping(data, "raw_response").get("choices")))
    if isinstance(first.get("text"), str):  # the completions API has a text where the chat API has a message
        return {"content": first["text"]}
    chat = (mapping(data, "assistant_message"), mapping(first, "message"), mapping(data, "message"))
    places = (*chat, mapping(_first(data.get("candidates")), "content"))
    return next((place for place in places if place), None)


def _unspoken(data: Any) -> str | None:
    """The text of a response that has no assistant message in it; None where its shape is unknown."""
    if not isinstance(data, Mapping):
        return None
    if isinstance(data.get("answer"), str):
        return str(data["answer"])
    if isinstance(data.get("output_text"), str):
        return str(data["output_text"])
    if isinstance(data.get("output"), list):
        answer = (item for item in data["output"] if mapping(item).get("type") != "reasoning")
        blocks = (mapping(block) for item in answer for block in _listed(mapping(item).get("content")))
        return "\n".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
    return "" if data.get("tool_calls") or set(data) == {"error"} else None


def _declared(speaker: Mapping[str, Any] | None, data: Mapping[str, Any]) -> Iterator[Any]:
    for holder in (speaker or {}, data):
        calls = [*_listed(holder.get("tool_calls")), *_listed(holder.get("invalid_tool_calls"))]
        if calls:
            yield from calls
            return
    if isinstance(mapping(speaker).get("function_call"), Mapping):
        yield mapping(speaker)["function_call"]
    for item in _listed(data.get("output")):
        if mapping(item).get("type") in ("function_call", "custom_tool_call"):
            # "id" names the item; results refer to "call_id".
            hidden = ("id", "status") if "call_id" in item else ()
            yield {key: value for key, value in item.items() if key not in hidden}
    for block in _listed(mapping(speaker).get("parts", mapping(speaker).get("content"))):
        if mapping(block).get("type") == "tool_use":
            yield block
        elif isinstance(mapping(block).get("functionCall"), Mapping):
            yield block["functionCall"]
        elif mapping(block, "toolUse") and mapping(block, "toolUse").get("type") != "server_tool_use":
            use = dict(block["toolUse"])
            yield {"id": use.pop("toolUseId", None), **use}


def _call(raw: Any, number: int) -> Call | None:
    call = mapping(raw)
    function = mapping(call, "function") or mapping(call, "custom")
    identity = next((str(call[key]) for key in _ID if call.get(key) not in (None, "")), None)
    name = next((str(place[key]) for place in (function, call) for key in _NAME if place.get(key)), None)
    if identity is None and name is None:
        return None
    places = [(place, key) for place in (function, call) for key in _ARGUMENTS]
    given = next((place[key] for place, key in places if place.get(key) is not None), None)
    known = {*_ID, *_NAME, *_ARGUMENTS, "type"}
    extra = {key: value for key, value in call.items() if key not in known and key not in ("function", "custom")}
    unknown = {key: value for key, value in function.items() if key not in known}
    if unknown:
        extra["function"] = unknown
    return Call(identity or f"{name}:{number}", name or "unknown", arguments(given), extra)


def _blocks(holder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("content", "parts", "output", "reasoning_details"):
        yield from (block for block in _listed(holder.get(key)) if isinstance(block, Mapping))


def _thoughts(block: Mapping[str, Any]) -> Iterator[str]:
    if block.get("thought") is True and isinstance(block.get("text"), str):
        yield block["text"]
    shown = mapping(block, "reasoningContent", "reasoningText").get("text")
    if isinstance(shown, str) and shown:
        yield shown
    if str(block.get("type")) not in _THINKING:
        return
    for key in ("thinking", "reasoning", "text", "summary"):
        if isinstance(block.get(key), str) and block[key]:
            yield block[key]
    for key in ("thinking", "summary", "content"):
        for piece in _listed(block.get(key)):
            if isinstance(mapping(piece).get("text"), str):
                yield piece["text"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None
