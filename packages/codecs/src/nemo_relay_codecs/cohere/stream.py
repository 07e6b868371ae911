# SPDX-License-Identifier: Apache-2.0
"""Assembly of Cohere v2 chat streams."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.assembly import Assembler, JsonObject, Pieces, counted, fold
from nemo_relay_codecs.values import is_u64


class CohereAssembler(Assembler):
    """Cohere v2 chat.

    >>> assembler = CohereAssembler()
    >>> delta = {"message": {"content": {"text": "Hi"}}}
    >>> assembler.push({"type": "content-delta", "index": 0, "delta": delta})
    >>> assembler.finish()["message"]["content"]
    [{'type': 'text', 'text': 'Hi'}]
    """

    codec_id: ClassVar[str] = "cohere_chat"

    def __init__(self) -> None:
        super().__init__()
        self._top: JsonObject = {}
        self._message: JsonObject = {}
        self._blocks: dict[int, JsonObject] = {}
        self._texts: dict[tuple[str, int], Pieces] = {}
        self._calls: dict[int, JsonObject] = {}
        self._plan: Pieces = []
        self._citations: list[Any] = []
        self._end: JsonObject = {}
        self._finished = False

    def _take(self, chunk: JsonObject) -> None:
        kind, index = chunk.get("type"), chunk.get("index")
        index = index if is_u64(index) else 0
        delta = chunk.get("delta")
        message = delta.get("message") if isinstance(delta, dict) else None
        message = message if isinstance(message, dict) else {}
        if kind == "message-start":
            self._top.update((k, v) for k, v in chunk.items() if k not in ("type", "delta"))
            fold(self._message, message, ("content", "tool_calls", "tool_plan", "citations"))
        elif kind in ("content-start", "content-delta"):
            self._content(index, message.get("content"))
        elif kind == "tool-plan-delta":
            self._plan.append(message["tool_plan"] if isinstance(message.get("tool_plan"), str) else "")
        elif kind in ("tool-call-start", "tool-call-delta"):
            self._call(index, message.get("tool_calls"))
        elif kind == "citation-start":
            self._citations.append(message.get("citations"))
        elif kind == "message-end":
            self._finish(chunk, delta)
        elif chunk.get("error") is not None:
            self.error = chunk["error"]

    def _finish(self, chunk: JsonObject, delta: Any) -> None:
        self._finished = True
        self._end.update(counted(self._end, delta) if isinstance(delta, dict) else {})
        if "id" in chunk:
            self._top["id"] = chunk["id"]
        self.error = self._end.pop("error", None) or self.error

    def _content(self, index: int, content: Any) -> None:
        if not isinstance(content, dict):
            return
        block = self._blocks.setdefault(index, {})
        for key, value in content.items():
            if key in ("text", "thinking") and isinstance(value, str):
                block.setdefault("type", key)
                block.setdefault(key, "")
                self._texts.setdefault((key, index), []).append(value)
            elif value is not None:
                block[key] = value

    def _call(self, index: int, call: Any) -> None:
        if not isinstance(call, dict):
            return
        known = self._calls.setdefault(index, {"function": {}})
        function = call.get("function")
        for key, value in function.items() if isinstance(function, dict) else ():
            if key == "arguments" and isinstance(value, str):
                self._texts.setdefault(("arguments", index), []).append(value)
            elif value or key not in known["function"]:
                known["function"][key] = value
        known.update((k, v) for k, v in call.items() if k != "function" and (v or k not in known))

    def _build(self) -> JsonObject:
        message: JsonObject = {"role": "assistant", **self._message}
        if self._plan:
            message["tool_plan"] = "".join(self._plan)
        if self._blocks:
            message["content"] = [self._block(i) for i in sorted(self._blocks)]
        if self._calls:
            message["tool_calls"] = [self._built_call(i) for i in sorted(self._calls)]
        if self._citations:
            message["citations"] = list(self._citations)
        return {**self._top, "message": message, **self._end}

    def _block(self, index: int) -> JsonObject:
        texts = {key: "".join(pieces) for (key, i), pieces in self._texts.items() if i == index and key != "arguments"}
        return {**self._blocks[index], **texts}

    def _built_call(self, index: int) -> JsonObject:
        call = self._calls[index]
        arguments = "".join(self._texts.get(("arguments", index), ()))
        return {**call, "function": {**call["function"], "arguments": arguments}}

    def _ended(self) -> bool:
        return self._finished
