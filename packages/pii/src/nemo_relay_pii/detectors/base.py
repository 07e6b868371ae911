# SPDX-License-Identifier: Apache-2.0
"""What a detector is: a name, a quick question, a search, and a mask that leaves something to recognise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

Span = tuple[int, int]
Search = Callable[[str, str], Iterable[Span]]
Mask = Callable[[str, str], str]


class Detector(NamedTuple):
    """Finds one kind of thing in a text.

    Attributes:
        name: as a configuration calls it.
        find: ``(text, context)`` -> the spans of what was found, in order and apart from each other. ``context`` is the
            name of the key that the text stands under, or nothing: what goes by ``phone`` may be one.
        mask: ``(match, mask_char)`` -> the match with its telling part masked.
        hint: whether a text, or the JSON that it stands in, can hold one at all; the others are not searched.
    """

    name: str
    find: Search
    mask: Mask
    hint: Callable[[str], object]


def within(pattern: str) -> Callable[[str], object]:
    """A hint: whether ``pattern``, or the plain text that it is, stands somewhere in a text."""
    if re.escape(pattern) == pattern or pattern in ("@", "==", "-----BEGIN ", "://"):
        return lambda text: pattern in text
    return re.compile(pattern).search


def spans(pattern: re.Pattern[str], accept: Callable[[str], bool] | None = None) -> Search:
    """The search that takes what ``pattern`` matches and ``accept`` agrees to."""

    def find(text: str, context: str) -> Iterator[Span]:
        for found in pattern.finditer(text):
            if accept is None or accept(found[0]):
                yield found.span()

    return find


def last(kept: int) -> Mask:
    """A mask of all letters and digits but the last ``kept``; what stands between them stays."""

    def mask(match: str, char: str) -> str:
        left = sum(one.isalnum() for one in match) - kept
        shown = []
        for one in match:
            hide = one.isalnum() and left > 0
            left -= one.isalnum()
            shown.append(char if hide else one)
        return "".join(shown)

    return mask


def ends(head: int, tail: int) -> Mask:
    """A mask of everything but the first ``head`` and the last ``tail`` characters."""

    def mask(match: str, char: str) -> str:
        hidden = max(len(match) - head - tail, 0)
        return match[:head] + char * hidden + match[head + hidden :]

    return mask
