# SPDX-License-Identifier: Apache-2.0
"""A run as its steps: agents, model calls, tools. What frameworks do between them is no step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..index import Index
from ..index.table import MARK
from ..index.verdict import failure_text
from ..talk import asked, offered, said

_STEPS = ("agent", "llm", "tool", "retriever", "guardrail", "embedder", "reranker", "evaluator")
# Names of members that are different in every run, or only say how it was written.
_PASSING = {"id", "tool_call_id", "call_id", "tool_use_id", "uuid", "timestamp", "created", "created_at", "extra"}


@dataclass(slots=False, eq=False)
class StepNode:
    """One step of a run with those below it."""

    index: Index
    row: int
    children: list[StepNode] = field(default_factory=list)

    @cached_property
    def kind(self) -> str:
        return self.index.text(self.index.category[self.row])

    @cached_property
    def name(self) -> str:
        return self.index.text(self.index.name[self.row])

    @cached_property
    def facts(self) -> dict[str, str]:
        """What is compared, as texts."""
        index, row = self.index, self.row
        found = {"outcome": index.text(index.outcome[row]), "error": failure_text(index, row)}
        if self.kind == "llm":
            found |= _request_facts(index, row)
            found["answer"] = "\n".join(_said(message) for message in said(index.end_event(row)))
        elif self.kind == "agent":
            messages = asked({"data": index.payloads.of(row)})
            found["task"] = next((m.text for m in messages if m.role == "user"), "") or steady(index.payloads.of(row))
        else:
            found["arguments"] = steady(index.payloads.of(row))
            found["result"] = steady(index.payloads.of_end(row))
        return found

    @cached_property
    def key(self) -> tuple[str, str, str]:
        """What two steps must have in common to be the same: for a tool its arguments, too."""
        return (self.kind, self.name, self.facts.get("arguments", ""))

    @property
    def loose(self) -> tuple[str, str]:
        """Kind and name."""
        return (self.kind, self.name)

    @property
    def label(self) -> str:
        """One line for a person."""
        return f"{self.kind} {self.name}"

    def walk(self) -> Iterator[StepNode]:
        """The step and all below it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


def steps_of(index: Index, root: int) -> StepNode:
    """The steps of a run; calls that ran at one time stand in an order that does not depend on which was first."""
    top = StepNode(index, root)
    nodes = {root: top}
    for row in index.below(root):
        if row == root:
            continue
        above = nodes[index.parent[row]]
        if index.flags[row] & MARK or index.text(index.category[row]) not in _STEPS:
            nodes[row] = above
            continue
        nodes[row] = StepNode(index, row)
        above.children.append(nodes[row])
    for node in top.walk():
        node.children = _settled(node.children)
    return top


def _settled(children: list[StepNode]) -> list[StepNode]:
    children = sorted(children, key=lambda node: (node.index.time(node.row), node.row))
    made: list[StepNode] = []
    group: list[StepNode] = []
    until = -1
    for node in children:
        if group and node.index.time(node.row) >= until:
            made += sorted(group, key=lambda one: one.key)
            group, until = [], -1
        group.append(node)
        until = max(until, node.index.end[node.row])
    return made + sorted(group, key=lambda one: one.key)


def _request_facts(index: Index, row: int) -> dict[str, str]:
    event = index.payloads.event(row)
    messages = asked(event)
    data = event.get("data")
    content = data.get("content") if isinstance(data, Mapping) else None
    left = ("messages", "input", "contents", "tools", "system", "instructions", "model")
    plain = {key: value for key, value in content.items() if key not in left} if isinstance(content, Mapping) else {}
    return {
        "model": index.text(index.model[row]),
        "system prompt": "\n".join(message.text for message in messages if message.role == "system"),
        "tools": "\n".join(sorted(name for name, _ in offered(event))),
        "parameters": steady(plain),
    }


def _said(message: Any) -> str:
    return "\n".join(f"{part.name}({part.text})" if part.kind == "call" else part.text for part in message.parts)


def steady(value: Any) -> str:
    """JSON without what differs in every run, its keys in order."""
    try:
        return json.dumps(_without(value), ensure_ascii=False, sort_keys=True, indent=1, default=repr)
    except (ValueError, RecursionError, TypeError):
        return repr(type(value))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in _PASSING and not key.startswith("$")}
    return [_without(item) for item in value] if isinstance(value, list) else value
