# SPDX-License-Identifier: Apache-2.0
"""Which payloads events carry, and how much of each: what the application does not want recorded, and the size cap."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

_ASKED = ("system", "developer", "user")
CALL_BLOCKS = ("tool_use", "tool_call", "tool_call_chunk", "function_call", "server_tool_use", "server_tool_call")
CALL_ARGUMENTS = ("input", "args", "arguments", "partial_json")


@dataclass(frozen=True, slots=True)
class Capture:
    """Which payloads are recorded. What is switched off appears in no event, wherever the framework repeats it.

    Args:
        inputs: what chains, graphs, nodes and retrievers are given.
        outputs: what they return.
        prompts: the text of system and user messages and of prompts.
        responses: the text of the model's messages.
        tool_args: the arguments of tool calls, in the model's messages and in the calls themselves.
        tool_results: what tools return, in their own events and in tool messages.

    >>> Capture(prompts=False).responses
    True
    """

    inputs: bool = True
    outputs: bool = True
    prompts: bool = True
    responses: bool = True
    tool_args: bool = True
    tool_results: bool = True

    @property
    def everything(self) -> bool:
        """Whether messages are recorded with all that is in them."""
        return self.prompts and self.responses and self.tool_args and self.tool_results

    def without(self, view: dict[str, Any]) -> dict[str, Any]:
        """The view of a message without what is not to be recorded; ``$omitted`` names what is missing."""
        role = view.get("role")
        if role in _ASKED:
            return view if self.prompts else _emptied(view, "content")
        if role in ("tool", "function"):
            return view if self.tool_results else _emptied(view, "content", "artifact")
        if not self.responses:
            view = _emptied(view, "content")
        return view if self.tool_args else _without_arguments(view)

    def scrubbed(self, value: Any) -> Any:
        """``value`` without the arguments of the tool calls in it, where those are not recorded."""
        if self.tool_args:
            return value
        if type(value) is list:
            return [self.scrubbed(item) for item in value]
        if type(value) is not dict:
            return value
        gone = "args" if "name" in value and "args" in value else None
        return {key: self.scrubbed(item) for key, item in value.items() if key != gone}


ALL = Capture()
NAMES = tuple(field.name for field in fields(Capture))


def _emptied(view: dict[str, Any], *names: str) -> dict[str, Any]:
    gone = [name for name in names if view.get(name)]
    made = {key: value for key, value in view.items() if key not in gone}
    if "content" in gone:
        made["content"] = ""  # every reader of messages expects one
    extra = _identity(view)
    made.pop("extra", None)  # the provider's own form of the same
    if extra:
        made["extra"] = extra
    return {**made, "$omitted": sorted({*view.get("$omitted", ()), *gone})} if gone else made


def _identity(view: dict[str, Any]) -> dict[str, Any]:
    known = (view.get("extra") or {}).get("lc") or {}
    return {"lc": {"id": known["id"]}} if "id" in known else {}


def _without_arguments(view: dict[str, Any]) -> dict[str, Any]:
    calls = view.get("tool_calls") or ()
    made = dict(view)
    if calls:
        made["tool_calls"] = [{**call, "function": {**call["function"], "arguments": "{}"}} for call in calls]
    made.pop("invalid_tool_calls", None)
    if isinstance(view.get("content"), list):
        made["content"] = [_without_input(block) for block in view["content"]]
    if made == view:
        return view
    made = {**made, "extra": _identity(view)}
    return {**made, "$omitted": sorted({*view.get("$omitted", ()), "tool_args"})}


def _without_input(block: Any) -> Any:
    if not isinstance(block, dict) or block.get("type") not in CALL_BLOCKS:
        return block
    return {key: value for key, value in block.items() if key not in CALL_ARGUMENTS}


def capped(view: Any, limit: int | None) -> Any:
    """``view`` cut down to about ``limit`` bytes; the very same object where it is small enough.

    A text that is cut ends with the note ``{"$truncated": n}``, a list or object has one as its last item: ``n``
    counts the characters or items that are missing.
    """
    if limit is None:
        return view
    budget = _Budget(limit)
    made = budget.cut(view)
    return made if budget.spent else view


class _Budget:
    """What is left of the bytes of one payload."""

    __slots__ = ("left", "spent")

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.spent = False  # something had to be left out

    def cut(self, value: Any) -> Any:
        if type(value) is str:
            return self._text(value)
        if type(value) is dict:
            return self._object(value)
        if type(value) is list:
            return self._list(value)
        self.left -= 8
        return value

    def _text(self, text: str) -> str:
        size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if size + 2 <= self.left:
            self.left -= size + 2
            return text
        self.spent = True
        kept = max(0, self.left * len(text) // size)
        self.left = 0
        return f'{text[:kept]}{{"$truncated": {len(text) - kept}}}'

    def _object(self, mapping: dict[Any, Any]) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for number, (key, value) in enumerate(mapping.items()):
            if self.left <= 0:
                self.spent = True
                made["$truncated"] = len(mapping) - number
                break
            self.left -= len(str(key)) + 4
            made[key] = self.cut(value)
        return made

    def _list(self, items: list[Any]) -> list[Any]:
        made: list[Any] = []
        for number, item in enumerate(items):
            if self.left <= 0:
                self.spent = True
                made.append({"$truncated": len(items) - number})
                break
            self.left -= 1
            made.append(self.cut(item))
        return made
