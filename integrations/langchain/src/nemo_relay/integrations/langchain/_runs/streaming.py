# SPDX-License-Identifier: Apache-2.0
"""What is measured while a model streams: the first token, the pace, and the text so far."""

from __future__ import annotations

import time
from typing import Any

_KEPT_GAPS = 2_048
SAMPLED = 10  # of so many chunks one leaves a mark, where they are sampled


class StreamStats:
    """Counters of one LLM call. Kept small: texts are references, gaps are capped."""

    __slots__ = ("_gaps", "_last", "chunks", "model", "started", "texts", "ttft_ms")

    def __init__(self, model: str | None = None) -> None:
        self.model = model  # the one that was asked for, should the answer not name it
        self.started = time.perf_counter()
        self.chunks = 0
        self.texts: list[str] = []
        self.ttft_ms: float | None = None
        self._last: float | None = None
        self._gaps: list[float] = []

    def add(self, text: str, *, carries_output: bool) -> bool:
        """Count one chunk. True when it is the first one that carries output."""
        now = time.perf_counter()
        self.chunks += 1
        if text:
            self.texts.append(text)
        if self._last is not None and len(self._gaps) < _KEPT_GAPS:
            self._gaps.append((now - self._last) * 1_000)
        self._last = now
        if self.ttft_ms is not None or not carries_output:
            return False
        self.ttft_ms = round((now - self.started) * 1_000, 3)
        return True

    def partial(self) -> dict[str, Any] | None:
        """The text so far as an assistant message; None when there is none."""
        return {"role": "assistant", "content": "".join(self.texts)} if self.texts else None

    def metadata(self) -> dict[str, Any]:
        """End metadata of the call; empty when nothing was streamed."""
        if not self.chunks:
            return {}
        found: dict[str, Any] = {"relay.streaming": True, "relay.chunks": self.chunks}
        if self.ttft_ms is not None:
            found["relay.ttft_ms"] = self.ttft_ms
        if self._gaps:
            gaps = sorted(self._gaps)
            found["relay.inter_token_ms_p50"] = round(gaps[len(gaps) // 2], 3)
            found["relay.inter_token_ms_p95"] = round(gaps[int(len(gaps) * 0.95)], 3)
        return found


def chunk_text(token: Any, chunk: Any) -> tuple[str, bool, bool]:
    """The text of a token, whether its chunk carries any output (tool calls do, roles do not), and a part of a call."""
    text = token if isinstance(token, str) else _text_of(token)
    calls = bool(getattr(getattr(chunk, "message", None), "tool_call_chunks", None))
    return text, bool(text or token or calls), calls


def _text_of(blocks: Any) -> str:
    if not isinstance(blocks, list):
        return ""
    parts = (
        block if isinstance(block, str) else block.get("text", "") for block in blocks if isinstance(block, (str, dict))
    )
    return "".join(part for part in parts if isinstance(part, str))


def event_text(event: Any) -> str | None:
    """The text of a content-block event; None when the event is no delta."""
    if not isinstance(event, dict) or event.get("event") != "content-block-delta":
        return None
    delta = event.get("delta") or event.get("content_block") or {}
    text = delta.get("text") if isinstance(delta, dict) else None
    return text if isinstance(text, str) else ""
