# SPDX-License-Identifier: Apache-2.0
"""Identifiers: UUID version 7, strictly increasing inside a process.

Layout: 48 bits of milliseconds, 50 random bits that are drawn once (and grow by one every 16 million identifiers), and
a 24-bit counter. The low 64 bits become the W3C span id, so they must differ between any two spans of a trace; a
counter guarantees what random bits only make likely. ``next()`` on a counter is one atomic step, so no lock is taken.
All but the count changes once in a millisecond and is kept as text: most of the cost is in formatting.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_COUNTS = 1 << 24  # counting starts here: hex() of a number with a leading one, cut, needs no format with zeros
_END = 2 * _COUNTS
_MILLISECOND = 1_000_000

_random: int
_tail: str  # the random bits as text
_current: tuple[int, str, Callable[[], int]]  # a millisecond's first nanosecond, its identifiers' text, the counter


def reseed() -> None:
    """Draw the random bits anew; a forked child does, so that it never repeats its parent's identifiers."""
    _draw(int.from_bytes(os.urandom(7), "big") >> 7)  # 49 bits: there is room to count on
    _turn(0, itertools.count(_COUNTS).__next__)


def _draw(bits: int) -> None:
    global _random, _tail
    _random = bits
    _tail = f"-7{bits >> 38:03x}-{0x8000 | bits >> 24 & 0x3FFF:04x}-{bits & 0xFFFFFF:06x}"


def _turn(now_ns: int, count: Callable[[], int]) -> tuple[int, str, Callable[[], int]]:
    """Go on with the millisecond of ``now_ns``."""
    global _current
    stamp = now_ns // _MILLISECOND
    head = f"{stamp >> 16:08x}-{stamp & 0xFFFF:04x}{_tail}"
    _current = made = (stamp * _MILLISECOND, head, count)
    return made


def uuid7(now_ns: int) -> str:
    """A new identifier for the moment ``now_ns``; a clock that steps back does not step the identifiers back."""
    start, head, count = _current
    if now_ns - start >= _MILLISECOND:
        _start, head, count = _turn(now_ns, count)
    number = count()
    if number >= _END:
        _draw(_random + 1)
        _turn(max(now_ns, start), itertools.count(_COUNTS).__next__)
        return uuid7(now_ns)
    return head + hex(number)[3:]


source: Callable[[int], str] = uuid7


@contextmanager
def use(fn: Callable[[], str]) -> Iterator[None]:
    """Take identifiers from ``fn`` for the block."""
    global source
    before = source
    source = lambda _now_ns: fn()  # noqa: E731
    try:
        yield
    finally:
        source = before


reseed()
