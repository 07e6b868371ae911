# SPDX-License-Identifier: Apache-2.0
"""What of a stream is not in its trajectories: calls that should be there, and what the format has no place for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_relay_projections.atif_spans import Event

_CALLS = ("llm", "tool")


@dataclass(slots=True)
class Completeness:
    """What ``completeness`` found.

    Attributes:
        llm, tool: how many calls of each kind the stream has.
        missing: uuids of calls that no document names.
        without_place: what the format cannot hold, by kind: marks by name, scopes by category.
    """

    llm: int = 0
    tool: int = 0
    missing: list[str] = field(default_factory=list)
    without_place: dict[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every model and tool call is in a document."""
        return not self.missing


def completeness(events: Iterable[Event], documents: Iterable[Mapping[str, Any]]) -> Completeness:
    """Compare a stream with the trajectories made of it.

    Args:
        events: ATOF events.
        documents: their trajectories; nested ones are found in them.

    Returns:
        What is missing, and what has no place. Scopes that only serve lineage are counted as without place.
    """
    named = {uuid for document in documents for uuid in _named(document)}
    found, seen, other = Completeness(), set(), Counter[str]()
    for event in events:
        uuid, category = event.get("uuid"), event.get("category")
        if event.get("kind") == "mark":
            if uuid not in named:
                other[f"mark {event.get('name')}"] += 1
            continue
        if not isinstance(uuid, str) or uuid in seen:
            continue
        seen.add(uuid)
        if category in _CALLS:
            setattr(found, category, getattr(found, category) + 1)
            if uuid not in named:
                found.missing.append(uuid)
        elif uuid not in named:
            other[f"scope {category}"] += 1
    found.without_place = dict(other)
    return found


def _named(document: Mapping[str, Any]) -> Iterator[str]:
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            for key in ("function_id", "event_uuid", "trajectory_id"):
                if isinstance(value.get(key), str):
                    yield value[key]
            hidden = ("llm_request", "llm_response", "observed_events", "arguments")
            waiting += (item for key, item in value.items() if key not in hidden and isinstance(item, (dict, list)))
