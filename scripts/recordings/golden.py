# SPDX-License-Identifier: Apache-2.0
"""Golden events: what differs from run to run replaced, concurrent siblings in one order, a tree for the eye.

Ids, times and measured durations say nothing about what was recorded. Every span of an agent repeats the conversation
and the framework's prompts: a long text is kept as its beginning and a digest, a value that stood in full before as
a digest alone.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Mark, Node

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UNSTEADY = re.compile(r"_ms(_p\d+)?$|^lc_versions$")
_LONG_TEXT = 120
_LONG_VALUE = 60
_CONCURRENT = ("tool", "agent", "function")

Event = dict[str, Any]


class Golden(NamedTuple):
    """The text of ``tree.golden`` and of ``events.golden``."""

    tree: str
    events: str


def golden(captured: CapturedEvents) -> Golden:
    """The tree and the events of a run, as they are kept."""
    roots = _siblings(captured.tree().roots)
    by_id: dict[str, list[Event]] = {}
    for event in captured.events:
        by_id.setdefault(event.uuid, []).append(json.loads(event.to_json()))
    ordered = [event for root in roots for event in _walk(root, by_id)]
    assert len(ordered) == len(captured.events), "an event hangs on no span of the run"
    text = "".join(_line(event) + "\n" for event in _normalised(ordered))
    return Golden("".join(line + "\n" for root in roots for line in _tree(root)), text)


def difference(expected: str, found: str, what: str) -> str:
    """What to show when a golden file no longer fits, with a few lines around each change; empty when it does."""
    lines = difflib.unified_diff(
        _readable(expected), _readable(found), f"{what} (golden)", f"{what} (now)", "", "", 4, ""
    )
    return "\n".join(lines)


# --- one order for what ran side by side


def _siblings(nodes: Sequence[Node]) -> list[Node]:
    """In the order of time; neighbours that a framework may run side by side, in the order of what they say."""
    runs: list[list[Node]] = []
    for node in sorted(nodes, key=lambda one: (one.time_ns or 0, one.order)):
        if runs and _side_by_side(runs[-1][-1], node):
            runs[-1].append(node)
        else:
            runs.append([node])
    return [node for run in runs for node in (sorted(run, key=_sort_key) if len(run) > 1 else run)]


def _side_by_side(one: Node, other: Node) -> bool:
    same = (one.category, _step(one)) == (other.category, _step(other))
    return same and one.category in _CONCURRENT and _step(one) is not None


def _step(node: Node) -> Any:
    return node.metadata.get("langgraph_step")


def _sort_key(node: Node) -> str:
    said = json.dumps([node.name, node.tool_call_id, node.input, node.output], sort_keys=True, default=str)
    return _UUID.sub("", said)


def _items(node: Node) -> list[Node | Mark]:
    """Children and marks; marks before the first child that started after them."""
    items: list[Node | Mark] = []
    marks = sorted(node.marks, key=lambda mark: (mark.time_ns or 0, mark.order))
    for child in _siblings(node.children):
        while marks and (marks[0].time_ns or 0) <= (child.time_ns or 0):
            items.append(marks.pop(0))
        items.append(child)
    return items + list(marks)


def _walk(item: Node | Mark, by_id: dict[str, list[Event]]) -> Iterator[Event]:
    start, *end = by_id[item.uuid]
    yield start
    if isinstance(item, Node):
        for inner in _items(item):
            yield from _walk(inner, by_id)
        yield from end


# --- what is replaced


def _normalised(events: Iterable[Event]) -> Iterator[Event]:
    known: dict[str, str] = {}
    seen: set[str] = set()

    def number(match: re.Match[str]) -> str:
        return known.setdefault(match[0], f"#{len(known) + 1}")

    for position, event in enumerate(events, 1):
        told = {key: value for key, value in event.items() if value is not None}
        numbered = _steady(json.loads(_UUID.sub(number, json.dumps(told))))
        yield _abridged({**numbered, "timestamp": position}, seen)


def _steady(value: Any) -> Any:
    """The value without measured durations and version numbers."""
    if isinstance(value, list):
        return [_steady(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {key: "*" if _UNSTEADY.search(key) and inner else _steady(inner) for key, inner in value.items()}


def _abridged(value: Any, seen: set[str]) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONG_TEXT else f"{value[:60]}... [{len(value)} characters, {_digest(value)}]"
    if not isinstance(value, (dict, list)):
        return value
    text = json.dumps(value, sort_keys=True)
    if len(text) > _LONG_VALUE:
        if text in seen:
            return f"[as before, {_digest(text)}]"
        seen.add(text)
    if isinstance(value, list):
        return [_abridged(inner, seen) for inner in value]
    return {key: _abridged(value[key], seen) for key in sorted(value)}


def _digest(text: str) -> str:
    return "sha256 " + hashlib.sha256(text.encode()).hexdigest()[:12]


def _line(event: Event) -> str:
    return json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


# --- for the eye


def _tree(item: Node | Mark, depth: int = 0) -> Iterator[str]:
    if isinstance(item, Mark):
        yield f"{'    ' * depth}<{item.name}>"
        return
    yield f"{'    ' * depth}{item.category}:{item.name} {{{', '.join(_facts(item))}}}"
    for inner in _items(item):
        yield from _tree(inner, depth + 1)


def _facts(node: Node) -> Iterator[str]:
    yield node.outcome
    if node.model:
        yield f"model={node.model}"
    if node.tokens:
        yield f"usage={node.tokens.total}"
    if node.tool_call_id:
        yield f"tool_call_id={node.tool_call_id}"
    yield from (name for name in ("relay.streaming",) if node.metadata.get(name))


def _readable(text: str) -> list[str]:
    """Lines for a diff: an event over several lines, headed by what it is."""
    return [line for raw in text.splitlines() for line in _spread(raw)]


def _spread(raw: str) -> Iterator[str]:
    if not raw.startswith("{"):
        yield raw
        return
    event = json.loads(raw)
    head = [event.get(key) for key in ("kind", "scope_category", "category", "name")]
    yield "=== " + " ".join(str(word) for word in head if word)
    yield from json.dumps(event, indent=1, sort_keys=True, ensure_ascii=False).splitlines()
