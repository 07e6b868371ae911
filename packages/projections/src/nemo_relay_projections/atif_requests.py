# SPDX-License-Identifier: Apache-2.0
"""What a model was asked: does the request open a new user turn, and what did the user say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nemo_relay_projections.atif_content import joined, message, text
from nemo_relay_projections.atif_spans import Span, mapping

_USER = ("user", "human", "", None)
_SILENT = ("system", "developer")
_BY_TYPE = ("human", "ai", "system", "tool")  # LangChain's own form names the speaker by type
_RESULTS = ("tool_result", "tool_use", "function_response")


class Request:
    """The body of a model request, read tolerantly: Chat, Responses, Anthropic, Gemini, or a bare prompt."""

    __slots__ = ("_annotated", "_span", "body")

    def __init__(self, span: Span) -> None:
        data = span.input
        enveloped = isinstance(data, Mapping) and "content" in data and "headers" in data
        self.body: Any = data["content"] if enveloped else data
        self._span = span
        self._annotated = mapping(span.start, "category_profile", "annotated_request")

    @property
    def asks(self) -> bool:
        """Whether a person spoke last. False when the model only continues after its own tool calls."""
        return next((verdict for entry in self._backwards() if (verdict := _fresh(entry)) is not None), True)

    @property
    def message(self) -> str | list[dict[str, Any]]:
        """What the user said last."""
        for entry in self._backwards():
            if _role(entry) in _USER and not _is_typed_item(entry):
                return _text_of(entry)
        body = self.body
        if isinstance(body, Mapping):
            for key in ("input", "prompt"):
                if isinstance(body.get(key), str) or (key == "prompt" and body.get(key) is not None):
                    return message(body[key])
        return text(body)

    @property
    def model(self) -> str | None:
        """The model that was asked for."""
        profile = mapping(self._span.start, "category_profile")
        places = (profile.get("model_name"), self._annotated.get("model"), mapping(self.body).get("model"))
        found = next((model for model in places if isinstance(model, str) and model), None)
        return found or _string(mapping(self._span.input).get("model"))

    @property
    def reasoning_effort(self) -> str | float | None:
        """How hard the model was told to think."""
        body = mapping(self.body)
        found = body.get("reasoning_effort") or mapping(body, "reasoning").get("effort")
        return found if isinstance(found, (str, int, float)) and not isinstance(found, bool) else None

    def _backwards(self) -> Iterator[Mapping[str, Any]]:
        for body in (mapping(self.body), self._annotated):
            for key in ("messages", "input", "contents"):
                entries = body.get(key)
                if isinstance(entries, list):
                    yield from (entry for entry in reversed(entries) if isinstance(entry, Mapping))
                    return


def _fresh(entry: Mapping[str, Any]) -> bool | None:
    """True for a user's words, False for the middle of a tool loop, None where the entry does not tell."""
    if _is_typed_item(entry):
        return False
    role = _role(entry)
    if role in _SILENT or (role is None and "content" not in entry and "parts" not in entry):
        return None
    if role not in _USER:
        return False
    parts = entry.get("parts", entry.get("content"))
    if not isinstance(parts, list):
        return True
    kinds = [_kind(part) for part in parts]
    return any(kind not in _RESULTS for kind in kinds) or not kinds


def _is_typed_item(entry: Mapping[str, Any]) -> bool:
    """An item of the Responses API that is not a message: a call, its output, reasoning."""
    kind = entry.get("type")
    return isinstance(kind, str) and "role" not in entry and kind != "message" and kind not in _BY_TYPE


def _kind(part: Any) -> Any:
    if isinstance(part, Mapping):
        return "function_response" if "functionResponse" in part else part.get("type")
    return None


def _role(entry: Mapping[str, Any]) -> Any:
    role = entry.get("role", entry.get("type") if entry.get("type") in _BY_TYPE else None)
    return role.lower() if isinstance(role, str) else None


def _text_of(entry: Mapping[str, Any]) -> str | list[dict[str, Any]]:
    # Gemini parts and Responses items are one utterance in pieces; Chat and Anthropic parts are parts.
    if "parts" in entry:
        return joined(entry["parts"])
    content = entry.get("content")
    in_pieces = isinstance(content, list) and any(_kind(part) == "input_text" for part in content)
    return joined(content) if in_pieces else message(content)


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
