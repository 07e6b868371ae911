# SPDX-License-Identifier: Apache-2.0
"""Small helpers for applications.

>>> from nemo_relay.utils import run_sync
>>> async def answer():
...     return 42
>>> run_sync(answer())
42
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import copy_context
from typing import TypeVar

from nemo_relay._runtime.awaitables import run_blocking
from nemo_relay._runtime.tree.stacks import get_scope_stack

T = TypeVar("T")

__all__ = ["run_sync"]


def run_sync(coro: Awaitable[T]) -> T:
    """Run ``coro`` to its end and return its result, whether or not an event loop runs on this thread.

    It runs in a copy of this context, so its work belongs to the current scope. Inside a running loop it runs on a
    thread of its own, and *blocks the loop* until it is done: for synchronous code that has no other way.

    Args:
        coro: what to await.

    Raises:
        BaseException: whatever ``coro`` raised, the same object.
    """

    async def wait() -> T:
        return await coro

    get_scope_stack()
    result: T = run_blocking(wait, copy_context())
    return result
