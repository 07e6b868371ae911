# SPDX-License-Identifier: Apache-2.0
"""The spans of a run, read from its events once, and the agent that each of them belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Event = Mapping[str, Any]

_FINE = ("ok", "cached")


@dataclass(slots=True, eq=False)
class Span:
    """A scope from its start to its end. Either may be missing: the run was cut, or recording began late.

    ``opened`` and ``closed`` are positions in the stream. They order everything, because clocks of several
    threads and of dispatchers do not; ``closed`` is None while the scope is open.
    """

    uuid: str
    name: str
    category: str
    parent: str | None
    opened: int
    start: Event | None = None
    end: Event | None = None
    closed: int | None = None
    agent: Span | None = None  # the nearest agent above
    is_agent: bool = False
    placed: bool = False
    refused: bool = False  # a tool call that a guardrail stopped before it began: known from its mark

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata it started with (an end event repeats it, where the start is missing)."""
        return mapping(self.start or self.end, "metadata")

    @property
    def end_metadata(self) -> Mapping[str, Any]:
        """The metadata it ended with; empty while it is open."""
        return mapping(self.end, "metadata")

    @property
    def input(self) -> Any:
        """What it started with."""
        return None if self.start is None else self.start.get("data")

    @property
    def output(self) -> Any:
        """What it ended with."""
        return None if self.end is None else self.end.get("data")

    @property
    def settled(self) -> int:
        """Where its outcome belongs in the stream: at its end, or where it began if it never ended."""
        return self.opened if self.closed is None else self.closed


def read(events: Iterable[Event]) -> dict[str, Span]:
    """The spans by uuid, in the order in which they opened, each knowing its agent."""
    spans: dict[str, Span] = {}
    for position, event in enumerate(events):
        uuid, edge = event.get("uuid"), event.get("scope_category")
        if not isinstance(uuid, str):
            continue
        if edge in ("start", "end"):
            _record(spans, uuid, edge, position, event)
        elif event.get("kind") == "mark" and mapping(event, "data").get("rejected") is True:
            spans.setdefault(uuid, _refusal(uuid, position, event))
    _find_agents(spans)
    return spans


def _record(spans: dict[str, Span], uuid: str, edge: str, position: int, event: Event) -> None:
    span = spans.get(uuid)
    if span is None:
        parent = event.get("parent_uuid")
        name, category = str(event.get("name") or "unnamed"), str(event.get("category") or "unknown")
        span = spans[uuid] = Span(uuid, name, category, parent if isinstance(parent, str) else None, position)
    if edge == "start":
        span.start = span.start or event
        if span.end is not None:  # a scrambled file: it was over, at the latest, when both were there
            span.closed = position
    elif span.end is None:
        span.end, span.closed = event, position


def _refusal(uuid: str, position: int, event: Event) -> Span:
    """A call that was refused, as the call that it would have been."""
    data = mapping(event, "data")
    given = next((data[key] for key in ("arguments", "args", "input") if key in data), None)
    profile = dict(mapping(event, "category_profile"))
    if isinstance(data.get("tool_call_id"), str):
        profile["tool_call_id"] = data["tool_call_id"]
    outcome = {"relay.outcome": "rejected", "otel.status_description": data.get("rejection_reason")}
    begun = {**event, "data": given, "category_profile": profile}
    over = {**event, "data": None, "category_profile": profile, "metadata": {**mapping(event, "metadata"), **outcome}}
    name, parent = str(event.get("name") or "unnamed"), event.get("parent_uuid")
    span = Span(uuid, name, "tool", parent if isinstance(parent, str) else None, position)
    span.start, span.end, span.closed, span.refused = begun, over, position, True
    return span


def _find_agents(spans: dict[str, Span]) -> None:
    for span in spans.values():
        chain: list[Span] = []
        above: Span | None = span
        while above is not None and not above.placed:
            above.placed = True  # also ends the walk where a damaged file makes a circle
            chain.append(above)
            above = spans.get(above.parent or "")
        for member in reversed(chain):
            above = spans.get(member.parent or "")
            member.agent = above if above is None or above.is_agent else above.agent
            member.is_agent = _is_agent(member)


def _is_agent(span: Span) -> bool:
    """A turn is part of the agent around it, and stands for the agent where there is none."""
    if span.metadata.get("nemo_relay_scope_role") == "turn":
        return span.agent is None and span.category in ("agent", "custom")
    return span.category == "agent"


def status(span: Span) -> str:
    """``completed``, ``error``, ``incomplete`` (it never ended), or the outcome that an adapter named."""
    if span.end is None:
        return "incomplete"
    ended = span.end_metadata
    outcome, code = ended.get("relay.outcome"), ended.get("otel.status_code")
    if isinstance(outcome, str):
        return "completed" if outcome in _FINE else outcome
    return "error" if isinstance(code, str) and code.upper() == "ERROR" else "completed"


def error(span: Span) -> dict[str, str]:
    """What went wrong, as ``{type, code, message}`` with the members that are known; empty if nothing did."""
    if status(span) in ("completed", "incomplete"):
        return {}
    ended, data = span.end_metadata, mapping(span.output, "error")
    found = {
        "type": ended.get("exception.type") or ended.get("error.type") or data.get("type"),
        "code": ended.get("error.code"),
        "message": ended.get("otel.status_description") or data.get("message") or ended.get("reason"),
    }
    return {key: str(value) for key, value in found.items() if value}


def ancestry(span: Span, spans: Mapping[str, Span]) -> dict[str, str]:
    """Who it is and under whom it ran."""
    found = {"function_id": span.uuid, "function_name": span.name}
    if span.parent is not None:
        found["parent_id"] = span.parent
        above = spans.get(span.parent)
        if above is not None:
            found["parent_name"] = above.name
    return found


def invocation(span: Span, invocation_id: str) -> dict[str, Any]:
    """When it ran, in epoch seconds with microseconds, and how it ended."""
    found: dict[str, Any] = {"framework": "nemo_relay", "invocation_id": invocation_id}
    found["status"] = status(span)
    began, ended = seconds(span.start), seconds(span.end)
    if began is not None and ended is not None:  # the schema wants both or none
        found["start_timestamp"], found["end_timestamp"] = began, ended
    return found


def event_info(event: Event, name: str) -> dict[str, Any]:
    """The event behind a tool call or an observation."""
    found = {
        "event_uuid": event.get("uuid"),
        "event_name": name,
        "parent_event_uuid": event.get("parent_uuid"),
        "metadata": event.get("metadata"),
    }
    return {key: value for key, value in found.items() if value is not None}


def mapping(value: Any, *path: str) -> Mapping[str, Any]:
    """The object at ``path`` below ``value``, or an empty one."""
    for key in path:
        if not isinstance(value, (dict, Mapping)):  # dict first: the check against the protocol is slow
            return {}
        value = value.get(key)
    return value if isinstance(value, (dict, Mapping)) else {}


def timestamp(event: Event | None) -> str | None:
    """The event's timestamp, if a reader of the document will understand it."""
    return None if event is None or _moment(event) is None else str(event["timestamp"])


def seconds(event: Event | None) -> float | None:
    """The event's time in seconds since the epoch."""
    moment = None if event is None else _moment(event)
    return None if moment is None else round(moment.timestamp(), 6)


def _moment(event: Event) -> datetime | None:
    text = event.get("timestamp")
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
