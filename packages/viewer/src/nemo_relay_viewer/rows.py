# SPDX-License-Identifier: Apache-2.0
"""From a tree to the rows of its picture. Knows what is shown, not how it looks."""

from collections.abc import Iterator
from dataclasses import dataclass

from nemo_relay.tree import Mark, Node

from .plumbing import is_plumbing, is_plumbing_mark

FIRST_TOKEN = "llm.first_token"
Item = Node | Mark


@dataclass(frozen=True, slots=True)
class Row:
    """A node, or `times` marks of one name. `rails` tells for each level above whether more comes below."""

    item: Item
    rails: tuple[bool, ...] = ()
    times: int = 1
    has_children: bool = False


def rows(root: Node, *, everything: bool = False) -> Iterator[Row]:
    """The rows of a tree, from top to bottom.

    Args:
        root: the tree; it is always shown itself.
        everything: show also what a framework does for itself, and every mark.
    """
    waiting: list[Row] = [Row(root, has_children=bool(_visible(root, everything)))]
    while waiting:
        row = waiting.pop()
        yield row
        if isinstance(row.item, Node):
            waiting.extend(reversed(_below(row.item, row.rails, everything)))


def first_token_ms(node: Node) -> float | None:
    """Milliseconds to the first token of a streamed LLM call, if its adapter measured them."""
    for mark in node.marks:
        found = mark.data.get("ttft_ms") if mark.name == FIRST_TOKEN and isinstance(mark.data, dict) else None
        if isinstance(found, int | float):
            return float(found)
    return None


def _below(node: Node, rails: tuple[bool, ...], everything: bool) -> list[Row]:
    groups = _grouped(_visible(node, everything), everything)
    made: list[Row] = []
    for position, (item, times) in enumerate(groups, 1):
        has_children = isinstance(item, Node) and bool(_visible(item, everything))
        made.append(Row(item, (*rails, position < len(groups)), times, has_children))
    return made


def _visible(node: Node, everything: bool) -> list[Item]:
    if everything:
        return node.items()
    found: list[Item] = []
    waiting: list[Item] = list(reversed(node.items()))
    while waiting:
        item = waiting.pop()
        if isinstance(item, Node) and is_plumbing(item):
            waiting.extend(reversed(item.items()))
        elif isinstance(item, Node) or not _is_quiet(item, node):
            found.append(item)
    return found


def _is_quiet(mark: Mark, owner: Node) -> bool:
    # The bar of the LLM call shows when its first token came.
    return is_plumbing_mark(mark) or (mark.name == FIRST_TOKEN and first_token_ms(owner) is not None)


def _grouped(items: list[Item], everything: bool) -> list[tuple[Item, int]]:
    """Marks of one name that follow each other count as one, unless everything is asked for."""
    groups: list[tuple[Item, int]] = []
    for item in items:
        before = groups[-1][0] if groups else None
        same = isinstance(item, Mark) and isinstance(before, Mark) and before.name == item.name
        if same and not everything:
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
        else:
            groups.append((item, 1))
    return groups
