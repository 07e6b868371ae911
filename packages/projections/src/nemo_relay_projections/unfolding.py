# SPDX-License-Identifier: Apache-2.0
"""Payloads whole again: adapters write what an earlier event holds as a reference to it (``$from``, ``$history``).

The notation is told in the documentation of the LangChain adapter. References lead to start events of the same file;
one that leads nowhere stays as it is. Chains of any length are followed without recursion.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from nemo_relay_projections.facts import mapping

HISTORY = "$history"
_KEPT = 256  # payloads
_LOST = (LookupError, TypeError, ValueError, AttributeError)


class Starts(Protocol):
    """What is needed of an index."""

    @property
    def rows(self) -> Mapping[str, int]: ...

    def start_event(self, row: int, /) -> dict[str, Any]: ...

    def end_event(self, row: int, /) -> dict[str, Any]: ...


class Payloads:
    """The start payloads of an index, whole."""

    def __init__(self, index: Starts) -> None:
        self._index = index
        self._whole: OrderedDict[int, Any] = OrderedDict()

    def of(self, row: int) -> Any:
        """The ``data`` of the row's start event."""
        made: dict[int, Any] = {}
        waiting = [row]
        while waiting:
            current = waiting[-1]
            data = self._index.start_event(current).get("data")
            missing = [row for row in self._referred(data) if self._known(row, made) is None and row not in waiting]
            if missing:
                waiting += missing
                continue
            made[current] = self._resolved(data, made)
            waiting.pop()
        self._whole[row] = made[row]
        if len(self._whole) > _KEPT:
            self._whole.popitem(last=False)
        return made[row]

    def of_end(self, row: int) -> Any:
        """The ``data`` of the row's end event."""
        data = self._index.end_event(row).get("data")
        made = {referred: self.of(referred) for referred in set(self._referred(data))}
        return self._resolved(data, made) if made else data

    def event(self, row: int) -> dict[str, Any]:
        """The row's start event with its payload whole."""
        event = self._index.start_event(row)
        return {**event, "data": self.of(row)} if event else event

    def left_out(self, row: int) -> int:
        """How many messages of a request the event itself does not hold."""
        content = mapping(mapping(self._index.start_event(row).get("data")).get("content"))
        history = mapping(content.get(HISTORY))
        keep, repeated = history.get("keep"), history.get("repeated")
        return max(0, keep - repeated) if isinstance(keep, int) and isinstance(repeated, int) else 0

    def _known(self, row: int, made: dict[int, Any]) -> tuple[Any] | None:
        if row in made:
            return (made[row],)
        return (self._whole[row],) if row in self._whole else None

    def _referred(self, data: Any) -> Iterator[int]:
        waiting = [data]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                place = value.get("$from")
                if isinstance(place, str) and (row := self._index.rows.get(place.partition("#")[0])) is not None:
                    yield row
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value

    def _resolved(self, value: Any, made: dict[int, Any]) -> Any:
        if isinstance(value, list):
            return self._list(value, made)
        if not isinstance(value, dict):
            return value
        if HISTORY in value:
            return self._request(value, made)
        if "$from" in value and value.keys() <= {"$from", "set", "removed"}:
            return self._changed(value, made)
        return {
            key: self._resolved(item, made) if isinstance(item, dict | list) else item for key, item in value.items()
        }

    def _request(self, content: dict[str, Any], made: dict[int, Any]) -> dict[str, Any]:
        history = content[HISTORY]
        try:
            before = self._at(history["$from"], made)[: history["keep"]]
            messages = [*before, *content["messages"][history["repeated"] :]]
        except _LOST:
            return content
        return {key: messages if key == "messages" else value for key, value in content.items() if key != HISTORY}

    def _changed(self, value: dict[str, Any], made: dict[int, Any]) -> Any:
        try:
            before = self._at(value["$from"], made)
            if len(value) == 1:
                return before
            kept = {key: item for key, item in before.items() if key not in value.get("removed", ())}
            return {**kept, **self._resolved(value["set"], made)}
        except _LOST:
            return value

    def _list(self, items: list[Any], made: dict[int, Any]) -> list[Any]:
        first = items[0] if items else None
        if isinstance(first, dict) and first.keys() == {"$from", "keep"}:
            try:
                before = self._at(first["$from"], made)[: first["keep"]]
                items = items[1:]
            except _LOST:
                before = []
        else:
            before = []
        return [*before, *(self._resolved(item, made) if isinstance(item, dict | list) else item for item in items)]

    def _at(self, place: str, made: dict[int, Any]) -> Any:
        uuid, _, pointer = place.partition("#")
        known = self._known(self._index.rows[uuid], made)
        if known is None:
            raise LookupError(place)
        found = known[0]
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found
