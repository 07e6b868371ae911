# SPDX-License-Identifier: Apache-2.0
"""Assembly of Amazon Bedrock ConverseStream."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.assembly import Assembler, JsonObject, Pieces, counted
from nemo_relay_codecs.values import is_u64, parsed


class _Block:
    __slots__ = ("citations", "json", "reasoning", "start", "text")

    def __init__(self) -> None:
        self.start: JsonObject = {}
        self.text: Pieces = []
        self.json: Pieces | None = None
        self.reasoning: dict[str, Pieces] = {}
        self.citations: list[Any] = []

    def take(self, delta: JsonObject) -> None:
        if isinstance(delta.get("text"), str):
            self.text.append(delta["text"])
        use, thought = delta.get("toolUse"), delta.get("reasoningContent")
        if isinstance(use, dict) and isinstance(use.get("input"), str):
            self.json = [] if self.json is None else self.json
            self.json.append(use["input"])
        for key, value in thought.items() if isinstance(thought, dict) else ():
            if isinstance(value, str):
                self.reasoning.setdefault(key, []).append(value)
        if delta.get("citation") is not None:
            self.citations.append(delta["citation"])

    def build(self) -> JsonObject:
        if self.reasoning:
            joined = {key: "".join(pieces) for key, pieces in self.reasoning.items()}
            redacted = joined.pop("redactedContent", None)
            content: JsonObject = {"reasoningText": joined} if joined else {}
            return {"reasoningContent": content if redacted is None else {**content, "redactedContent": redacted}}
        use = self.start.get("toolUse")
        if isinstance(use, dict) or self.json is not None:
            text = "".join(self.json or ())
            head = use if isinstance(use, dict) else {}
            return {"toolUse": {**head, "input": parsed(text) if text.strip() else {}}}
        text = "".join(self.text)
        if self.citations:
            return {"citationsContent": {"content": [{"text": text}], "citations": list(self.citations)}}
        return {**self.start, "text": text} if self.text or not self.start else dict(self.start)


class BedrockAssembler(Assembler):
    """Amazon Bedrock ConverseStream.

    >>> assembler = BedrockAssembler()
    >>> assembler.push({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi"}}})
    >>> assembler.finish()["output"]["message"]["content"]
    [{'text': 'Hi'}]
    """

    codec_id: ClassVar[str] = "bedrock_converse"

    def __init__(self) -> None:
        super().__init__()
        self._role = "assistant"
        self._blocks: dict[int, _Block] = {}
        self._stop: JsonObject = {}
        self._metadata: JsonObject = {}

    def _take(self, chunk: JsonObject) -> None:
        for kind, value in chunk.items():
            if not isinstance(value, dict):
                continue
            if kind == "contentBlockDelta":
                self._block(value).take(value.get("delta") or {})
            elif kind == "contentBlockStart":
                self._block(value).start = dict(value.get("start") or {})
            elif kind == "messageStart":
                self._role = value.get("role", self._role)
            elif kind == "messageStop":
                self._stop = value
            elif kind == "metadata":
                self._metadata = counted(self._metadata, value)
            elif kind.endswith("Exception"):
                self.error = {"type": kind, **value}

    def _block(self, value: JsonObject) -> _Block:
        index = value["contentBlockIndex"]
        if not is_u64(index):
            raise ValueError("a block without an index")  # the chunk is skipped
        return self._blocks.setdefault(index, _Block())

    def _build(self) -> JsonObject:
        content = [self._blocks[i].build() for i in sorted(self._blocks)]
        return {"output": {"message": {"role": self._role, "content": content}}, **self._stop, **self._metadata}

    def _ended(self) -> bool:
        return bool(self._stop)
