# SPDX-License-Identifier: Apache-2.0
"""Assembly of Gemini generateContent streams."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.assembly import Assembler, JsonObject, Pieces, counted, overlay
from nemo_relay_codecs.gemini.arguments import StreamedCall
from nemo_relay_codecs.values import is_u64

_MERGEABLE = (frozenset(("text",)), frozenset(("text", "thought")))


class _Candidate:
    __slots__ = ("call", "extra", "finish_reason", "parts", "role", "texts")

    def __init__(self) -> None:
        self.role = "model"
        self.parts: list[Any] = []
        self.call: StreamedCall | None = None  # the last part, while its arguments are still coming
        self.texts: Pieces = []  # of the last part, while it is still growing
        self.finish_reason: str | int | None = None
        self.extra: JsonObject = {}

    def take(self, candidate: JsonObject) -> None:
        content = candidate.get("content")
        if isinstance(content, dict):
            if isinstance(content.get("role"), str):
                self.role = content["role"]
            parts = content.get("parts")
            for part in parts if isinstance(parts, list) else ():
                self._part(part)
        reason = candidate.get("finishReason")
        if isinstance(reason, str) or is_u64(reason):  # clients that speak gRPC record the number
            self.finish_reason = reason
        overlay(self.extra, candidate, ("content", "finishReason", "index"))

    def _part(self, part: Any) -> None:
        if self._continues_call(part):
            return
        growing = isinstance(part, dict) and part.keys() in _MERGEABLE and isinstance(part.get("text"), str)
        last: Any = self.parts[-1] if self.parts else None
        if growing and self.texts and last.keys() == part.keys() and last.get("thought") == part.get("thought"):
            self.texts.append(part["text"])
            return
        self._settle()
        self.call = None
        self.parts.append(part)
        self.texts = [part["text"]] if growing else []

    def _continues_call(self, part: Any) -> bool:
        call = part.get("functionCall") if isinstance(part, dict) else None
        if not isinstance(call, dict):
            return False
        if self.call is not None and not self.call.is_other(call):
            self.call.take(part, call)
            self.parts[-1] = self.call.build()
            self.call = self.call if call.get("willContinue") else None
            return True
        if not call.get("willContinue") and "partialArgs" not in call:
            self.call = None
            return False
        self._settle()
        self.texts = []
        self.call = StreamedCall()
        self.call.take(part, call)
        self.parts.append(self.call.build())
        self.call = self.call if call.get("willContinue") else None
        return True

    def _settle(self) -> None:
        if len(self.texts) > 1:
            self.parts[-1] = {**self.parts[-1], "text": "".join(self.texts)}
            self.texts = [self.parts[-1]["text"]]

    def build(self, index: int) -> JsonObject:
        self._settle()
        out: JsonObject = {"content": {"role": self.role, "parts": list(self.parts)}}
        if self.finish_reason is not None:
            out["finishReason"] = self.finish_reason
        return {**out, "index": index, **self.extra}


class GeminiAssembler(Assembler):
    """Gemini generateContent.

    >>> assembler = GeminiAssembler()
    >>> for text in ("Hel", "lo"):
    ...     assembler.push({"candidates": [{"content": {"parts": [{"text": text}]}}]})
    >>> assembler.finish()["candidates"][0]["content"]["parts"]
    [{'text': 'Hello'}]
    """

    codec_id: ClassVar[str] = "gemini_generate_content"

    def __init__(self) -> None:
        super().__init__()
        self._candidates: dict[int, _Candidate] = {}
        self._extra: JsonObject = {}
        self._usage: JsonObject = {}

    def _take(self, chunk: JsonObject) -> None:
        candidates = chunk.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict):
                index = candidate.get("index")
                self._candidates.setdefault(index if is_u64(index) else 0, _Candidate()).take(candidate)
        if isinstance(chunk.get("usageMetadata"), dict):
            self._usage = counted(self._usage, chunk["usageMetadata"])
        if chunk.get("error") is not None:
            self.error = chunk["error"]
        overlay(self._extra, chunk, ("candidates", "usageMetadata", "error"))

    def _build(self) -> JsonObject:
        out: JsonObject = {"candidates": [self._candidates[i].build(i) for i in sorted(self._candidates)]}
        if not self._candidates and "promptFeedback" in self._extra:
            out = {}
        if self._usage:
            out["usageMetadata"] = dict(self._usage)
        return {**out, **self._extra}

    def _ended(self) -> bool:
        finished = [candidate.finish_reason is not None for candidate in self._candidates.values()]
        return all(finished) if finished else "promptFeedback" in self._extra
