# SPDX-License-Identifier: Apache-2.0
"""Places in which code runs, each with a context of its own: tasks, threads, forked processes; and generators."""

from __future__ import annotations

import asyncio
import contextvars
import faulthandler
import os
import threading
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Any

from nemo_relay import ScopeType, scope

Work = Callable[[], Any]


class Task:
    """Runs what it is given inside an asyncio task that lives until it is stopped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> None:
        self.loop = loop
        self.context = context
        self.queue: asyncio.Queue[tuple[Work, asyncio.Future[Any]] | None] = asyncio.Queue()
        self.task = loop.create_task(self._serve(), context=context)

    async def _serve(self) -> None:
        while (order := await self.queue.get()) is not None:
            work, done = order
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)

    def run(self, work: Work) -> Any:
        done = self.loop.create_future()
        self.queue.put_nowait((work, done))
        return self.loop.run_until_complete(done)

    def stop(self) -> None:
        self.queue.put_nowait(None)
        self.loop.run_until_complete(self.task)


class Thread:
    """Runs what it is given on a thread of its own, in ``context``."""

    def __init__(self, context: contextvars.Context) -> None:
        self.orders: SimpleQueue[Work | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self.thread = threading.Thread(target=context.run, args=(self._serve,))
        self.thread.start()

    def _serve(self) -> None:
        while (work := self.orders.get()) is not None:
            try:
                self.answers.put((work(), None))
            except BaseException as error:
                self.answers.put((None, error))

    def run(self, work: Work) -> Any:
        self.orders.put(work)
        value, error = self.answers.get()
        if error is not None:
            raise error
        return value

    def stop(self) -> None:
        self.orders.put(None)
        self.thread.join()


def in_forked_child(work: Callable[[], bytes]) -> bytes:
    """What ``work`` returns in a forked copy of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            faulthandler.dump_traceback_later(20, exit=True, file=2)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(work())
            status = 0
        except BaseException as error:
            os.write(2, f"in the child: {error!r}\n".encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with status {status}"
    return answer


Order = tuple[str, Any]


def body() -> Generator[Any, Order, None]:
    """A generator that does what its consumer says, in its own frame: scopes belong to the frame that opens them."""
    answer: Any = None
    while True:
        what, argument = yield answer
        if what == "push":
            answer = scope.push(argument, ScopeType.Function)
        elif what == "pop":
            answer = scope.pop(argument)
        elif what == "mark":
            answer = scope.event(argument)
        elif what == "where":
            answer = scope.get_handle()
        else:
            return
