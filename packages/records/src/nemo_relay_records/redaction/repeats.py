# SPDX-License-Identifier: Apache-2.0
"""What was found harmless before and is said again: requests repeat the conversation, scopes say nothing new."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain, takewhile

_BLOCK = 2_048  # bytes
SHORT = 2 * _BLOCK  # bytes below which a text is remembered as one
_MOST = 16_384  # beginnings remembered, each by a number
_LATEST = 2_048  # short texts remembered: what a span says at its start is said again at its end
# What differs from run to run and holds no secret: no pattern asks which digits stand there, and behind a colon none
# begins or ends in the middle of them. A secret that is a number or a UUID is one by its name, which stays.
_UUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NUMBERS = re.compile(rb':(?:"%b["#]|%b|\d+)' % (_UUID, _UUID)).sub
# Where the body of a request begins, behind its normalised form, which says much the same.
_BODY = b'"data":{"content":'
# Between two objects of which the first ends with a text: no secret, no name and no pair of both reaches across.
_BETWEEN = b'"},{"'


class Repeats:
    """Knows how harmless texts began, by numbers: a number stands for every byte up to a point, and keeps none.

    Args:
        suspects: whether there may be a secret in a text.
        numbers: the numbers and UUIDs in a text tell it apart from another one.
    """

    def __init__(self, suspects: Callable[[bytes], bool], *, numbers: bool = False) -> None:
        self._suspects = suspects
        self._numbers = numbers
        self._begun: set[int] = set()
        self.known: set[int] = set()  # the hashes of short texts that are harmless

    def are_harmless(self, text: bytes, start: int, stop: int) -> bool:
        """Whether there is no secret in ``text`` between two places, for all we know."""
        if stop - start < SHORT:
            return self._is_harmless(text[start:stop])
        met: list[int] = []
        while start < stop:
            known, end = self._follow(text, start, stop, met)
            between = text.rfind(_BETWEEN, start, known)
            if self._suspects(text[start if between < 0 else between + 2 : end]):
                return False
            start = end
        _make_room(self._begun, _MOST)
        self._begun.update(met)
        return True

    def _is_harmless(self, part: bytes) -> bool:
        exact = hash(part)
        if exact in self.known:
            return True
        if not self._numbers:
            part = _NUMBERS(b":0", part)
        number = hash(part)
        if number not in self._begun:
            if self._suspects(part):
                return False
            _make_room(self._begun, _MOST)
            self._begun.add(number)
        _make_room(self.known, _LATEST)
        self.known.add(exact)
        return True

    def _follow(self, text: bytes, start: int, stop: int, met: list[int]) -> tuple[int, int]:
        """How far ``text`` is known from ``start``, and where the part that begins there ends."""
        known, blocks = start, _blocks(text, start, stop)
        new: list[tuple[int, int]] = []
        for at, number in blocks:
            if number not in self._begun:
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


def _make_room(known: set[int], most: int) -> None:
    if len(known) > most:
        known.clear()
