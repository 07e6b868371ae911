# SPDX-License-Identifier: Apache-2.0
"""What was found harmless before and is said again: requests repeat the conversation, scopes say nothing new."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, takewhile

_BLOCK = 2_048  # bytes
_SHORTEST = 2 * _BLOCK
_MOST = 16_384  # beginnings remembered, each by a number
# Where the body of a request begins, behind its normalised form, which says much the same.
_BODY = b'"data":{"content":'
# Between two objects of which the first ends with a text: no secret, no name and no pair of both reaches across.
_BETWEEN = b'"},{"'


class Repeats:
    """Knows how harmless texts began, by numbers: a number stands for every byte up to a point, and keeps none."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def unknown(self, text: bytes, start: int, stop: int) -> tuple[list[bytes], list[int]]:
        """What has to be looked at of ``text`` between two places, and what to ``learn`` once it is found harmless."""
        if stop - start < _SHORTEST:
            part = text[start:stop]
            number = hash(part)
            return ([], []) if number in self._known else ([part], [number])
        parts: list[bytes] = []
        met: list[int] = []
        while start < stop:
            known, end = self._follow(text, start, stop, met)
            between = text.rfind(_BETWEEN, start, known)
            parts.append(text[start if between < 0 else between + 2 : end])
            start = end
        return parts, met

    def learn(self, met: list[int]) -> None:
        """Remember what turned out to be harmless."""
        if len(self._known) > _MOST:
            self._known.clear()
        self._known.update(met)

    def _follow(self, text: bytes, start: int, stop: int, met: list[int]) -> tuple[int, int]:
        """How far ``text`` is known from ``start``, and where the part that begins there ends."""
        known, blocks = start, _blocks(text, start, stop)
        new: list[tuple[int, int]] = []
        for at, number in blocks:
            if number not in self._known:
                new.append((at, number))
                break
            known = at
        end = text.find(_BODY, known + 1, stop)  # behind what is known: not far, where a conversation went on
        end = stop if end < 0 else end
        met += [number for _, number in takewhile(lambda block: block[0] <= end, chain(new, blocks))]
        return known, end


def _blocks(text: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The end of each whole block from ``start``, and the number of all that stands before it."""
    number = 0
    for at in range(start + _BLOCK, stop + 1, _BLOCK):
        number = hash((number, text[at - _BLOCK : at]))
        yield at, number
