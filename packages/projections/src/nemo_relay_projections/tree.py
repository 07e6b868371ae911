# SPDX-License-Identifier: Apache-2.0
"""The tree that a person looks at: a pure function from events to nodes with their children and marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from nemo_relay_projections import facts
from nemo_relay_projections.facts import mapping
from nemo_relay_projections.nodes import Forest, Mark, Node, when


class HasDict(Protocol):
    """An event object, such as a subscriber gets."""

    def to_dict(self) -> dict[str, Any]: ...


Eventlike = Mapping[str, Any] | HasDict | str | bytes
"""An event as a dict, as an object with `to_dict()`, or as a line of an ATOF file."""


def build(events: Iterable[Eventlike]) -> Forest:
    """Build the trees of a stream of events.

    A span whose parent is not in the stream becomes a root. Starts without ends stay open; ends without
    starts are kept with what they tell. Siblings stand in the order of their time.

    Args:
        events: dicts, event objects, or lines of an ATOF file, in the order in which they came.

    Returns:
        The forest. Nothing is raised for a line that cannot be read: its position is in `unreadable`.

    Example:
        >>> start = '{"kind": "scope", "scope_category": "start", "uuid": "1", "name": "planner"}'
        >>> forest = build([start, '{"kind": "sco'])
        >>> [(node.name, node.status) for node in forest.roots], forest.unreadable
        ([('planner', 'open')], [2])
    """
    forest = Forest()
    marks: list[Mark] = []
    for position, item in enumerate(events, 1):
        if isinstance(item, str | bytes) and not item.strip():
            continue
        event = read(item)
        if event is None:
            forest.unreadable.append(position)
        elif event["kind"] == "mark":
            marks.append(_mark(event, position))
        else:
            node = forest.nodes.setdefault(event["uuid"], Node(event["uuid"], order=position))
            _take(node, event)
    _link(forest, marks)
    return forest


def read(item: Eventlike) -> Mapping[str, Any] | None:
    """The event as a mapping, or None for what is no event."""
    event: Any = item
    if isinstance(item, str | bytes):
        try:
            event = msgspec.json.decode(item)
        except (ValueError, RecursionError):
            return None
    elif not isinstance(item, Mapping):
        event = item.to_dict()
    known = isinstance(event, Mapping) and event.get("kind") in ("scope", "mark")
    return event if known and isinstance(event.get("uuid"), str) else None


def _mark(event: Mapping[str, Any], order: int) -> Mark:
    return Mark(
        name=str(event.get("name", "")),
        uuid=event["uuid"],
        parent_uuid=facts.text(event.get("parent_uuid")),
        time_ns=facts.timestamp_ns(event.get("timestamp")),
        category=facts.text(event.get("category")),
        data=event.get("data"),
        metadata=mapping(event.get("metadata")),
        order=order,
    )


def _take(node: Node, event: Mapping[str, Any]) -> None:
    """Adds to the node what its start or its end tells. Of two starts, or two ends, the first counts."""
    ending = event.get("scope_category") == "end"
    if node.ended if ending else node.started:
        return
    profile = mapping(event.get("category_profile"))
    node.name = node.name or str(event.get("name", ""))
    node.parent_uuid = node.parent_uuid or facts.text(event.get("parent_uuid"))
    if node.category == "unknown":
        node.category = facts.text(event.get("category")) or "unknown"
    node.tool_call_id = node.tool_call_id or facts.text(profile.get("tool_call_id"))
    flags = event.get("attributes")
    node.attributes = node.attributes or (tuple(map(str, flags)) if isinstance(flags, list) else ())
    if ending:
        _take_end(node, event)
    else:
        _take_start(node, event)


def _take_start(node: Node, event: Mapping[str, Any]) -> None:
    node.started = True
    node.start_ns = facts.timestamp_ns(event.get("timestamp"))
    node.input = event.get("data")
    node.model = node.model or (facts.request_model(event) if node.category == "llm" else None)
    # The metadata of the end contains that of the start.
    node.metadata = node.metadata or mapping(event.get("metadata"))


def _take_end(node: Node, event: Mapping[str, Any]) -> None:
    node.ended = True
    node.end_ns = facts.timestamp_ns(event.get("timestamp"))
    node.output = event.get("data")
    node.outcome = facts.outcome(event)
    node.metadata = mapping(event.get("metadata")) or node.metadata
    if node.status == "error":
        node.error = facts.error_text(event)
    if node.category == "llm":
        node.model = facts.response_model(event) or node.model
        node.tokens = facts.tokens(event)


def _link(forest: Forest, marks: list[Mark]) -> None:
    for node in forest.nodes.values():
        parent = forest.nodes.get(node.parent_uuid or "")
        (forest.roots if parent is None else parent.children).append(node)
    for mark in marks:
        owner = forest.nodes.get(mark.parent_uuid or "")
        (forest.marks if owner is None else owner.marks).append(mark)
    _cut_circles(forest)
    for node in forest.nodes.values():
        node.children.sort(key=when)
        node.marks.sort(key=when)
    forest.roots.sort(key=when)
    forest.marks.sort(key=when)


def _cut_circles(forest: Forest) -> None:
    """A damaged file may name parents in a circle; its first node becomes a root, so that nothing is lost."""
    seen = {node.uuid for node in forest.walk()}
    for node in forest.nodes.values():
        if node.uuid not in seen:
            forest.nodes[node.parent_uuid or ""].children.remove(node)
            forest.roots.append(node)
            seen.update(below.uuid for below in node.walk())
