# SPDX-License-Identifier: Apache-2.0
"""Identifiers: UUID version 7, strictly increasing inside a process.

Layout: 48 bits of milliseconds, 12 bits of the fraction of that millisecond, and a 62-bit counter that starts
at random. The low 64 bits become the W3C span id, so they must differ between any two spans of a trace; a counter
guarantees that where random bits only make it likely. ``next()`` on a counter is one atomic step, so no lock is taken.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_VARIANT = 0x8000_0000_0000_0000
_MASK48 = 0xFFFF_FFFF_FFFF

_next: Callable[[], int]
_latest = 0


def reseed() -> None:
    """Start the counter anew at random; a forked child does, so that it never repeats its parent's ids."""
    global _next
    start = _VARIANT | (int.from_bytes(os.urandom(8), "big") >> 3)
    _next = itertools.count(start).__next__


def uuid7(now_ns: int) -> str:
    """A new identifier for the moment ``now_ns``; a clock that steps back does not step the ids back."""
    global _latest
    if now_ns < _latest:
        now_ns = _latest
    else:
        _latest = now_ns
    stamp, fraction = divmod(now_ns, 1_000_000)
    low = _next()
    return "%08x-%04x-7%03x-%04x-%012x" % (
        stamp >> 16,
        stamp & 0xFFFF,
        (fraction << 12) // 1_000_000,
        low >> 48,
        low & _MASK48,
    )


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
