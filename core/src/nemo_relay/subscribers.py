# SPDX-License-Identifier: Apache-2.0
"""Subscribers: callbacks that hear every event, in the order of emission, on a thread of their own.

Emitting an event never waits for a subscriber. ``flush`` waits until everything emitted so far has been heard.

>>> from nemo_relay import ScopeType, scope, subscribers
>>> seen = []
>>> subscribers.register("seen", lambda event: seen.append((event.name, event.scope_category)))
>>> with scope.scope("work", ScopeType.Function):
...     pass
>>> subscribers.flush(timeout=5)
True
>>> seen
[('work', 'start'), ('work', 'end')]
>>> subscribers.deregister("seen")
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.delivery import flush as flushing
from nemo_relay._runtime.delivery.dispatcher import Statistics, dispatcher
from nemo_relay._runtime.queues import CAPACITY, MAX_BYTES
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import Span

if TYPE_CHECKING:
    from nemo_relay.types import Event

__all__ = ["configure", "deregister", "flush", "flush_async", "is_heard", "register", "statistics"]


def register(name: str, callback: Callable[[Event], Any]) -> None:
    """Let ``callback``, sync or async, hear every event from now on.

    Args:
        name: its own name.
        callback: called with each event, on the dispatcher's thread. What it raises is counted, and told once.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
    """
    registry.subscribers.register(name, 0, callback, sink=getattr(callback, "__relay_sink__", None))


def deregister(name: str) -> bool:
    """Stop; False when the name is unknown. Events emitted before are still delivered."""
    return registry.subscribers.deregister(name)


def is_heard(handle: Span | None = None) -> bool:
    """Whether anybody would hear an event now: for code that makes a payload only if somebody wants it.

    Args:
        handle: the span that the event would belong to; the current one when None.
    """
    if handle is not None:
        expect(handle, Span, "ScopeHandle", "handle")
    if registry.activity.global_only:
        return registry.activity.observed
    return registry.audience(context.current() if handle is None else handle) is not None


def flush(timeout: float | None = None) -> bool:
    """Wait until every event emitted so far has been heard.

    Inside a subscriber or a sanitizer it returns at once: what it would wait for is waiting for it.

    Args:
        timeout: seconds to wait at the most; None waits as long as it takes.

    Returns:
        Whether everything was delivered in time.

    Raises:
        RuntimeError: an event loop runs on this thread; use ``await flush_async()`` there.
    """
    return flushing.flush(timeout)


async def flush_async(timeout: float | None = None) -> bool:
    """Like ``flush``, without blocking the event loop; under asyncio and under trio.

    Raises:
        RuntimeError: neither of the two runs here.
    """
    return await flushing.flush_async(timeout)


def configure(*, capacity: int = CAPACITY, max_bytes: int = MAX_BYTES, wait_seconds: float = 0.0) -> None:
    """Bound the queue of events that wait for subscribers, or behind async sanitizers.

    Args:
        capacity: how many events may wait. One more is dropped, and counted; nothing else is held up.
        max_bytes: how many bytes of events may wait.
        wait_seconds: how long an emitter waits for room before that happens.

    Raises:
        ValueError: a bound that is no bound.
    """
    if capacity < 1 or max_bytes < 1 or wait_seconds < 0:
        raise ValueError(
            f"capacity and max_bytes must be at least 1 and wait_seconds not negative: {capacity!r}, {max_bytes!r},"
            f" {wait_seconds!r}"
        )
    dispatcher.capacity = capacity
    dispatcher.max_bytes = max_bytes
    dispatcher.wait_seconds = wait_seconds


def statistics() -> Statistics:
    """How many events were offered to subscribers, delivered, dropped for lack of room, and are waiting."""
    return dispatcher.statistics()


def _native_flush() -> None:
    dispatcher.flush(None)


# Programs replace ``_native_flush`` here, and their own is what is called then.
_flush_bridge = flushing.bridge
_flush_bridge.wait = lambda: _native_flush()
