# SPDX-License-Identifier: Apache-2.0
"""Assembly of OCI GenAI chat streams: GENERIC, COHEREV2 and COHERE."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.assembly import Assembler, JsonObject, Pieces, counted, fold
from nemo_relay_codecs.values import is_u64

_ENVELOPE_KEYS = ("chatResponse", "modelId")


class _Call:
    __slots__ = ("arguments", "fields", "function")

    def __init__(self) -> None:
        self.fields: JsonObject = {}
        self.function: JsonObject | None = None
        self.arguments: Pieces = []

    def take(self, call: JsonObject) -> None:
        inner = call.get("function")
        if isinstance(inner, dict):
            self.function = {**(self.function or {}), **{k: v for k, v in inner.items() if k != "arguments"}}
        holder = inner if isinstance(inner, dict) else call
        if isinstance(holder.get("arguments"), str):
            self.arguments.append(holder["arguments"])
        self.fields.update((k, v) for k, v in call.items() if k not in ("function", "arguments") and v is not None)

    def build(self) -> JsonObject:
        arguments = {"arguments": "".join(self.arguments)} if self.arguments else {}
        if self.function is None:
            return {**self.fields, **arguments}
        return {**self.fields, "function": {**self.function, **arguments}}


class _Choice:
    __slots__ = ("calls", "extra", "finish_reason", "message", "parts", "role", "texts")

    def __init__(self) -> None:
        self.role: str | None = None
        self.parts: list[Any] = []
        self.texts: Pieces = []
        self.calls: list[_Call] = []
        self.message: JsonObject = {}
        self.finish_reason: str | None = None
        self.extra: JsonObject = {}

    def take(self, event: JsonObject) -> None:
        message = event.get("message")
        if isinstance(message, dict):
            self._message(message)
        if isinstance(event.get("finishReason"), str):
            self.finish_reason = event["finishReason"]

    def _message(self, message: JsonObject) -> None:
        if isinstance(message.get("role"), str):
            self.role = message["role"]
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            self._part(part)
        calls = message.get("toolCalls")
        for position, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._slot(call.get("id"), position).take(call)
        fold(self.message, message, ("role", "content", "toolCalls"))

    def _part(self, part: Any) -> None:
        is_text = isinstance(part, dict) and part.get("type") == "TEXT" and isinstance(part.get("text"), str)
        if not is_text:
            self._settle()
            self.parts.append(part)
            return
        if not self.texts:
            self.parts.append(part)
        self.texts.append(part["text"])

    def _settle(self) -> None:
        if self.texts:
            self.parts[-1] = {**self.parts[-1], "text": "".join(self.texts)}
            self.texts = []

    def _slot(self, call_id: Any, position: int) -> _Call:
        if isinstance(call_id, str) and call_id:
            for call in self.calls:
                if call.fields.get("id") == call_id:
                    return call
        elif position < len(self.calls):
            return self.calls[position]
        self.calls.append(_Call())
        return self.calls[-1]

    def build(self) -> JsonObject:
        self._settle()
        parts = [p for p in self.parts if not (isinstance(p, dict) and p.get("type") == "TEXT" and not p.get("text"))]
        out: JsonObject = {"role": self.role or "ASSISTANT", "content": parts, **self.message}
        if self.calls:
            out["toolCalls"] = [call.build() for call in self.calls]
        return out


class OCIAssembler(Assembler):
    """OCI GenAI chat.

    >>> assembler = OCIAssembler()
    >>> assembler.push({"text": "Hel"}); assembler.push({"text": "lo"})
    >>> assembler.finish()
    {'chatResponse': {'apiFormat': 'COHERE', 'text': 'Hello'}}
    """

    codec_id: ClassVar[str] = "oci_genai"

    def __init__(self) -> None:
        super().__init__()
        self._format: str | None = None
        self._model: Any = None
        self._usage: Any = None
        self._text: Pieces = []
        self._finish: str | None = None
        self._choices: dict[int, _Choice] = {}
        self._extra: JsonObject = {}

    def _take(self, chunk: JsonObject) -> None:
        inner = chunk.get("chatResponse")
        event = inner if isinstance(inner, dict) else chunk
        self._model = chunk.get("modelId") or self._model
        if event.get("usage") is not None:
            self._usage = counted(self._usage, event["usage"])
        if chunk.get("error") is not None:
            self.error = chunk["error"]
        if self._format is None:
            self._format = _format_of(event)
        if self._format == "COHERE":
            self._cohere(event)
        elif self._format is not None:
            self._generic(event)

    def _cohere(self, event: JsonObject) -> None:
        text, reason = event.get("text"), event.get("finishReason")
        if isinstance(text, str):
            if isinstance(reason, str) and text:
                self._text = [text]  # the last event repeats the whole answer
            else:
                self._text.append(text)
        if isinstance(reason, str):
            self._finish = reason
        fold(self._extra, event, ("apiFormat", "text", "finishReason", "usage", *_ENVELOPE_KEYS, "error"))

    def _generic(self, event: JsonObject) -> None:
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else [event]:
            if isinstance(choice, dict):
                index = choice.get("index")
                self._choices.setdefault(index if is_u64(index) else 0, _Choice()).take(choice)

    def _build(self) -> JsonObject:
        out: JsonObject = {"apiFormat": self._format or "GENERIC"}
        if self._format == "COHERE":
            out["text"] = "".join(self._text)
            out.update({"finishReason": self._finish} if self._finish is not None else {})
            out.update(self._extra)
        elif self._format == "COHEREV2":
            out.update(self._only())
        else:
            out["choices"] = [self._choice(i) for i in sorted(self._choices)]
        if self._usage is not None:
            out["usage"] = self._usage
        return {**({} if self._model is None else {"modelId": self._model}), "chatResponse": out}

    def _only(self) -> JsonObject:
        if not self._choices:
            return {}
        choice = self._choices[min(self._choices)]
        reason = {} if choice.finish_reason is None else {"finishReason": choice.finish_reason}
        return {"message": choice.build(), **reason}

    def _choice(self, index: int) -> JsonObject:
        choice = self._choices[index]
        reason = {} if choice.finish_reason is None else {"finishReason": choice.finish_reason}
        return {"index": index, "message": choice.build(), **reason}

    def _ended(self) -> bool:
        finished = [c.finish_reason is not None for c in self._choices.values()]
        return all(finished) if finished else self._finish is not None


def _format_of(event: JsonObject) -> str | None:
    stated = event.get("apiFormat")
    if isinstance(stated, str):
        return stated.upper()
    if "message" in event or "choices" in event or "index" in event:
        return "GENERIC"
    return "COHERE" if "text" in event else None
