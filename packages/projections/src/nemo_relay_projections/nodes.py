# SPDX-License-Identifier: Apache-2.0
"""What a tree is made of: nodes, marks, and the forest that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_relay_projections.facts import Tokens

_STATUS_OF = {
    "ok": "ok",
    "cached": "ok",
    "handoff": "ok",
    "open": "open",
    "error": "error",
    "tool_error": "error",
}


def status_of(outcome: str) -> str:
    """The status behind an outcome: `ok`, `error`, `cancelled` or `open`."""
    return _STATUS_OF.get(outcome, "cancelled")


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
        return status_of(self.outcome)

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
        return sorted(together, key=when)

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


def when(item: Node | Mark) -> tuple[int, int]:
    """The key that puts siblings in the order of their time, and of their arrival where that is the same."""
    return (item.time_ns or 0, item.order)
