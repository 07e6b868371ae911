# SPDX-License-Identifier: Apache-2.0
"""The same ids and times in every run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from nemo_relay._runtime import clock, ids
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import ScopeStack

_START = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def deterministic(*, start: datetime = _START, step_ns: int = 1_000_000) -> Iterator[None]:
    """Count ids and times up from a fixed point while the block runs, for the whole process.

    When no scope is open around it, the block also starts with a fresh root, so that the ids of roots are counted
    too and two runs write the same bytes.

    Args:
        start: the first time, timezone-aware.
        step_ns: nanoseconds from one reading of the clock to the next.

    Raises:
        TypeError, ValueError: `start` is no timezone-aware datetime.

    Example:
        >>> from nemo_relay import ScopeType, scope
        >>> with deterministic():
        ...     handle = scope.start("planner", ScopeType.Agent)
        >>> handle.uuid
        '00000000-0000-7000-8000-000000000001'
    """
    numbers = itertools.count(1)
    times = itertools.count(clock.from_datetime(start), step_ns)

    def next_id() -> str:
        number = next(numbers)
        return f"00000000-0000-7000-8000-{number:012x}"

    with ids.use(next_id), clock.use(times.__next__), _fresh_root():
        yield


@contextmanager
def _fresh_root() -> Iterator[None]:
    here = context.position.get()
    if here is not None and here is not here.stack.root:
        yield
        return
    stack = context.stack_var.get()
    context.bind(ScopeStack())
    try:
        yield
    finally:
        context.stack_var.set(stack)
        context.position.set(here)
