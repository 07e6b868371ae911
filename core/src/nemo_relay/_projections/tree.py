# SPDX-License-Identifier: Apache-2.0
"""The tree that a person looks at: a pure function from events to nodes with their children and marks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from nemo_relay._projections import facts
from nemo_relay._projections.facts import Tokens, mapping

_STATUS_OF = {
    "ok": "ok",
    "cached": "ok",
    "handoff": "ok",
    "open": "open",
    "error": "error",
    "tool_error": "error",
}


class HasDict(Protocol):
    """An event object, such as a subscriber gets."""

    def to_dict(self) -> dict[str, Any]: ...


Eventlike = Mapping[str, Any] | HasDict | str | bytes
"""An event as a dict, as an object with `to_dict()`, or as a line of an ATOF file."""


@dataclass(slots=True)
class Mark:
    """Something that happened at one moment of a span."""

    name: str
    uuid: str
    parent_uuid: str | None
    time_ns: int | None
    category: str | None
    data: Any
    metadata: Mapping[str, Any]
    order: int


@dataclass(slots=True)
class Node:
    """One span with what is below it. Times are nanoseconds since 1970, None where the event is missing.

    `outcome` is the precise word (`ok`, `error`, `tool_error`, `cancelled`, `interrupted`, ...), `status` one
    of four. `order` is the position of its first event in the stream.
    """

    uuid: str
    name: str = ""
    category: str = "unknown"
    parent_uuid: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    started: bool = False
    ended: bool = False
    outcome: str = "open"
    error: str | None = None
    model: str | None = None
    tokens: Tokens | None = None
    tool_call_id: str | None = None
    input: Any = None
    output: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    children: list[Node] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    order: int = 0

    @property
    def status(self) -> str:
        """`ok`, `error`, `cancelled` (stopped before its end, for any reason), or `open` (no end event)."""
        return _STATUS_OF.get(self.outcome, "cancelled")

    @property
    def time_ns(self) -> int | None:
        """Its start, or its end where the start is missing."""
        return self.end_ns if self.start_ns is None else self.start_ns

    @property
    def duration_ns(self) -> int | None:
        """From start to end, None while one of them is missing."""
        return None if self.start_ns is None or self.end_ns is None else self.end_ns - self.start_ns

    def items(self) -> list[Node | Mark]:
        """Children and marks together, in the order of their time."""
        together: list[Node | Mark] = [*self.children, *self.marks]
        return sorted(together, key=_when)

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def total_tokens(self) -> Tokens:
        """The tokens of this node and all below it, without those of answers that came from a cache."""
        total = Tokens()
        for node in self.walk():
            if node.tokens and node.outcome != "cached" and not node.metadata.get("relay.cache_hit"):
                total = total.plus(node.tokens)
        return total


@dataclass(slots=True)
class Forest:
    """All trees of a stream.

    `marks` holds those whose parent is no span of the stream, `unreadable` the positions (from 1) of what is
    no event: a torn last line, for instance.
    """

    roots: list[Node] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    nodes: dict[str, Node] = field(default_factory=dict)
    unreadable: list[int] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """Every node, tree by tree, parents first."""
        for root in self.roots:
            yield from root.walk()


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
        node.children.sort(key=_when)
        node.marks.sort(key=_when)
    forest.roots.sort(key=_when)
    forest.marks.sort(key=_when)


def _cut_circles(forest: Forest) -> None:
    """A damaged file may name parents in a circle; its first node becomes a root, so that nothing is lost."""
    seen = {node.uuid for node in forest.walk()}
    for node in forest.nodes.values():
        if node.uuid not in seen:
            forest.nodes[node.parent_uuid or ""].children.remove(node)
            forest.roots.append(node)
            seen.update(below.uuid for below in node.walk())


def _when(item: Node | Mark) -> tuple[int, int]:
    return (item.time_ns or 0, item.order)
