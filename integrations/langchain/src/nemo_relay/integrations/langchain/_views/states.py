# SPDX-License-Identifier: Apache-2.0
"""States: what a graph and its nodes are given and return, as what no earlier event of the trace has shown.

A node is given the whole state, which hardly differs from what the node before it was given. So a value that is still
the one of an earlier event is a reference to it, a list that has grown is a reference and what was added, and a
message is whole the first time only. ``deltas`` has the notation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from langchain_core.load.serializable import Serializable
from langchain_core.messages import BaseMessage, convert_to_messages

from nemo_relay.integrations.langchain._views import payloads
from nemo_relay.integrations.langchain._views.capture import ALL, capped
from nemo_relay.integrations.langchain._views.deltas import delta, place, same, weighs
from nemo_relay.integrations.langchain._views.memory import KEEP, NOTHING, Memory, Shown
from nemo_relay.integrations.langchain._views.messages import unviewable

_SCALARS = (int, float, bool, type(None))
_SHORT = 100


class Value:
    """A value of a state that is no list of messages, as the start event of a span has recorded it."""

    __slots__ = ("handle", "pointer", "view")

    def __init__(self, view: Any, pointer: str) -> None:
        self.view = view
        self.pointer = pointer
        self.handle: Any = None

    @property
    def reference(self) -> str:
        """Where a reader finds it."""
        return f"{self.handle.uuid}#{self.pointer}"


class Draft:
    """One payload in the making. What it shows counts as shown once ``commit`` says that its event is out.

    Args:
        memory: what the trace has shown.
        graph: the key of the run whose state it is: parallel graphs keep different states under the same names.
        final: it is the result of an agent or graph, whose last message is what people look for: it is shown whole.
    """

    __slots__ = ("_channels", "_final", "_graph", "_memory", "_messages", "degraded", "fits")

    def __init__(self, memory: Memory, graph: int, *, final: bool = False) -> None:
        self._final = final
        self._memory = memory
        self._graph = graph
        self._channels: dict[tuple[int, str], Any] = {}
        self._messages: dict[str, dict[str, Any]] = {}
        self.degraded = False
        self.fits = True

    def state(self, value: Any) -> Any:
        """What a run is given."""
        return self._made(value, lambda found: self._object(found, "", self._channel), self._channel)

    def result(self, value: Any) -> Any:
        """What a run returned."""
        return self._made(value, lambda found: self._object(found, "", self._update), self._update)

    def _made(self, value: Any, whole: Callable[[dict[str, Any]], Any], single: Callable[[str, Any, str], Any]) -> Any:
        try:
            fields = _fields(value)
            if self._memory.capture is not ALL:
                fields = _as_messages(fields)
            if not self._memory.economical:
                made = payloads.view(value if fields is None else fields, message=self._memory.view)
            else:
                made = single("", value, "") if fields is None else whole(fields)
        except Exception:
            self.degraded = True
            return unviewable(value)
        if self._memory.capture is not ALL:
            made = self._memory.capture.scrubbed(made)
        if self._memory.limit is None:
            return made
        cut = capped(made, self._memory.limit)
        self.fits = cut is made
        return cut

    def commit(self, handle: Any) -> None:
        """The event of ``handle`` has shown it."""
        if not self.fits or self.degraded:
            return
        if self._messages:
            recorded = self._memory.recorded
            for name, view in self._messages.items():
                if recorded.setdefault(name, view) is not view:
                    recorded[name] = VARIES
        if self._channels:
            for shown in self._channels.values():
                shown.handle = handle
            self._memory.channels.update(self._channels)

    # --- parts

    def _object(self, mapping: dict[str, Any], pointer: str, part: Callable[[str, Any, str], Any]) -> dict[str, Any]:
        # LangGraph sends a tool its call together with the state of the agent.
        is_sent = "__type" in mapping
        made: dict[str, Any] = {}
        for key, value in mapping.items():
            here = place(pointer, key)
            inside = is_sent and key == "state" and type(value) is dict
            made[key] = self._object(value, here, part) if inside else part(str(key), value, here)
        return made

    def _channel(self, name: str, value: Any, pointer: str) -> Any:
        if type(value) in _SCALARS or (type(value) is str and len(value) < _SHORT):
            return value
        if _is_conversation(value):
            return self._conversation(name, value, pointer, record=True)
        if isinstance(value, BaseMessage):
            return self._message(value)
        view, key = payloads.view(value, message=self._memory.view), (self._graph, name)
        before = self._memory.channels.get(key)
        if not isinstance(before, Value):
            self._channels[key] = Value(view, pointer)
            return view
        if not same(view, before.view):
            self._channels[key] = Value(view, pointer)
        return delta(view, before.view, before.reference)

    def _update(self, name: str, value: Any, pointer: str) -> Any:
        if type(value) in _SCALARS or (type(value) is str and len(value) < _SHORT):
            return value
        if _is_conversation(value):
            return self._conversation(name, value, pointer, record=False)
        view = payloads.view(value, message=self._message)
        before = self._memory.channels.get((self._graph, name))
        if isinstance(before, Value) and same(view, before.view) and weighs(view) <= 0:
            return {"$from": before.reference}
        return view

    def _conversation(self, name: str, messages: list[Any], pointer: str, *, record: bool) -> list[Any]:
        key = (self._graph, name)
        before = self._memory.channels.get(key)
        if not isinstance(before, Shown):
            before = NOTHING
        keep = before.common(messages)
        if record and not keep == len(messages) == len(before.messages):
            self._channels[key] = before.followed_by(messages, keep, pointer)
        if keep < KEEP:
            return self._items(messages)
        return [{"$from": before.reference, "keep": keep}, *self._items(messages[keep:])]

    def _items(self, items: list[Any]) -> list[Any]:
        view, message = payloads.view, self._message
        made = [message(item) if isinstance(item, BaseMessage) else view(item, message=message) for item in items]
        if self._final and items and isinstance(items[-1], BaseMessage):
            made[-1] = self._memory.view(items[-1])
        return made

    def _message(self, message: BaseMessage) -> dict[str, Any]:
        known = self._memory.of(message)
        name, view = known.id, known.view
        if name is None:  # nothing to call it by
            return view
        before = self._memory.recorded.get(name) or self._messages.get(name)
        if before is None:
            self._messages[name] = view
            return view
        if before is view or (before is not VARIES and before == view):
            return {"$ref": name}
        self._messages[name] = VARIES
        return view


VARIES: dict[str, Any] = {"$varies": True}  # two messages of the trace have the same id: each is shown whole


def _is_conversation(value: Any) -> bool:
    return type(value) is list and bool(value) and isinstance(value[0], BaseMessage)


def _as_messages(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    """``fields`` with messages for what the framework would make messages of: of those it is known what to omit."""
    given = fields.get("messages") if fields is not None else None
    if fields is None or given is None:
        return fields
    items = given if isinstance(given, list) else [given]
    if all(isinstance(item, BaseMessage) for item in items):
        return fields
    try:
        return {**fields, "messages": convert_to_messages(items)}
    except (TypeError, ValueError, NotImplementedError):
        return {**fields, "messages": None}


def _fields(value: Any) -> dict[str, Any] | None:
    """The keys of a state, whatever it is made of; None for what is no state."""
    if type(value) is dict:
        return value
    if type(value) is list or isinstance(value, (BaseMessage, Serializable, str, type)):
        return None
    if dataclasses.is_dataclass(value) and type(value).__module__ != "langgraph.types":
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    names = getattr(type(value), "model_fields", None)
    return {name: getattr(value, name) for name in names} if isinstance(names, dict) else None
