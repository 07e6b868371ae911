# SPDX-License-Identifier: Apache-2.0
"""Assembly of OpenAI Chat Completions streams."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.assembly import Assembler, JsonObject, Pieces, counted, fold
from nemo_relay_codecs.values import is_u64, parsed, text_of

_FIRST = ("id", "object", "created", "model")
_GROWING = frozenset(("refusal", "reasoning_content", "reasoning"))
_SOUND = ("data", "transcript")  # members of audio that grow


class _Call:
    __slots__ = ("arguments", "custom", "extra", "function", "id", "kind", "name", "place")

    def __init__(self, place: tuple[int, int]) -> None:
        self.place = place  # its index, and its number in the order of arrival
        self.id: str | None = None
        self.kind = ""
        self.name = ""
        self.function = False  # whether a function was spoken of
        self.arguments: Pieces = []
        self.custom: dict[str, Any] | None = None
        self.extra: JsonObject = {}

    def take(self, delta: JsonObject) -> None:
        for key, value in delta.items():
            if key == "function" and isinstance(value, dict):
                self.take_function(value)
            elif key == "custom" and isinstance(value, dict):
                self._custom(value)
            elif key == "id":
                self.id = value if isinstance(value, str) and (value or self.id is None) else self.id
            elif key == "type":
                self.kind = value if isinstance(value, str) and value else self.kind
            elif key not in ("index", "function", "custom") and value is not None:
                self.extra[key] = value

    def take_function(self, function: JsonObject) -> None:
        self.function = True
        name, arguments = function.get("name"), function.get("arguments")
        if isinstance(name, str) and name:
            self.name = name
        if isinstance(arguments, str):
            self.arguments.append(arguments)
        elif isinstance(arguments, dict) and arguments:
            self.arguments = [text_of(arguments)]  # servers that parse them

    def _custom(self, value: JsonObject) -> None:
        self.custom = {} if self.custom is None else self.custom
        for key, item in value.items():
            if key == "input":
                self.custom.setdefault(key, []).extend([item] if isinstance(item, str) else ())
            elif item or key not in self.custom:
                self.custom[key] = item

    def is_other(self, call_id: Any, name: Any) -> bool:
        """Whether a piece with that id and name begins another call."""
        if not isinstance(call_id, str) or not call_id or not self.id or call_id == self.id:
            return False
        # Some servers make up a new id for every piece of one call; a call begins with its name.
        begun = bool(self.arguments) and not self.is_whole()
        return isinstance(name, str) and bool(name) and not (name == self.name and begun)

    def is_whole(self) -> bool:
        """Whether the arguments so far are a JSON object."""
        return isinstance(parsed("".join(self.arguments)), dict)

    def built_function(self) -> JsonObject:
        return {"name": self.name, "arguments": "".join(self.arguments)}

    def build(self) -> JsonObject:
        out: JsonObject = {} if self.id is None else {"id": self.id}
        out["type"] = self.kind or ("function" if self.custom is None else "custom")
        if self.function or self.custom is None:
            out["function"] = self.built_function()
        if self.custom is not None:
            out["custom"] = {k: "".join(v) if k == "input" else v for k, v in self.custom.items()}
        return {**out, **self.extra}


class Choice:
    """One choice of a response in the making."""

    __slots__ = (
        *("audio", "calls", "content", "error", "extra", "finish_reason", "function", "message", "role", "texts"),
        "usage",
    )

    def __init__(self) -> None:
        self.role = "assistant"
        self.content: Pieces | None = None
        self.texts: dict[str, Pieces] = {}
        self.calls: list[_Call] = []
        self.error: Any = None
        self.usage: Any = None
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
                if isinstance(value, str) and (value or self.finish_reason is None):
                    self.finish_reason = value
            elif key == "usage":
                self.usage = counted(self.usage, value)
            elif key != "index":
                if key == "error" and value is not None:
                    self.error = value
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
                self.role = value if isinstance(value, str) and value else self.role
            elif key == "tool_calls":
                self.tool_calls(value)
            elif key in _GROWING and isinstance(value, str):
                self.texts.setdefault(key, []).append(value)
            elif key == "function_call" and isinstance(value, dict):
                self.function = self.function or _Call((0, 0))
                self.function.take_function(value)
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
        """The call that a piece belongs to: by its index, by its id, else the last one."""
        index, call_id = delta.get("index"), delta.get("id")
        function = delta.get("function") or delta.get("custom")
        name = function.get("name") if isinstance(function, dict) else None
        if is_u64(index):
            found = next((call for call in reversed(self.calls) if call.place[0] == index), None)
            if found is not None and found.is_other(call_id, name):
                found = next((call for call in self.calls if call.place[0] == index and call.id == call_id), None)
            return found or self._begin(index)
        if isinstance(call_id, str) and call_id:
            found = next((call for call in self.calls if call.id == call_id), None)
            unnamed = self.calls[-1] if self.calls and not self.calls[-1].id else None
            return found or unnamed or self._begin()
        last = self.calls[-1] if self.calls else None
        if last is None or (isinstance(name, str) and name and last.name and last.is_whole()):
            return self._begin()
        return last

    def _begin(self, index: int | None = None) -> _Call:
        if index is None:
            index = max((call.place[0] for call in self.calls), default=-1) + 1
        self.calls.append(_Call((index, len(self.calls))))
        return self.calls[-1]

    def take_audio(self, value: JsonObject) -> None:
        if self.audio is None:
            self.audio = {}
        audio = self.audio
        for key, item in value.items():
            if key in _SOUND:
                audio.setdefault(key, []).extend([item] if isinstance(item, str) else ())
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
            message["audio"] = {k: "".join(v) if k in _SOUND else v for k, v in self.audio.items()}
        if self.function is not None:
            message["function_call"] = self.function.built_function()
        if self.calls:
            message["tool_calls"] = [call.build() for call in sorted(self.calls, key=lambda call: call.place)]
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
        self._aside: Any = None  # usage that is stated elsewhere
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
                self._usage = counted(self._usage, value)
            elif key in _FIRST:
                if not self._top.get(key):
                    self._first(key, value)
            elif key != "error":
                self._extra[key] = value
                if isinstance(value, dict) and "usage" in value and key.startswith("x_"):
                    self._aside = counted(self._aside, value["usage"])  # Groq: `x_groq`

    def _choice(self, choice: JsonObject) -> None:
        index: Any = choice.get("index")
        if not is_u64(index):
            index = 0
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = self.choice_class()
        known.take(choice)
        if known.error is not None:
            self.fail(known.error)

    def _first(self, key: str, value: Any) -> None:
        if key == "created":
            if is_u64(value):
                self._top[key] = value
        elif isinstance(value, str):
            self._top[key] = value.removesuffix(".chunk") if key == "object" else value

    def _build(self) -> JsonObject:
        out = {key: self._top[key] for key in _FIRST if key in self._top}
        out["choices"] = [self._choices[i].build(i) for i in sorted(self._choices)]
        usage = self._stated_usage()
        if usage is not None:
            out["usage"] = usage
        return {**out, **self._extra}

    def _stated_usage(self) -> Any:
        """The usage of the stream; else what a member of the server's own, or a choice, states."""
        if self._usage is not None or self._aside is not None:
            return counted(self._aside, self._usage)
        stated = [choice.usage for _, choice in sorted(self._choices.items()) if choice.usage is not None]
        return stated[-1] if stated else None

    def _ended(self) -> bool:
        finished = [bool(choice.finish_reason) for choice in self._choices.values()]
        return (all(finished) and bool(finished)) or (self._done and (any(finished) or not finished))
