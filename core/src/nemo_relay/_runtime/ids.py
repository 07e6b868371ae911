# SPDX-License-Identifier: Apache-2.0
"""Identifiers: UUID version 7, strictly increasing inside a process.

Layout: 48 bits of milliseconds, 12 bits of the fraction of that millisecond (in steps of 256 ns), 38 random bits that are drawn once (and
grow by one every 16 million identifiers), and a 24-bit counter. The low 64 bits become the W3C span id, so they must
differ between any two spans of a trace; a counter guarantees what random bits only make likely. ``next()`` on a
counter is one atomic step, so no lock is taken. What rarely changes is kept as text: most of the cost is in formatting.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_COUNTS = 1 << 24
_END = 2 * _COUNTS
_MILLISECOND = 1_000_000

_millisecond: tuple[int, str] = (0, "")  # its first nanosecond, and the identifiers' first part in it
_serial: tuple[int, str, Callable[[], int]]  # the random bits, their text, the counter


def _prefix(bits: int) -> str:
    return f"-{0x8000 | bits >> 24:04x}-{bits & 0xFFFFFF:06x}"


def reseed() -> None:
    """Draw the random bits anew; a forked child does, so that it never repeats its parent's identifiers."""
    global _serial
    bits = int.from_bytes(os.urandom(5), "big") >> 3  # 37 bits: there is room to count on
    _serial = (bits, _prefix(bits), itertools.count(_COUNTS).__next__)


def _carry() -> None:
    global _serial
    bits = _serial[0] + 1
    _serial = (bits, _prefix(bits), itertools.count(_COUNTS).__next__)


def uuid7(now_ns: int) -> str:
    """A new identifier for the moment ``now_ns``; a clock that steps back does not step the identifiers back."""
    global _millisecond
    start, head = _millisecond
    fraction = now_ns - start
    if fraction >= _MILLISECOND:
        stamp = now_ns // _MILLISECOND
        start, fraction = stamp * _MILLISECOND, now_ns % _MILLISECOND
        head = f"{stamp >> 16:08x}-{stamp & 0xFFFF:04x}-7"
        _millisecond = (start, head)
    elif fraction < 0:
        fraction = _MILLISECOND - 1
    _bits, tail, count = _serial
    number = count()
    if number >= _END:
        _carry()
        return uuid7(now_ns)
    # hex() of a number with a leading one, cut: half the cost of a format with leading zeros.
    return f"{head}{hex((fraction >> 8) + 4_096)[3:]}{tail}{hex(number)[3:]}"


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
