# SPDX-License-Identifier: Apache-2.0
"""The clock: integer nanoseconds since the epoch, and their RFC 3339 form."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from nemo_relay.errors import InvalidTimestamp

source: Callable[[], int] = time.time_ns

# The last second that was formatted, with its first nanosecond: most events share it with their neighbour.
_second: tuple[int, str] = (0, "1970-01-01T00:00:00.")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@contextmanager
def use(fn: Callable[[], int]) -> Iterator[None]:
    """Replace the clock by ``fn`` (nanoseconds since the epoch) for the block."""
    global source
    before, source = source, fn
    try:
        yield
    finally:
        source = before


def rfc3339(ns: int) -> str:
    """``ns`` as UTC with ``+00:00`` and 0, 3, 6 or 9 fractional digits, the fewest that are exact."""
    global _second
    start, text = _second
    fraction = ns - start
    if not 0 <= fraction < 1_000_000_000:
        second, fraction = divmod(ns, 1_000_000_000)
        text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        _second = (ns - fraction, text)
    if fraction % 1_000:
        return f"{text}{str(fraction + 1_000_000_000)[1:]}+00:00"
    if fraction % 1_000_000:
        return f"{text}{fraction // 1_000:06d}+00:00"
    if fraction:
        return f"{text}{fraction // 1_000_000:03d}+00:00"
    return f"{text[:-1]}+00:00"


def from_datetime(value: object) -> int:
    """The user's timezone-aware ``datetime`` in nanoseconds since the epoch.

    Raises:
        TypeError: not a ``datetime.datetime``.
        ValueError: naive, or with an offset that RFC 3339 cannot write.
    """
    if not isinstance(value, datetime):
        raise TypeError("timestamp must be a datetime.datetime object")
    offset = value.utcoffset()
    if offset is None:
        raise InvalidTimestamp("timestamp datetime must be timezone-aware")
    if offset.seconds % 60 or offset.microseconds:
        raise InvalidTimestamp("invalid timestamp: trailing input")
    delta = value - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000
