# SPDX-License-Identifier: Apache-2.0
"""Streams: a consumer of the managed stream sees what a consumer of the producer itself sees, when it sees it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, closing
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import LLMRequest, llm

from .failures import MAKERS, Application, described
from .modes import SETUPS, watched

variable: ContextVar[str] = ContextVar("variable", default="unset")
Log = list[Any]
Open = Callable[[Callable[[Any], Any]], Any]


def silent(_chunk: Any) -> None:
    return None


async def open_directly(produce: Callable[[Any], Any]) -> Any:
    return produce({})


async def open_managed(produce: Callable[[Any], Any]) -> Any:
    return await llm.stream_execute("s", LLMRequest({}, {}), produce, silent, lambda: None)


def open_directly_sync(produce: Callable[[Any], Any]) -> Any:
    return produce({})


def open_managed_sync(produce: Callable[[Any], Any]) -> Any:
    return llm.stream_execute_sync("s", LLMRequest({}, {}), produce, silent, lambda: None)


CHUNKS = [object(), {"a": 1}, None, "text", [1], ValueError("x")]


async def read_to_the_end(make: Open, log: Log) -> None:
    async def produce(_request: Any) -> AsyncIterator[Any]:
        try:
            for chunk in CHUNKS:
                log.append("produced")
                yield chunk
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    stream = await make(produce)
    log.append("opened")
    position = 0
    async for chunk in stream:
        log.append(("consumed", chunk is CHUNKS[position]))
        position += 1
    log.append("end")
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def closed_early(make: Open, log: Log) -> None:
    async def produce(_request: Any) -> AsyncIterator[int]:
        try:
            for number in range(100):
                log.append(f"produced {number}")
                yield number
        finally:
            await asyncio.sleep(0.001)
            log.append("closed")

    async with aclosing(await make(produce)) as stream:
        async for number in stream:
            if number == 2:
                break
    log.append("after")


async def closed_before_it_began(make: Open, log: Log) -> None:
    async def produce(_request: Any) -> AsyncIterator[int]:
        log.append("never")
        yield 1

    stream = await make(produce)
    await stream.aclose()
    await stream.aclose()
    log.append([chunk async for chunk in stream])


async def cancelled_in_a_pull(make: Open, log: Log) -> None:
    async def produce(_request: Any) -> AsyncIterator[int]:
        try:
            yield 1
            deadline.reschedule(0)  # it is over as soon as the second pull has begun
            await asyncio.sleep(30)
        except asyncio.CancelledError as error:
            log.append(("cancelled", error.args))
            raise
        finally:
            await asyncio.sleep(0.001)
            log.append("closed")

    async def consume() -> None:
        async for chunk in await make(produce):
            log.append(chunk)

    try:
        async with asyncio.timeout(None) as deadline:
            await consume()
    except TimeoutError:
        log.append("timeout")
    task = asyncio.current_task()
    assert task is not None
    log.append(task.cancelling())


async def failing_everywhere(make: Open, log: Log) -> None:
    for name, build in MAKERS.items():
        if name in ("stop async iteration", "generator exit", "keyboard interrupt", "system exit"):
            continue
        error = build()

        async def produce(_request: Any, error: BaseException = error) -> AsyncIterator[int]:
            yield 1
            try:
                raise LookupError
            except LookupError:
                raise error  # noqa: B904

        try:
            async for chunk in await make(produce):
                log.append(chunk)
        except BaseException as caught:
            log.append((name, caught is error, described(caught)))


async def context_variables(make: Open, log: Log) -> None:
    async def produce(_request: Any) -> AsyncIterator[str]:
        variable.set("producer")
        yield variable.get()
        yield variable.get()

    stream = await make(produce)
    log.append(await anext(stream))
    log.append(variable.get())
    variable.set("consumer")
    log.append(await anext(stream))
    await stream.aclose()


async def abandoned(make: Open, log: Log) -> None:
    async def produce(_request: Any) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            log.append("closed")
            closed.set()

    closed = asyncio.Event()
    stream = await make(produce)
    log.append(await anext(stream))
    del stream
    gc.collect()
    await closed.wait()
    log.append("later")


ASYNC = [
    read_to_the_end,
    closed_early,
    closed_before_it_began,
    cancelled_in_a_pull,
    failing_everywhere,
    context_variables,
    abandoned,
]


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("scenario", ASYNC)
def test_nothing_changes(scenario: Callable[[Open, Log], Awaitable[None]], setup: str, tmp_path: Path) -> None:
    expected: Log = []
    asyncio.run(scenario(open_directly, expected))
    log: Log = []
    with watched(setup, tmp_path, synchronous=False):
        asyncio.run(scenario(open_managed, log))
    assert log == expected


def sync_read_to_the_end(make: Open, log: Log) -> None:
    def produce(_request: Any) -> Iterator[Any]:
        try:
            for chunk in CHUNKS:
                log.append("produced")
                yield chunk
        finally:
            log.append("closed")

    for position, chunk in enumerate(make(produce)):
        log.append(("consumed", chunk is CHUNKS[position]))


def sync_closed_early(make: Open, log: Log) -> None:
    def produce(_request: Any) -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            log.append("closed")

    with closing(make(produce)) as stream:
        for number in stream:
            log.append(number)
            if number == 2:
                break
        log.append("broken off")
    log.append("after")


def sync_abandoned(make: Open, log: Log) -> None:
    def produce(_request: Any) -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            log.append("closed")

    stream = make(produce)
    log.append(next(stream))
    gc.disable()  # counting references must be enough
    try:
        del stream
        log.append("dropped")
    finally:
        gc.enable()


def sync_failing_everywhere(make: Open, log: Log) -> None:
    for name, build in MAKERS.items():
        error = build()

        def produce(_request: Any, error: BaseException = error) -> Iterator[int]:
            variable.set("producer")
            yield 1
            raise error

        try:
            for chunk in make(produce):
                log.append((chunk, variable.get()))
        except BaseException as caught:
            log.append((name, caught is error, described(caught)))


def sync_any_iterator(make: Open, log: Log) -> None:
    log.append(list(make(lambda request: iter([1, 2]))))
    try:
        make(lambda request: iter(())).__next__()
    except StopIteration as caught:
        log.append(caught.value)
    try:
        raise_at_once = make(lambda request: (_ for _ in ()).throw(Application("early")))
        log.append(list(raise_at_once))
    except Application as caught:
        log.append(str(caught))


SYNC = [sync_read_to_the_end, sync_closed_early, sync_abandoned, sync_failing_everywhere, sync_any_iterator]


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("scenario", SYNC)
def test_nothing_changes_without_a_loop(scenario: Callable[[Open, Log], None], setup: str, tmp_path: Path) -> None:
    expected: Log = []
    scenario(open_directly_sync, expected)
    log: Log = []
    with watched(setup, tmp_path, synchronous=True):
        scenario(open_managed_sync, log)
    assert log == expected
