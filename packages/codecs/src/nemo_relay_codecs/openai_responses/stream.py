# SPDX-License-Identifier: Apache-2.0
"""Assembly of OpenAI Responses streams.

The last snapshot is the response. Items and deltas matter where it has no output: in streams that end early, and
in servers whose final snapshot is empty.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.assembly import Assembler, JsonObject, Pieces
from nemo_relay_codecs.values import copied, is_u64

_OPEN = frozenset(("response.created", "response.in_progress"))
_TERMINAL = frozenset(("response.completed", "response.failed", "response.incomplete"))
_ITEM = frozenset(("response.output_item.added", "response.output_item.done"))
# Delta event -> (list of the item that holds the entry, member of the entry, type of the entry, index key)
_ENTRY_DELTAS: dict[str, tuple[str, str, str, str]] = {
    "response.output_text.delta": ("content", "text", "output_text", "content_index"),
    "response.refusal.delta": ("content", "refusal", "refusal", "content_index"),
    "response.reasoning_text.delta": ("content", "text", "reasoning_text", "content_index"),
    "response.reasoning_summary_text.delta": ("summary", "text", "summary_text", "summary_index"),
}
# The same events at their end, which repeat the whole -> the member that holds it.
_ENTRY_DONE: dict[str, str] = {
    kind.removesuffix("delta") + "done": "refusal" if member == "refusal" else "text"
    for kind, (_, member, _, _) in _ENTRY_DELTAS.items()
}
# Delta event -> member of the item itself
_ITEM_DELTAS: dict[str, str] = {
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.code_interpreter_call_code.delta": "code",
}
_ITEM_DONE: dict[str, str] = {kind.removesuffix("delta") + "done": member for kind, member in _ITEM_DELTAS.items()}


class ResponsesAssembler(Assembler):
    """OpenAI Responses.

    >>> assembler = ResponsesAssembler()
    >>> assembler.push({"type": "response.completed", "response": {"id": "r1", "output": []}})
    >>> assembler.finish(), assembler.interrupted
    ({'id': 'r1', 'output': []}, False)
    """

    codec_id: ClassVar[str] = "openai_responses"

    def __init__(self) -> None:
        super().__init__()
        self._snapshot: JsonObject | None = None
        self._terminal = False
        self._items: dict[int, Any] = {}
        self._complete: set[int] = set()
        self._pieces: dict[int, dict[tuple[str, ...], Pieces]] = {}
        self._annotations: dict[tuple[int, int], list[Any]] = {}

    def _take(self, chunk: JsonObject) -> None:
        kind = chunk.get("type")
        if not isinstance(kind, str):
            self.skipped += 1
        elif kind in _ENTRY_DELTAS:
            self._grow(chunk, self._path(kind, chunk))
        elif kind in _ITEM_DELTAS:
            self._grow(chunk, (_ITEM_DELTAS[kind],))
        elif kind in _ENTRY_DONE:
            self._whole(chunk, self._path(kind.removesuffix("done") + "delta", chunk), _ENTRY_DONE[kind])
        elif kind in _ITEM_DONE:
            self._whole(chunk, (_ITEM_DONE[kind],), _ITEM_DONE[kind])
        elif kind in _ITEM:
            self._item(chunk, complete=kind.endswith(".done"))
        elif kind in _TERMINAL or kind in _OPEN:
            self._state(chunk.get("response"), terminal=kind in _TERMINAL)
        elif kind == "response.output_text.annotation.added":
            key = (chunk["output_index"], chunk.get("content_index", 0))
            self._annotations.setdefault(key, []).append(chunk.get("annotation"))
        elif kind == "error":
            self.error = {k: v for k, v in chunk.items() if k not in ("type", "sequence_number")}

    def _path(self, kind: str, chunk: JsonObject) -> tuple[str, ...]:
        holder, member, entry_type, index_key = _ENTRY_DELTAS[kind]
        position = chunk.get(index_key)
        return (holder, str(position if is_u64(position) else 0), member, entry_type)

    def _whole(self, chunk: JsonObject, path: tuple[str, ...], member: str) -> None:
        """The end of an entry says all of it again: it stands for the deltas, whether they came or not."""
        index, text = chunk.get("output_index"), chunk.get(member)
        if type(index) is int and type(text) is str and text:
            self._pieces.setdefault(index, {})[path] = [text]

    def _grow(self, chunk: JsonObject, path: tuple[str, ...]) -> None:
        index, delta = chunk.get("output_index"), chunk.get("delta")
        if type(index) is int and type(delta) is str:
            self._pieces.setdefault(index, {}).setdefault(path, []).append(delta)

    def _item(self, chunk: JsonObject, *, complete: bool) -> None:
        index = chunk.get("output_index")
        if is_u64(index) and "item" in chunk:
            self._items[index] = chunk["item"]
            if complete:
                self._complete.add(index)

    def _state(self, response: Any, *, terminal: bool) -> None:
        if not isinstance(response, dict) or self._terminal:
            return
        self._snapshot = response
        if terminal:
            self._terminal = True
            if response.get("status") == "failed" and response.get("error") is not None:
                self.error = response["error"]

    def _build(self) -> JsonObject:
        out = dict(self._snapshot or {})
        given = out.get("output")
        if isinstance(given, list) and given:
            return out
        built = [self._built(index) for index in sorted({*self._items, *self._pieces})]
        if built:
            out["output"] = built
        return out

    def _built(self, index: int) -> Any:
        item = self._items.get(index)
        pieces = self._pieces.get(index)
        if index in self._complete or not pieces:
            return item if index in self._items else {}
        live: JsonObject = copied(item) if isinstance(item, dict) else _guessed(pieces)
        for path, texts in pieces.items():
            if len(path) == 1:
                live[path[0]] = "".join(texts)
            else:
                self._fill(live, index, path, "".join(texts))
        return live

    def _fill(self, item: JsonObject, index: int, path: tuple[str, ...], text: str) -> None:
        holder, position, member, entry_type = path
        entries = item.get(holder)
        if not isinstance(entries, list):
            entries = item[holder] = []
        # A gap can only come from a damaged stream; entries then close ranks.
        at = min(int(position), len(entries))
        if at == len(entries):
            entries.append({"type": entry_type})
        if isinstance(entries[at], dict):
            entries[at][member] = text
            cited = self._annotations.get((index, int(position)))
            if cited and member == "text" and holder == "content":
                entries[at]["annotations"] = list(cited)

    def _ended(self) -> bool:
        return self._terminal


def _guessed(pieces: dict[tuple[str, ...], Pieces]) -> JsonObject:
    """The item of deltas whose start was never seen."""
    path = next(iter(pieces))
    if len(path) == 1:
        return {"type": "function_call" if path[0] == "arguments" else "custom_tool_call"}
    if path[3] in ("summary_text", "reasoning_text"):
        return {"type": "reasoning"}
    return {"type": "message", "role": "assistant"}
