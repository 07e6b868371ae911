# SPDX-License-Identifier: Apache-2.0
"""Matches the lines of an expected tree with the nodes and marks of a real one."""

from __future__ import annotations

from nemo_relay_projections.expectations.spec import Expected
from nemo_relay_projections.nodes import Mark, Node

Item = Node | Mark


class Matcher:
    """Matches lines with items; remembers each answer, since unordered siblings ask again and again."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, int], bool] = {}

    def whole(self, expected: Expected, item: Item) -> bool:
        """Whether the item and everything below it is as drawn."""
        key = (id(expected), item.uuid, item.order)
        if key not in self._known:
            fits = expected.fits_head(item)
            self._known[key] = fits and (isinstance(item, Mark) or self.level(expected, item))
        return self._known[key]

    def level(self, expected: Expected, node: Node) -> bool:
        """Whether what the node holds is what stands below the line."""
        items = items_for(expected, node)
        position = 0
        for group in groups(expected.children):
            found = self._place(group, items, position, expected.more)
            if found is None:
                return False
            position = found
        return expected.more or position == len(items)

    def _place(self, group: list[Expected], items: list[Item], start: int, more: bool) -> int | None:
        """The position behind the items that the group takes, or None. Taking the earliest is never wrong."""
        first = start + len(group)
        last = len(items) if more else min(first, len(items))
        for end in range(first, last + 1):
            if self._covers(group, items[start:end]):
                return end
        return None

    def _covers(self, group: list[Expected], items: list[Item]) -> bool:
        """Whether each line of the group can have an item of its own (augmenting paths)."""
        taken: dict[int, int] = {}

        def assign(line: int, tried: set[int]) -> bool:
            for index, item in enumerate(items):
                if index in tried or not self.whole(group[line], item):
                    continue
                tried.add(index)
                if index not in taken or assign(taken[index], tried):
                    taken[index] = line
                    return True
            return False

        return all(assign(line, set()) for line in range(len(group)))


def items_for(expected: Expected, node: Node) -> list[Item]:
    """What the node holds, without marks that nobody speaks of."""
    return [item for item in node.items() if isinstance(item, Node) or expected.names_mark(item)]


def groups(lines: list[Expected]) -> list[list[Expected]]:
    """Each line alone, but consecutive unordered ones together."""
    found: list[list[Expected]] = []
    for line in lines:
        if line.unordered and found and found[-1][-1].unordered:
            found[-1].append(line)
        else:
            found.append([line])
    return found
