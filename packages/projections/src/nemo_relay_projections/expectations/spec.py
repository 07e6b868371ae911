# SPDX-License-Identifier: Apache-2.0
"""The indented text that says what a tree should look like, parsed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_relay_projections.nodes import Mark, Node

_TIMES = re.compile(r"\s+x(\d+)$")
_OUTCOMES = frozenset(
    {"ok", "cached", "handoff", "error", "tool_error", "cancelled", "interrupted", "drained", "abandoned"}
    | {"rejected", "open"}
)


class SpecError(ValueError):
    """The text of an expected tree cannot be understood; says which line, and why."""

    def __init__(self, line: str, problem: str) -> None:
        super().__init__(f"expected tree, line {line!r}: {problem}")


@dataclass(slots=True, eq=False)
class Expected:
    """One line of the text with the lines below it; the same object stands for each repetition of `x3`."""

    text: str = ""
    category: str = ""
    name: str = ""
    facts: tuple[str, ...] = ()
    is_mark: bool = False
    unordered: bool = False
    more: bool = False
    children: list[Expected] = field(default_factory=list)

    def fits_label(self, item: Node | Mark) -> bool:
        """Whether kind, category and name are those of the item."""
        if self.is_mark or isinstance(item, Mark):
            return self.is_mark and isinstance(item, Mark) and _like(self.name, item.name)
        return _like(self.category, item.category) and _like(self.name, item.name)

    def fits_head(self, item: Node | Mark) -> bool:
        """Whether the label and all facts are those of the item."""
        return self.fits_label(item) and all(_holds(fact, item) for fact in self.facts)

    def names_mark(self, mark: Mark) -> bool:
        """Whether a mark of that name is spoken of directly below this line."""
        return any(child.is_mark and _like(child.name, mark.name) for child in self.children)


def parse(text: str) -> Expected:
    """The text as a line without content whose children are the roots.

    Raises:
        SpecError: a line is neither node nor mark, or its indentation is not that of its siblings.
    """
    lines = [(len(raw) - len(raw.lstrip()), raw.strip()) for raw in text.splitlines()]
    top = Expected()
    _take_children(top, [(indent, line) for indent, line in lines if line and not line.startswith("#")])
    if not top.children and not top.more:
        raise SpecError(text.strip(), "there is no line in it")
    return top


def _take_children(parent: Expected, lines: list[tuple[int, str]]) -> None:
    """Makes the lines the parent's children; what is indented deeper than the first goes below it."""
    position = 0
    while position < len(lines):
        indent, line = lines[position]
        if indent != lines[0][0]:
            raise SpecError(line, "it is indented less than its siblings")
        end = position + 1
        while end < len(lines) and lines[end][0] > indent:
            end += 1
        below, position = lines[position + 1 : end], end
        if line == "...":
            parent.more = True
            continue
        made, times = _parse_line(line)
        _take_children(made, below)
        parent.children += [made] * times


def _parse_line(line: str) -> tuple[Expected, int]:
    body = line.removeprefix("~").strip()
    repeated = _TIMES.search(body)
    if repeated:
        body = body[: repeated.start()]
    facts: tuple[str, ...] = ()
    if body.endswith("}") and "{" in body:
        body, _, inside = body[:-1].rpartition("{")
        facts = tuple(fact.strip() for fact in inside.split(",") if fact.strip())
    made = _parse_body(body.strip(), line)
    made.facts, made.unordered = facts, line.startswith("~")
    made.text = _TIMES.sub("", line.removeprefix("~").strip())
    return made, int(repeated[1]) if repeated else 1


def _parse_body(body: str, line: str) -> Expected:
    if body.startswith("<") and body.endswith(">"):
        return Expected(name=body[1:-1].strip(), is_mark=True)
    category, colon, name = body.partition(":")
    if not colon or not category.strip() or not name.strip():
        raise SpecError(line, "write 'category:name', '<mark>' or '...'")
    return Expected(category=category.strip(), name=name.strip())


def _like(pattern: str, value: str) -> bool:
    """Whether the value is the pattern, where `*` stands for any text; no other sign is special."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None


def _holds(fact: str, item: Node | Mark) -> bool:
    key, equals, wanted = (part.strip() for part in fact.partition("="))
    if isinstance(item, Node) and not equals and key in _OUTCOMES:
        return key == item.outcome
    found = _look_up(key, item)
    if not equals:
        return bool(found)
    return found is not None and _like(wanted, found if isinstance(found, str) else json.dumps(found))


def _look_up(key: str, item: Node | Mark) -> Any:
    """The value of a fact: a field of the node, a flag, or a key of its metadata (or of a mark's data)."""
    if isinstance(item, Node):
        if key in ("outcome", "status", "model", "tool_call_id", "error"):
            return getattr(item, key)
        if key in ("tokens", "usage"):
            return item.tokens.total if item.tokens else None
        if key in item.attributes:
            return True
    data: Any = item.data if isinstance(item, Mark) else None
    for source in (item.metadata, data):
        if isinstance(source, Mapping):
            for name in (key, f"relay.{key}"):
                if name in source:
                    return source[name]
    return None
