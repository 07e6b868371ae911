# SPDX-License-Identifier: Apache-2.0
"""An expected tree and a real one as one text, for the eye: `-` expected, `+` found, blank for both."""

from __future__ import annotations

from collections.abc import Iterator

from nemo_relay_projections.expectations.matching import Item, Matcher, groups, items_for
from nemo_relay_projections.expectations.spec import Expected
from nemo_relay_projections.nodes import Node

Pair = tuple[Expected | None, Item | None]


def differences(matcher: Matcher, expected: Expected, node: Node, depth: int = 0) -> Iterator[str]:
    """The lines of the text for what is below an expected line and a node."""
    items = items_for(expected, node)
    for line, item in _align(matcher, _arranged(matcher, expected.children, items), items):
        if line is None:
            assert item is not None
            yield from _found(item, depth, " " if expected.more else "+")
        elif item is None:
            yield from _missing(line, depth)
        else:
            yield from _both(matcher, line, item, depth)


def _both(matcher: Matcher, line: Expected, item: Item, depth: int) -> Iterator[str]:
    if line.fits_head(item):
        yield _text(" ", depth, line.text)
    else:
        yield _text("-", depth, line.text)
        yield _text("+", depth, _describe(item))
    if isinstance(item, Node):
        yield from differences(matcher, line, item, depth + 1)


def _missing(line: Expected, depth: int) -> Iterator[str]:
    yield _text("-", depth, line.text)
    for child in line.children:
        yield from _missing(child, depth + 1)


def _found(item: Item, depth: int, sign: str) -> Iterator[str]:
    yield _text(sign, depth, _describe(item))
    if isinstance(item, Node):
        for child in item.children:
            yield from _found(child, depth + 1, sign)


def _describe(item: Item) -> str:
    if not isinstance(item, Node):
        return f"<{item.name}>"
    return f"{item.category}:{item.name} {{{item.outcome}}}" + (f"  {item.error}" if item.error else "")


def _text(sign: str, depth: int, text: str) -> str:
    return f"{sign} {'  ' * depth}{text}"


def _likeness(matcher: Matcher, line: Expected, item: Item) -> int:
    if matcher.whole(line, item):
        return 3
    return 2 if line.fits_head(item) else int(line.fits_label(item))


def _arranged(matcher: Matcher, lines: list[Expected], items: list[Item]) -> list[Expected]:
    """The lines, those of an unordered group in the order of the items they are most like."""
    arranged: list[Expected] = []
    for group in groups(lines):
        places: dict[int, int] = {}
        for likeness in (3, 2, 1):
            for place, item in enumerate(items):
                fits = (i for i, line in enumerate(group) if _likeness(matcher, line, item) == likeness)
                free = next((i for i in fits if i not in places), None)
                if place not in places.values() and free is not None:
                    places[free] = place
        arranged += [group[i] for i in sorted(range(len(group)), key=lambda i: places.get(i, len(items)))]
    return arranged


def _align(matcher: Matcher, lines: list[Expected], items: list[Item]) -> list[Pair]:
    """Pairs the two sequences, keeping both orders, so that the pairs are as alike as can be."""
    best: list[list[tuple[int, list[Pair]]]] = [[(0, [])] * (len(items) + 1) for _ in range(len(lines) + 1)]
    for i in range(len(lines) - 1, -1, -1):
        best[i][len(items)] = (0, [(line, None) for line in lines[i:]])
    for j in range(len(items) - 1, -1, -1):
        best[len(lines)][j] = (0, [(None, item) for item in items[j:]])
    for i in range(len(lines) - 1, -1, -1):
        for j in range(len(items) - 1, -1, -1):
            skip_line, skip_item = best[i + 1][j], best[i][j + 1]
            choices = [
                (skip_line[0], [(lines[i], None), *skip_line[1]]),
                (skip_item[0], [(None, items[j]), *skip_item[1]]),
            ]
            likeness = _likeness(matcher, lines[i], items[j])
            if likeness:
                rest = best[i + 1][j + 1]
                choices.append((rest[0] + likeness, [(lines[i], items[j]), *rest[1]]))
            best[i][j] = max(choices, key=lambda choice: choice[0])
    return best[0][0][1]
