# SPDX-License-Identifier: Apache-2.0
"""Assembly of OpenAI Chat Completions streams."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.assembly import Assembler, JsonObject, Pieces, fold
from nemo_relay_codecs.values import is_u64

_FIRST = ("id", "object", "created", "model")
_GROWING = frozenset(("refusal", "reasoning_content", "reasoning"))
_TOP_SKIP = (*_FIRST, "choices", "usage", "error")


class _Call:
    __slots__ = ("arguments", "extra", "id", "kind", "name")

    def __init__(self) -> None:
        self.id: str | None = None
        self.kind = "function"
        self.name = ""
        self.arguments: Pieces = []
        self.extra: JsonObject = {}

    def take(self, delta: JsonObject) -> None:
        for key, value in delta.items():
            if key == "function" and isinstance(value, dict):
                self._function(value)
            elif key == "id":
                self.id = value if isinstance(value, str) else self.id
            elif key == "type":
                self.kind = value if isinstance(value, str) else self.kind
            elif key not in ("index", "function") and value is not None:
                self.extra[key] = value

    def _function(self, function: JsonObject) -> None:
        name, arguments = function.get("name"), function.get("arguments")
        if isinstance(name, str):
            self.name = name
        if isinstance(arguments, str):
            self.arguments.append(arguments)

    def build(self) -> JsonObject:
        head = {} if self.id is None else {"id": self.id}
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {**head, "type": self.kind, "function": function, **self.extra}


class Choice:
    """One choice of a response in the making."""

    __slots__ = ("audio", "calls", "content", "extra", "finish_reason", "function", "message", "role", "texts")

    def __init__(self) -> None:
        self.role = "assistant"
        self.content: Pieces | None = None
        self.texts: dict[str, Pieces] = {}
        self.calls: dict[int, _Call] = {}
        self.function: _Call | None = None
        self.audio: JsonObject | None = None
        self.message: JsonObject = {}
        self.finish_reason: str | None = None
        self.extra: JsonObject = {}

    def take(self, choice: JsonObject) -> None:
        for key, value in choice.items():
            if key == "delta":
                if isinstance(value, dict):
                    self.delta(value)
            elif key == "finish_reason":
                if isinstance(value, str):
                    self.finish_reason = value
            elif key != "index":
                fold(self.extra, {key: value})

    def delta(self, delta: JsonObject) -> None:
        for key, value in delta.items():
            if key == "content":
                if type(value) is str:
                    if self.content is None:
                        self.content = [value]
                    else:
                        self.content.append(value)
                elif value is not None:
                    self.other_content(value)
            elif key == "role":
                self.role = value if isinstance(value, str) else self.role
            elif key == "tool_calls":
                self.tool_calls(value)
            elif key in _GROWING and isinstance(value, str):
                self.texts.setdefault(key, []).append(value)
            elif key == "function_call" and isinstance(value, dict):
                self.function = self.function or _Call()
                self.function._function(value)
            elif key == "audio" and isinstance(value, dict):
                self.take_audio(value)
            elif key == "reasoning_details" and isinstance(value, list):
                self.reasoning_details(value)
            else:
                fold(self.message, {key: value})

    def other_content(self, value: Any) -> None:
        """Content that is no text: nothing OpenAI sends. Compatible servers override this."""

    def tool_calls(self, deltas: Any) -> None:
        for delta in deltas if isinstance(deltas, list) else ():
            if isinstance(delta, dict):
                self._slot(delta).take(delta)

    def _slot(self, delta: JsonObject) -> _Call:
        index: Any = delta.get("index")
        call_id = delta.get("id")
        if not is_u64(index):
            # Servers that send whole calls leave the index out; another id is another call.
            index = max(self.calls, default=0)
            current = self.calls.get(index)
            if current is not None and isinstance(call_id, str) and call_id and call_id != current.id:
                index += 1
        return self.calls.setdefault(index, _Call())

    def take_audio(self, value: JsonObject) -> None:
        if self.audio is None:
            self.audio = {}
        audio = self.audio
        for key, item in value.items():
            if key in ("data", "transcript") and isinstance(item, str):
                audio.setdefault(key, []).append(item)
            elif item is not None:
                audio[key] = item

    def reasoning_details(self, details: list[Any]) -> None:
        known: list[Any] = self.message.setdefault("reasoning_details", [])
        for detail in details:
            last: Any = known[-1] if known else None
            if _continues(last, detail):
                for key, value in detail.items():
                    old = last.get(key)
                    grows = key in ("text", "summary", "data") and isinstance(old, str) and isinstance(value, str)
                    last[key] = old + value if grows else value if value is not None else old
            else:
                known.append(dict(detail) if isinstance(detail, dict) else detail)

    def build(self, index: int) -> JsonObject:
        message: JsonObject = {"role": self.role, "content": self.built_content()}
        message.update(self.message)
        for key, pieces in self.texts.items():
            message[key] = "".join(pieces)
        if self.audio is not None:
            message["audio"] = {k: "".join(v) if isinstance(v, list) else v for k, v in self.audio.items()}
        if self.function is not None:
            message["function_call"] = self.function.build()["function"]
        if self.calls:
            message["tool_calls"] = [self.calls[i].build() for i in sorted(self.calls)]
        return {"index": index, "message": message, **self.extra, "finish_reason": self.finish_reason}

    def built_content(self) -> Any:
        return None if self.content is None else "".join(self.content)


def _continues(last: Any, detail: Any) -> bool:
    if not isinstance(last, dict) or not isinstance(detail, dict):
        return False
    return bool("index" in detail and last.get("index") == detail["index"] and last.get("type") == detail.get("type"))


class ChatAssembler(Assembler):
    """OpenAI Chat Completions, and servers that speak it.

    >>> assembler = ChatAssembler()
    >>> for text in ("Hel", "lo"):
    ...     assembler.push({"choices": [{"index": 0, "delta": {"content": text}}]})
    >>> assembler.partial["choices"][0]["message"]["content"]
    'Hello'
    """

    codec_id: ClassVar[str] = "openai_chat"
    choice_class: ClassVar[type[Choice]] = Choice

    def __init__(self) -> None:
        super().__init__()
        self._top: JsonObject = {}
        self._extra: JsonObject = {}
        self._usage: Any = None
        self._choices: dict[int, Choice] = {}

    def _take(self, chunk: JsonObject) -> None:
        choices = chunk.get("choices")
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict):
                    self._choice(choice)
        for key, value in chunk.items():
            if key == "choices" or value is None:
                continue
            if key == "usage":
                self._usage = value
            elif key in _FIRST:
                if key not in self._top:
                    self._first(key, value)
            elif key == "error":
                self.error = value
            else:
                self._extra[key] = value

    def _choice(self, choice: JsonObject) -> None:
        index: Any = choice.get("index")
        if not is_u64(index):
            index = 0
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = self.choice_class()
        known.take(choice)

    def _first(self, key: str, value: Any) -> None:
        if key == "created":
            if is_u64(value):
                self._top[key] = value
        elif isinstance(value, str):
            self._top[key] = value.removesuffix(".chunk") if key == "object" else value

    def _build(self) -> JsonObject:
        out = {key: self._top[key] for key in _FIRST if key in self._top}
        out["choices"] = [self._choices[i].build(i) for i in sorted(self._choices)]
        if self._usage is not None:
            out["usage"] = self._usage
        return {**out, **self._extra}

    def _ended(self) -> bool:
        finished = [choice.finish_reason is not None for choice in self._choices.values()]
        return all(finished) if finished else self._done
