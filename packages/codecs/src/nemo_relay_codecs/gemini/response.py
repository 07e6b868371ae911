# SPDX-License-Identifier: Apache-2.0
"""Gemini generateContent, responses."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.gemini.blocks import data_field, optional_id, refuse_duplicates, visible
from nemo_relay_codecs.gemini.parts import part_of
from nemo_relay_codecs.model import cost
from nemo_relay_codecs.response_readers import Document, JsonObject, present, uncached

_FILTERED = frozenset(
    (
        *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"),
        *("IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION"),
    )
)
# The numbers on which the Gemini API and Vertex AI agree.
_NUMBERED = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
_BLOCKED = frozenset(("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"))
_LEFTOVERS = {
    "safetyRatings": "safety_ratings",
    "groundingMetadata": "grounding_metadata",
    "citationMetadata": "citation_metadata",
}
_MODELLED = frozenset(("responseId", "modelVersion", "candidates", "usageMetadata"))


class GeminiResponses:
    """The response side of the Gemini codec."""

    __slots__ = ()

    id: ClassVar[str]
    document: ClassVar[Document] = Document("Gemini")

    def _read_response(self, response: Any) -> JsonObject:
        document = self.document
        root = document.root(response)
        fields = present(id=document.text(root, "responseId"), model=document.text(root, "modelVersion"))
        candidates = document.objects(root, "candidates")
        shapes = [(document.mapping(c, "content") or {}, self._stated_reason(c)) for c in candidates]
        contents = [document.array(content, "parts") or [] for content, _ in shapes]
        usage = document.mapping(root, "usageMetadata")
        counts = {} if usage is None else self._counts(usage)
        api: JsonObject = {}
        if candidates:
            fields.update(_message(contents[0]))
            api = _leftovers(candidates[0])
        reason = _finish(shapes[0][1] if shapes else None, bool(fields.get("tool_calls")), root)
        if reason is not None:
            fields["finish_reason"] = reason
        thoughts = counts.pop("thoughts", None)
        if usage is not None:
            fields["usage"] = counts
        if thoughts is not None:
            api["thoughts_tokens"] = thoughts
        if api:
            fields["api_specific"] = {**api, "api": self.id}
        extra = {k: v for k, v in root.items() if k not in _MODELLED}
        if extra:
            fields["extra"] = extra
        cost.add_estimate(fields, "google", self.id, usage)
        return fields

    def _stated_reason(self, candidate: JsonObject) -> str | None:
        stated = candidate.get("finishReason")
        if type(stated) is int and isinstance(candidate.get("content"), dict):
            # Clients that speak gRPC record the number of the enumeration.
            return _NUMBERED[stated] if 0 <= stated < len(_NUMBERED) else str(stated)
        return self.document.text(candidate, "finishReason")

    def _counts(self, usage: JsonObject) -> JsonObject:
        document = self.document
        prompt, completion = (document.count(usage, k) for k in ("promptTokenCount", "candidatesTokenCount"))
        cached, thoughts = (document.count(usage, k) for k in ("cachedContentTokenCount", "thoughtsTokenCount"))
        total = document.count(usage, "totalTokenCount")
        known = [n for n in (prompt, completion, thoughts) if n is not None]
        if total is None and known:
            total = sum(known)
        return present(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=total,
            cache_read_tokens=cached,
            uncached_input_tokens=uncached(prompt, cached),
            thoughts=thoughts,
        )

    def choices(self, response: Any) -> list[JsonObject]:
        """Every candidate, its content as neutral parts."""
        root = response if isinstance(response, dict) else {}
        return [_choice(c, i) for i, c in enumerate(root.get("candidates") or ()) if isinstance(c, dict)]

    def raw_usage(self, response: Any) -> Any:
        """The provider's usage object."""
        return response.get("usageMetadata") if isinstance(response, dict) else None


def _choice(candidate: JsonObject, position: int) -> JsonObject:
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    read = [part_of(part) for part in (parts if isinstance(parts, list) else ())]
    called = any(part["type"] == "tool_call" and not part.get("server") for part in read)
    reason = candidate.get("finishReason")
    index = candidate.get("index")
    rest = {k: v for k, v in candidate.items() if k not in ("content", "finishReason", "index") and v is not None}
    return {
        "index": index if type(index) is int else position,
        "parts": read,
        **present(finish_reason=_reason(reason, called) if isinstance(reason, str) else reason),
        **({"extra": rest} if rest else {}),
    }


def _message(parts: list[Any]) -> JsonObject:
    if not all(isinstance(part, dict) for part in parts):
        raise InvalidPayload("Gemini generateContent response parts entry must be an object")
    calls = []
    for part in parts:
        kind = data_field(part, "response")
        if kind == "functionResponse":
            raise InvalidPayload("Gemini response parts must not contain functionResponse")
        if kind == "functionCall":
            calls.append(_call(part[kind]))
        elif kind == "text" and not isinstance(part[kind], str):
            raise InvalidPayload("Gemini generateContent response parts[].text must be a string")
    refuse_duplicates((p["functionCall"] for p in parts if "functionCall" in p), "response functionCall")
    return present(message=visible(parts), tool_calls=calls or None)


def _call(call: Any) -> JsonObject:
    name = "Gemini response functionCall"
    if not isinstance(call, dict):
        raise InvalidPayload(f"{name} must be an object")
    if "name" not in call:
        raise InvalidPayload(f"{name} is missing 'name'")
    if not isinstance(call["name"], str):
        raise InvalidPayload(f"{name}.name must be a string")
    if not call["name"]:
        raise InvalidPayload(f"{name}.name must be a non-empty string")
    call_id = optional_id(call, "response functionCall") or call["name"]
    arguments = {} if call.get("args") is None else call["args"]
    if not isinstance(arguments, dict):
        raise InvalidPayload(f"{name}.args must be an object")
    return {"id": call_id, "name": call["name"], "arguments": arguments}


def _leftovers(candidate: JsonObject) -> JsonObject:
    return {_LEFTOVERS.get(k, k): v for k, v in candidate.items() if k not in ("content", "finishReason", "api")}


def _reason(reason: str, called: bool) -> str | None:
    if reason in ("", "FINISH_REASON_UNSPECIFIED"):
        return "tool_use" if called else None
    if reason == "STOP":
        return "tool_use" if called else "complete"
    if reason == "TOOL_CODE":
        return "tool_use"
    if reason == "MAX_TOKENS":
        return "length"
    return "content_filter" if reason in _FILTERED else reason


def _finish(reason: str | None, called: bool, root: JsonObject) -> str | None:
    feedback = root.get("promptFeedback", {})
    blocked = None
    if "promptFeedback" in root:
        if not isinstance(feedback, dict):
            raise InvalidPayload("Gemini response promptFeedback must be an object")
        blocked = feedback.get("blockReason", "")
        if not isinstance(blocked, str):
            raise InvalidPayload("Gemini response promptFeedback.blockReason must be a string")
    found = _reason(reason or "", called)
    if found is None and blocked and blocked != "BLOCK_REASON_UNSPECIFIED":
        return "content_filter" if blocked in _BLOCKED else blocked
    return found
