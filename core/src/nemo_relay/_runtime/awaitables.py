# SPDX-License-Identifier: Apache-2.0
"""Awaitables, and the loops that can wait for them. asyncio is imported only when somebody already uses it."""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any


def is_awaitable(value: Any) -> bool:
    """Whether ``value`` can be awaited; a fraction of the cost of ``inspect.isawaitable``."""
    # The type is asked, as ``await`` does: an object that answers to every name is no awaitable.
    return hasattr(type(value), "__await__")


def is_async_callable(fn: Any) -> bool:
    """Whether calling ``fn`` gives a coroutine, as far as that can be known without calling it."""
    from inspect import iscoroutinefunction, unwrap

    while hasattr(fn, "func") and hasattr(fn, "args"):  # functools.partial
        fn = fn.func
    if iscoroutinefunction(unwrap(fn) if callable(fn) else fn):
        return True
    return not isinstance(fn, type) and iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004


def running_loop() -> Any:
    """The event loop that runs on this thread, or None."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    return asyncio._get_running_loop()


# There ``asyncio.current_task`` is written in Python, and takes a third of a whole pull from a stream.
_SLOW_TASKS: bool = sys.version_info < (3, 12)


def task_finder() -> Callable[[], Any]:
    """What gives the current task of asyncio, where it runs this thread; elsewhere what gives None."""
    loop = running_loop()
    if loop is None:
        return lambda: None
    asyncio = sys.modules["asyncio"]
    if _SLOW_TASKS:
        return partial(asyncio.tasks._current_tasks.get, loop)
    return partial(asyncio.current_task, loop)


def run_on_some_loop(make: Callable[[], Coroutine[Any, Any, Any]], loop: Any, context: contextvars.Context) -> Any:
    """Run ``make()`` to its end in ``context``: on ``loop`` while it runs, else on a loop made for it. Blocks."""
    if loop is not None and loop.is_running():
        return _run_elsewhere(make, loop, context)
    return run_blocking(make, context)


def _run_elsewhere(make: Callable[[], Coroutine[Any, Any, Any]], loop: Any, context: contextvars.Context) -> Any:
    from concurrent.futures import Future

    outcome: Future[Any] = Future()

    started = False

    async def run() -> None:
        nonlocal started
        started = True
        try:
            outcome.set_result(await make())
        except BaseException as error:
            if not outcome.done():
                outcome.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            raise

    waiting = _quiet(run)
    tasks: list[Any] = []  # a loop keeps only a weak reference to its tasks
    try:
        call = loop.call_soon_threadsafe(
            lambda: tasks.append(loop.create_task(waiting, context=context)), context=context
        )
    except RuntimeError:  # closed since it was asked
        waiting.close()
        return run_blocking(make, context)
    patience = _PATIENCE
    while True:
        with suppress(TimeoutError):  # of the waiting; what the callback raised is returned here, not raised
            outcome.exception(timeout=_POLL_SECONDS)
        if outcome.done():
            return outcome.result()
        patience = _PATIENCE if loop.is_running() else patience - 1
        if loop.is_closed() or not patience:
            call.cancel()
            for task in tasks:
                task._log_destroy_pending = False  # nobody is told of a loop that was closed over its head
            if not started:  # the loop stopped before it came to our call
                waiting.close()
                return run_blocking(make, context)
            raise RuntimeError("the event loop was stopped while a callback was running on it")


_POLL_SECONDS = 0.1
_PATIENCE = 10  # polls for which a loop may stand still; one that is driven step by step goes on in between


async def _quiet(run: Callable[[], Awaitable[None]]) -> None:
    with suppress(Exception):  # it is in the future that the dispatcher waits for
        await run()


def run_blocking(make: Callable[[], Coroutine[Any, Any, Any]], context: contextvars.Context | None = None) -> Any:
    """Run ``make()`` to its end on a loop of its own; on this thread, or on another where a loop runs here already."""
    import asyncio
    import threading

    def run() -> Any:
        with asyncio.Runner() as runner:
            return runner.run(make(), context=context)

    if running_loop() is None:
        return run()
    result: list[Any] = []
    error: list[BaseException] = []

    def work() -> None:
        try:
            result.append(run())
        except BaseException as raised:
            error.append(raised)

    thread = threading.Thread(target=work, name="nemo-relay-callback", daemon=True)
    thread.start()
    thread.join()
    if error:
        raise error[0]
    return result[0]


def block_on(awaitable: Awaitable[Any]) -> Any:
    """The result of ``awaitable``, waited for without an event loop running here, in a copy of this context."""

    async def wait() -> Any:
        return await awaitable

    return run_blocking(wait, contextvars.copy_context())
