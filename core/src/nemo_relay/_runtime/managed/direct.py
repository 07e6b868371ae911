# SPDX-License-Identifier: Apache-2.0
"""Calls that nothing shapes: the callback, standing in a span of its own, between the two events of the call.

Where nobody observes it either, not even those are made; a subscriber that arrives while such a call runs hears its
end. Calls with middleware go through the engine in ``managed``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay._runtime.awaitables import block_on
from nemo_relay._runtime.managed.call import Kind, ManagedCall
from nemo_relay._runtime.managed.engine import steps
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import Span

_get = context.position.get
_set = context.position.set
_activity = registry.activity


async def through(kind: Kind, span: Span, argument: Any, func: Callable[[Any], Any]) -> Any:
    """Run a call of that kind, which nothing shapes unless a policy has come since it was made."""
    if kind.middleware.takes_part():
        return await steps(ManagedCall(kind, span, argument, func, sync=False))
    events = kind.events
    observed = _activity.observed
    argument = events.start(span, argument)
    before = _get()
    _set(span)
    try:
        answer = func(argument)
        if hasattr(type(answer), "__await__"):
            answer = await answer
    except BaseException as error:
        _set(before)
        if observed or _activity.observed:
            events.end_failed(span, error)
        raise
    _set(before)
    if observed or _activity.observed:
        events.end(span, answer)
    return answer


def through_sync(kind: Kind, span: Span, argument: Any, func: Callable[[Any], Any]) -> Any:
    """The same without an event loop."""
    # Written out a second time: what passes through a coroutine, StopIteration does not survive.
    events = kind.events
    observed = _activity.observed
    argument = events.start(span, argument)
    before = _get()
    _set(span)
    try:
        answer = func(argument)
        if hasattr(type(answer), "__await__"):
            answer = block_on(answer)
    except BaseException as error:
        _set(before)
        if observed or _activity.observed:
            events.end_failed(span, error)
        raise
    _set(before)
    if observed or _activity.observed:
        events.end(span, answer)
    return answer
