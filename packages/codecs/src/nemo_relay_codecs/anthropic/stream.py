# SPDX-License-Identifier: Apache-2.0
"""Assembly of Anthropic Messages streams."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.assembly import Assembler, JsonObject, Pieces, counted
from nemo_relay_codecs.values import is_u64, parsed

_STRINGS = ("id", "type", "role", "model")
_LATER = ("content", "usage", "stop_reason", "stop_sequence", "context_management")


class _Block:
    __slots__ = ("citations", "json", "start", "text", "thinking")

    def __init__(self, start: JsonObject) -> None:
        self.start = dict(start)
        self.text: Pieces = []
        self.thinking: Pieces = []
        self.json: Pieces | None = None
        self.citations: list[Any] = []

    def take(self, delta: JsonObject) -> None:
        kind = delta.get("type")
        if kind == "text_delta":
            self._grow(self.text, delta.get("text"))
        elif kind == "input_json_delta":
            if self.json is None:
                self.json = []
            self._grow(self.json, delta.get("partial_json"))
        elif kind == "thinking_delta":
            self._grow(self.thinking, delta.get("thinking"))
        elif kind == "signature_delta":
            if isinstance(delta.get("signature"), str):
                self.start["signature"] = delta["signature"]
        elif kind == "citations_delta":
            if "citation" in delta:
                self.citations.append(delta["citation"])
        elif kind == "compaction_delta" and self.start.get("type") == "compaction":
            self.start.update((k, delta[k]) for k in ("content", "encrypted_content") if k in delta)

    def _grow(self, pieces: Pieces, piece: Any) -> None:
        if isinstance(piece, str):
            pieces.append(piece)

    def build(self) -> JsonObject:
        out = dict(self.start)
        for key, pieces in (("text", self.text), ("thinking", self.thinking)):
            if pieces:
                begun = out.get(key)
                out[key] = "".join((begun, *pieces) if isinstance(begun, str) else pieces)
        if self.json is not None:
            text = "".join(self.json)
            # A tool without arguments streams an empty text, and answers `{}` in a unary call.
            if text or "input" not in out:
                out["input"] = parsed(text)
        if self.citations:
            out["citations"] = list(self.citations)
        return out


class AnthropicAssembler(Assembler):
    """Anthropic Messages.

    >>> assembler = AnthropicAssembler()
    >>> assembler.push({"type": "message_start", "message": {"id": "m1", "content": []}})
    >>> assembler.push({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    >>> assembler.push({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}})
    >>> assembler.finish()
    {'id': 'm1', 'content': [{'type': 'text', 'text': 'Hi'}]}
    """

    codec_id: ClassVar[str] = "anthropic_messages"

    def __init__(self) -> None:
        super().__init__()
        self._head: JsonObject = {}
        self._tail: JsonObject = {}
        self._usage: Any = None
        self._blocks: dict[int, _Block] = {}
        self._stopped = False

    def _take(self, chunk: JsonObject) -> None:
        kind = chunk.get("type")
        if kind == "content_block_delta":
            block = self._blocks.get(chunk["index"])
            delta = chunk.get("delta")
            if block is not None and isinstance(delta, dict):
                block.take(delta)
        elif kind == "content_block_start":
            index, start = chunk.get("index"), chunk.get("content_block")
            if is_u64(index) and isinstance(start, dict):
                self._blocks[index] = _Block(start)
        elif kind == "message_start":
            if isinstance(chunk.get("message"), dict):
                self._start(chunk["message"])
        elif kind == "message_delta":
            self._change(chunk)
        elif kind == "message_stop":
            self._stopped = True
        elif kind == "error":
            self.error = chunk.get("error", chunk)

    def _start(self, message: JsonObject) -> None:
        for key, value in message.items():
            if key in _STRINGS:
                if isinstance(value, str):
                    self._head[key] = value
            elif key not in _LATER:
                self._head[key] = value
        self._count(message)

    def _change(self, chunk: JsonObject) -> None:
        delta = chunk.get("delta")
        for key, value in delta.items() if isinstance(delta, dict) else ():
            if key != "stop_reason" or isinstance(value, str):
                self._tail[key] = value
        for key, value in chunk.items():
            if key == "context_management":
                self._tail[key] = value
            elif key not in ("type", "delta", "usage") and key not in self._head:
                self._tail.setdefault(key, value)
        self._count(chunk)

    def _count(self, holder: JsonObject) -> None:
        if "usage" not in holder:
            return
        usage = holder["usage"]
        self._usage = counted(self._usage, usage)

    def _build(self) -> JsonObject:
        out = {k: v for k, v in self._head.items() if k in _STRINGS}
        out["content"] = [self._blocks[i].build() for i in sorted(self._blocks)]
        out.update((k, v) for k, v in self._head.items() if k not in _STRINGS)
        out.update(self._tail)
        if self._usage is not None:
            out["usage"] = self._usage
        return out

    def _ended(self) -> bool:
        return self._stopped
