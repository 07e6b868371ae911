# SPDX-License-Identifier: Apache-2.0
"""Events with everything whole again: what they refer to, in place of the references.

``deltas`` has the notation of states, ``conversations`` that of model requests. References lead to earlier events of
the same stream; one that leads nowhere, because its event was not recorded, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nemo_relay.integrations.langchain._views.conversations import HISTORY
from nemo_relay.types import Event

_STATES = ("agent", "function")


def unfold(events: Iterable[Event | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The events of a stream, each with its whole payload.

    Args:
        events: a whole stream, in the order of emission: events as subscribers get them, or the decoded lines of an
            ATOF file.

    Returns:
        A fresh dict for each event. Parts of their payloads are shared between them.

    >>> from nemo_relay.integrations.langchain import unfold
    >>> from nemo_relay.testing import capture_events
    >>> with capture_events() as captured:
    ...     pass
    >>> unfold(captured.events)
    []
    """
    records = [dict(event) if isinstance(event, Mapping) else event.to_dict() for event in events]
    return _Stream(records).whole()


class _Stream:
    """The events of a stream, and what references in them lead to."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records
        self._starts = {record["uuid"]: record for record in records if record.get("scope_category") == "start"}
        self._inputs: dict[str, Any] = {}  # by span: its start payload, whole
        self._messages: dict[tuple[str, str], dict[str, Any]] = {}  # by trace and id
        self._traces: dict[str, str] = {}

    def whole(self) -> list[dict[str, Any]]:
        return [{**record, "data": self._data(record)} for record in self._records]

    def _data(self, record: dict[str, Any]) -> Any:
        if record.get("kind") == "mark":
            return record.get("data")
        if record["scope_category"] == "start":
            return self._input(record["uuid"])
        data = self._resolved(record.get("data"), self._trace(record["uuid"]))
        self._learn(record, data)
        return data

    def _input(self, uuid: str) -> Any:
        if uuid not in self._inputs:
            record = self._starts[uuid]
            data = self._resolved(record.get("data"), self._trace(uuid))
            content = data.get("content") if isinstance(data, dict) else None
            if isinstance(content, dict) and HISTORY in content:
                data = {**data, "content": self._request(content)}
            self._inputs[uuid] = data
            self._learn(record, data)
        return self._inputs[uuid]

    def _request(self, content: dict[str, Any]) -> dict[str, Any]:
        history = content[HISTORY]
        try:
            before = self._at(history["$from"])[: history["keep"]]
            messages = [*before, *content["messages"][history["repeated"] :]]
        except (LookupError, TypeError, ValueError):
            return content
        return {key: messages if key == "messages" else value for key, value in content.items() if key != HISTORY}

    def _resolved(self, value: Any, trace: str) -> Any:
        if isinstance(value, list):
            return self._list(value, trace)
        if not isinstance(value, dict):
            return value
        if value.keys() == {"$ref"}:
            return self._messages.get((trace, str(value["$ref"])), value)
        made = {key: self._resolved(item, trace) for key, item in value.items()}
        if "$from" not in value or not value.keys() <= {"$from", "set", "removed"}:
            return made
        try:
            before = self._at(value["$from"])
            if len(value) == 1:
                return before
            kept = {key: item for key, item in before.items() if key not in value.get("removed", ())}
            return {**kept, **made["set"]}
        except (LookupError, TypeError, ValueError, AttributeError):
            return value

    def _list(self, items: list[Any], trace: str) -> list[Any]:
        first = items[0] if items else None
        if isinstance(first, dict) and first.keys() == {"$from", "keep"}:
            try:
                before = self._at(first["$from"])[: first["keep"]]
            except (LookupError, TypeError, ValueError):
                before = [first]
            return [*before, *(self._resolved(item, trace) for item in items[1:])]
        return [self._resolved(item, trace) for item in items]

    def _at(self, place: str) -> Any:
        uuid, _, pointer = place.partition("#")
        found = self._input(uuid)
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found

    def _learn(self, record: dict[str, Any], data: Any) -> None:
        if record.get("category") in _STATES:
            self._learn_messages(data, self._trace(record["uuid"]))

    def _learn_messages(self, value: Any, trace: str) -> None:
        waiting = [value]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                known = ((value.get("extra") or {}).get("lc") or {}) if isinstance(value.get("extra"), dict) else {}
                if "role" in value and isinstance(known, dict) and "id" in known:
                    self._messages.setdefault((trace, known["id"]), value)
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value

    def _trace(self, uuid: str) -> str:
        """The outermost run of the framework that the span stands in."""
        found, here = self._traces.get(uuid), uuid
        if found is None:
            found = uuid
            while (record := self._starts.get(here)) is not None:
                if "relay.framework" in (record.get("metadata") or {}):
                    found = here
                here = record.get("parent_uuid") or ""
            self._traces[uuid] = found
        return found
