# SPDX-License-Identifier: Apache-2.0
"""Waiting for the dispatcher, from threads and from event loops, and at the end of the process."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nemo_relay._runtime import ids
from nemo_relay._runtime.awaitables import running_loop
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree.context import as_emitted, publishing

EXIT_SECONDS = 2.0  # how long an exiting process waits for its subscribers


def is_within_delivery() -> bool:
    """Whether the caller is itself part of what a flush would wait for."""
    # The variable goes along where a callback runs on an event loop: a subscriber that is async is within it too.
    return as_emitted.get() or publishing.get() is not None or dispatcher.is_current()


def flush(timeout: float | None) -> bool:
    """See ``nemo_relay.subscribers.flush``."""
    if is_within_delivery():
        return True
    if running_loop() is not None:
        raise RuntimeError(
            "subscribers.flush() cannot block a running asyncio event loop; use 'await subscribers.flush_async()'"
        )
    return dispatcher.flush(timeout)


async def flush_async(timeout: float | None) -> bool:
    """See ``nemo_relay.subscribers.flush_async``."""
    if is_within_delivery():
        return True
    if running_loop() is None:
        return await _flush_elsewhere(timeout)
    import asyncio

    waiter = asyncio.get_running_loop().create_future()
    bridge.submit(waiter)
    try:
        await asyncio.wait_for(waiter, timeout)
    except TimeoutError:
        return False
    return True


async def _flush_elsewhere(timeout: float | None) -> bool:
    """Wait without asyncio: on a thread of trio's, where trio runs this."""
    trio = sys.modules.get("trio")  # never imported for this: whoever runs on it has done so
    if trio is None or not trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "subscribers.flush_async() needs an event loop of asyncio or trio; elsewhere call subscribers.flush()"
            " on a thread"
        )
    done: bool = await trio.to_thread.run_sync(dispatcher.flush, timeout, abandon_on_cancel=True)
    return done


class FlushBridge:
    """One daemon thread that waits for the dispatcher on behalf of any number of event loops.

    ``wait`` is what it calls; ``nemo_relay.subscribers`` puts the published name of that call in its place.
    """

    def __init__(self, wait: Callable[[], object]) -> None:
        self.wait = wait
        self.reset()

    def reset(self) -> None:
        """Start anew; a forked child has neither the thread nor the waiters."""
        self._condition = threading.Condition()
        self._waiters: list[Any] = []
        self._thread: threading.Thread | None = None

    def submit(self, waiter: Any) -> None:
        """Resolve the future ``waiter`` when what is queued now has been delivered."""
        with self._condition:
            self._waiters.append(waiter)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nemo-relay-flush", daemon=True)
                self._thread.start()
            self._condition.notify()

    def _run(self) -> None:
        condition = self._condition
        while True:
            with condition:
                while not self._waiters:
                    condition.wait()
                waiters, self._waiters = self._waiters, []
            error: BaseException | None = None
            try:
                self.wait()
            except BaseException as raised:
                error = raised
            for waiter in waiters:
                _resolve(waiter, error)


def _resolve(waiter: Any, error: BaseException | None) -> None:
    def wake() -> None:
        if waiter.done():  # cancelled meanwhile
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)

    with suppress(RuntimeError):  # its loop may have closed: nobody waits any more then
        waiter.get_loop().call_soon_threadsafe(wake)


bridge = FlushBridge(lambda: dispatcher.flush(None))


def _at_exit() -> None:
    dispatcher.report_drops()
    if not dispatcher.flush(EXIT_SECONDS):
        left = dispatcher.statistics().queued
        faults.write(f"nemo_relay: {left} events did not reach their subscribers within {EXIT_SECONDS:g} s of the exit")


def _in_child() -> None:
    # Events queued in the parent are delivered by the parent; the child starts with an empty queue and no thread.
    ids.reseed()
    registry.renew_lock()
    dispatcher.reset()
    bridge.reset()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
