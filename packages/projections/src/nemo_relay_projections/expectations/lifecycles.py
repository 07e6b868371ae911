# SPDX-License-Identifier: Apache-2.0
"""What must hold for every stream of events, whatever the application does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nemo_relay_projections.facts import timestamp_ns
from nemo_relay_projections.tree import Eventlike, read


def check_lifecycles(events: Iterable[Eventlike], *, outside: Iterable[str] = ()) -> None:
    """Check that each start has exactly one end, no parent dangles, and nothing ends before it starts.

    A parent is known when its start is among the events, or when it is the implicit root of a context. Name
    the spans that were opened before the capture began in `outside`.

    Args:
        events: dicts, event objects, or lines of an ATOF file.
        outside: ids of parents that need no start among the events.

    Raises:
        AssertionError: with every breach, one a line.

    Example:
        >>> from nemo_relay import ScopeType, scope
        >>> from nemo_relay.testing import capture_events
        >>> with capture_events() as captured, scope.scope("planner", ScopeType.Agent):
        ...     pass
        >>> check_lifecycles(captured.events)
    """
    read_events = [(position, read(item)) for position, item in enumerate(events, 1)]
    breaches = [f"event {position} is no event" for position, event in read_events if event is None]
    readable = [event for _, event in read_events if event is not None]
    breaches += [*_pairs(readable), *_order(readable), *_parents(readable, set(outside))]
    if breaches:
        raise AssertionError("the events break their lifecycle:\n  " + "\n  ".join(breaches))


def _pairs(events: list[Mapping[str, Any]]) -> Iterator[str]:
    counts: dict[str, Counter[str]] = {}
    names: dict[str, str] = {}
    for event in events:
        if event["kind"] == "scope":
            counts.setdefault(event["uuid"], Counter())[event["scope_category"]] += 1
            names.setdefault(event["uuid"], _label(event))
    for uuid, seen in counts.items():
        if (seen["start"], seen["end"]) != (1, 1):
            yield f"{names[uuid]} has {_many(seen['start'], 'start')} and {_many(seen['end'], 'end')}"


def _order(events: list[Mapping[str, Any]]) -> Iterator[str]:
    started: dict[str, int | None] = {}
    for event in events:
        if event.get("scope_category") == "start":
            started.setdefault(event["uuid"], timestamp_ns(event.get("timestamp")))
    for event in events:
        if timestamp_ns(event.get("timestamp")) is None:
            yield f"{_label(event)} has no timestamp: {event.get('timestamp')!r}"
        elif event.get("scope_category") == "end":
            begin, end = started.get(event["uuid"]), timestamp_ns(event.get("timestamp"))
            if begin is not None and end is not None and end < begin:
                yield f"{_label(event)} ends {begin - end} ns before it starts"


def _parents(events: list[Mapping[str, Any]], outside: set[str]) -> Iterator[str]:
    known = outside | {event["uuid"] for event in events if event.get("scope_category") == "start"}
    # Nobody announces the implicit root of a context: a first agent hangs on it, or it is the session itself.
    for event in events:
        if event.get("propagation_root_uuid") in (event["uuid"], event.get("parent_uuid")):
            known.add(event.get("parent_uuid") or "")
    for event in events:
        parent = event.get("parent_uuid")
        if parent is not None and parent not in known and event.get("scope_category") != "end":
            yield f"{_label(event)} hangs on {parent}, which never started"


def _label(event: Mapping[str, Any]) -> str:
    kind = event.get("category") if event["kind"] == "scope" else "mark"
    return f"{kind}:{event.get('name')} ({event['uuid']})"


def _many(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
