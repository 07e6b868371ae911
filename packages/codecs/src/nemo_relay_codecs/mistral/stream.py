# SPDX-License-Identifier: Apache-2.0
"""Assembly of Mistral streams: Chat Completions whose content may come as typed pieces."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.openai_chat.stream import ChatAssembler, Choice


class _TypedChoice(Choice):
    """Content in chunks: a list of typed pieces instead of text."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[Any] = []

    def other_content(self, value: Any) -> None:
        for piece in value if isinstance(value, list) else (value,):
            self._flush_text()
            if not (self.pieces and _grow(self.pieces[-1], piece)):
                self.pieces.append(dict(piece) if isinstance(piece, dict) else piece)

    def _flush_text(self) -> None:
        text = "".join(self.content or ())
        self.content = None
        if text:
            piece = {"type": "text", "text": text}
            if not (self.pieces and _grow(self.pieces[-1], piece)):
                self.pieces.append(piece)

    def built_content(self) -> Any:
        if not self.pieces:
            return super().built_content()
        text = "".join(self.content or ())
        return [*self.pieces, {"type": "text", "text": text}] if text else list(self.pieces)


def _grow(last: Any, piece: Any) -> bool:
    """Append a piece to the one before where both are text, or both are thoughts."""
    if not isinstance(last, dict) or not isinstance(piece, dict) or last.get("type") != piece.get("type"):
        return False
    kind = piece.get("type")
    if kind == "text" and isinstance(last.get("text"), str) and isinstance(piece.get("text"), str):
        last["text"] += piece["text"]
        return True
    old, new = last.get("thinking"), piece.get("thinking")
    if kind == "thinking" and isinstance(old, list) and isinstance(new, list):
        grown = [dict(entry) if isinstance(entry, dict) else entry for entry in old]
        for entry in new:
            if not (grown and _grow(grown[-1], entry)):
                grown.append(dict(entry) if isinstance(entry, dict) else entry)
        last["thinking"] = grown
        return True
    return False


class MistralAssembler(ChatAssembler):
    """Mistral chat completions: content may come as typed chunks."""

    codec_id: ClassVar[str] = "mistral_chat"
    choice_class: ClassVar[type[Choice]] = _TypedChoice
