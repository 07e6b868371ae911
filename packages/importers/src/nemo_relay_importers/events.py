# SPDX-License-Identifier: Apache-2.0
"""Events made of the ids of a source: importing twice gives the same."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from nemo_relay_projections import facts

Event = dict[str, Any]
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "nemo-relay:import")
HISTORY = "$history"


def identity(*names: object) -> str:
    """A uuid of names."""
    return str(uuid.uuid5(_SPACE, "\0".join(map(str, names))))


def stamp(value: Any) -> str | None:
    """A time of any source, RFC 3339 text or seconds, milliseconds or nanoseconds since 1970, as an event has it."""
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, str):
        text = value if value.endswith("Z") or "+" in value[10:] or "-" in value[10:] else f"{value}Z"
        nanoseconds = facts.timestamp_ns(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        scale = 1_000_000_000 if value < 1e11 else 1_000_000 if value < 1e14 else 1_000 if value < 1e17 else 1
        nanoseconds = int(value * scale)
    else:
        return None
    return None if nanoseconds is None else _written(nanoseconds)


def _written(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}+00:00"
    except (OverflowError, OSError, ValueError):
        return "1970-01-01T00:00:00.000000000+00:00"


class Span:
    """A scope of the source that began, and makes its events."""

    def __init__(
        self, source_id: str, name: str, category: str, parent: Span | None, time: str | None, metadata: Event
    ) -> None:
        self.uuid, self.name, self.category, self.parent = source_id, name, category, parent
        self.root: str = parent.root if parent else self.uuid
        self.time, self.metadata = time, metadata
        self.profile: Event | None = None
        self.ended = False

    def start(self, data: Any = None) -> Event:
        """The start event."""
        return self._event("start", self.time, data, self.metadata)

    def end(self, time: str | None, data: Any = None, *, error: str | None = None, outcome: str | None = None) -> Event:
        """The end event."""
        self.ended = True
        status = {"otel.status_code": "OK"}
        if error is not None:
            status = {"otel.status_code": "ERROR", "otel.status_description": error}
        word = outcome or ("error" if error is not None else "ok")
        return self._event("end", time or self.time, data, {**self.metadata, **status, "relay.outcome": word})

    def mark(self, number: object, name: str, time: str | None, data: Any) -> Event:
        """A mark below it."""
        return {
            "atof_version": "0.1",
            "kind": "mark",
            "uuid": identity(self.uuid, "mark", number),
            "parent_uuid": self.uuid,
            "name": name,
            "timestamp": time or self.time,
            "data": data,
            "metadata": {},
        }

    def _event(self, phase: str, time: str | None, data: Any, metadata: Event) -> Event:
        return {
            "atof_version": "0.1",
            "kind": "scope",
            "scope_category": phase,
            "uuid": self.uuid,
            "parent_uuid": self.parent.uuid if self.parent else None,
            "propagation_root_uuid": self.root,
            "name": self.name,
            "category": self.category,
            "category_profile": self.profile,
            "attributes": [],
            "timestamp": time,
            "data": data,
            "metadata": metadata,
        }


class Talk:
    """The messages of an agent; a request holds those that are new, and says where the earlier ones stand."""

    def __init__(self) -> None:
        self._new: list[Event] = []
        self._before: tuple[str, int] | None = None

    def add(self, message: Event) -> None:
        """Somebody said something."""
        self._new.append(message)

    def request(self, uuid_: str, model: str | None) -> Event:
        """The payload of the next model call."""
        content: Event = {"model": model, "messages": self._new}
        kept = 0
        if self._before is not None:
            kept = self._before[1]
            content[HISTORY] = {"$from": f"{self._before[0]}#/content/messages", "keep": kept, "repeated": 0}
        self._before = (uuid_, kept + len(self._new))
        self._new = []
        return {"content": content, "headers": {}}


def response(model: str | None, content: Any, usage: Event, identifier: str | None, finish: Any = None) -> Event:
    """The category profile of a model call's end: usage in the normalised names, classes of tokens disjoint."""
    answer: Event = {"model": model, "usage": {key: value for key, value in usage.items() if value is not None}}
    if identifier:
        answer["id"] = identifier
    if isinstance(content, str) and content:
        answer["message"] = content
    if finish:
        answer["finish_reason"] = finish
    return {"model_name": model, "annotated_response": answer}


def tokens(fresh: int, read: int, written: int, out: int, reasoning: int = 0) -> Event:
    """A normalised usage of disjoint input classes."""
    return {
        "prompt_tokens": fresh + read + written,
        "uncached_input_tokens": fresh,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "completion_tokens": out,
        "reasoning_tokens": reasoning,
        "total_tokens": fresh + read + written + out,
    }


def whole(value: Any) -> int:
    """A count, 0 for what is none."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0
