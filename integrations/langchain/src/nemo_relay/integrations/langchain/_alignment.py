# SPDX-License-Identifier: Apache-2.0
"""Which item of an edited list was which item before the edit."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Match(NamedTuple):
    """Where an item was before, and whether it is still the same."""

    place: int
    same: bool


def align(before: Sequence[Any], after: Sequence[Any], alike: Callable[[Any, Any], bool]) -> list[Match | None]:
    """For each item of ``after`` the one of ``before`` that it is, or that it was edited from; None for a new one.

    Items that say the same are the same, wherever they moved. One that changed in its place, right behind its
    neighbour of before, was edited, if ``alike`` agrees.
    """
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for index, item in enumerate(before):
        waiting[text_of(item)].append(index)
    found: list[Match | None] = []
    for item in after:
        indices = waiting.get(text_of(item))
        found.append(Match(indices.popleft(), True) if indices else None)
    used = {match.place for match in found if match is not None}
    previous = -1
    for position, match in enumerate(found):
        if match is None:
            candidate = previous + 1
            free = candidate < len(before) and candidate not in used
            if free and alike(before[candidate], after[position]):
                found[position] = match = Match(candidate, False)
                used.add(candidate)
        if match is not None:
            previous = match.place
    return found


def text_of(item: Any) -> str:
    """What an item says, as text to compare by."""
    try:
        return json.dumps(item, sort_keys=True, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        return repr(item)


def is_same_json(left: Any, right: Any) -> bool:
    """Whether two views say the same."""
    return left is right or text_of(left) == text_of(right)


def copied(value: Any) -> Any:
    """``value`` with its dicts and lists copied, everything else by identity: what a view said before an edit."""
    try:
        return _copied(value)
    except RecursionError:
        return value


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copied(item) for key, item in value.items()}
    if type(value) is list:
        return [_copied(item) for item in value]
    return value
