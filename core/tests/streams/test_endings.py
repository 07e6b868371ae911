# SPDX-License-Identifier: Apache-2.0
"""C6, B1: a producer is closed once; an error reaches its consumer at once; a cancelled consumer ends its stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from nemo_relay import LLMRequest, intercepts, llm, typed
from nemo_relay.testing import capture_events

REQUEST = LLMRequest({}, {})


class Own(Exception):
    pass


class Producer:
    """A provider's stream: three chunks, then an error if there is one; closing it may take for ever."""

    def __init__(self, error: BaseException | None = None, *, hangs: bool = False, chunks: int = 3) -> None:
        self.error = error
        self.hangs = hangs
        self.left = chunks
        self.closed = 0
        self.finished = asyncio.Event()

    def __aiter__(self) -> Producer:
        return self

    async def __anext__(self) -> int:
        await asyncio.sleep(0)
        if self.left:
            self.left -= 1
            return self.left
        if self.error is not None:
            raise self.error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.finished.set()


async def stream_of(producer: Any, way: str, *, collector: Any = lambda _chunk: None, finalizer: Any = list) -> Any:
    """A stream of ``producer`` by one of the ways to make one."""
    if way == "typed":
        codec = typed.JsonPassthrough()
        return await typed.llm_stream_execute(
            "l", REQUEST, lambda _request: producer, collector, finalizer, codec, codec
        )
    if way == "intercepted":
        intercepts.register_llm_stream_execution("i", 1, lambda _name, request, _context, proceed: proceed(request))
    if way == "generated":

        async def around(_name: str, request: Any, _context: Any, proceed: Any) -> AsyncIterator[Any]:
            async for chunk in await proceed(request):
                yield chunk

        intercepts.register_llm_stream_execution("i", 1, around)
    return await llm.stream_execute("l", REQUEST, lambda _request: producer, collector, finalizer)


ways = pytest.mark.parametrize("way", ["plain", "typed", "intercepted", "generated"])


@ways
async def test_b1_an_error_is_not_hidden_by_a_close_that_hangs(way: str) -> None:
    error = Own()
    producer = Producer(error, hangs=True)
    with capture_events() as captured:
        stream = await stream_of(producer, way)
        got = []
        with pytest.raises(Own) as caught:
            async for chunk in stream:
                got.append(chunk)
    assert caught.value is error
    assert got == [2, 1, 0]
    (end,) = [event for event in captured.ends() if event.category == "llm"]
    assert end.metadata["otel.status_code"] == "ERROR", "recorded at once, too"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@ways
async def test_b1_c6_the_cleanup_is_awaited_by_aclose_and_happens_once(way: str) -> None:
    producer = Producer(Own())
    stream = await stream_of(producer, way)
    with pytest.raises(Own):
        async for _ in stream:
            pass
    await stream.aclose()
    await stream.aclose()
    assert producer.closed == 1
    assert producer.finished.is_set()


@ways
async def test_c6_stopping_early_closes_once(way: str) -> None:
    producer = Producer()
    stream = await stream_of(producer, way)
    await anext(stream)
    await stream.aclose()
    await stream.aclose()
    assert producer.closed == 1


@ways
async def test_c6_a_collector_that_raises(way: str) -> None:
    error = Own()

    def collector(_chunk: Any) -> None:
        raise error

    producer = Producer()
    stream = await stream_of(producer, way, collector=collector)
    with pytest.raises(Own) as caught:
        await anext(stream)
    assert caught.value is error
    await stream.aclose()
    assert producer.closed == 1


def test_c6_a_synchronous_stream_closes_once() -> None:
    class Sync:
        closed = 0
        left = 2

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> int:
            self.left -= 1
            if self.left < 0:
                raise Own
            return self.left

        def close(self) -> None:
            self.closed += 1

    for collector in (lambda _chunk: None, lambda _chunk: 1 / 0):
        producer = Sync()
        stream = llm.stream_execute_sync("l", REQUEST, lambda _request, it=producer: it, collector, list)
        with pytest.raises((Own, ZeroDivisionError)):
            list(stream)
        stream.close()
        stream.close()
        assert producer.closed == 1


@ways
async def test_b1_a_consumer_that_is_cancelled_in_its_own_body_ends_its_stream(way: str) -> None:
    producer = Producer(chunks=100)
    streams = []
    reached = asyncio.Event()

    async def consume() -> None:
        streams.append(await stream_of(producer, way))
        async for _ in streams[0]:
            reached.set()
            await asyncio.Event().wait()  # its own work

    with capture_events() as captured:
        task = asyncio.create_task(consume())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await producer.finished.wait()
    (end,) = [event for event in captured.ends() if event.category == "llm"]
    assert end.metadata["otel.status_description"] == "LLM execution cancelled"
    assert producer.closed == 1
    assert streams, "and somebody still holds it"


async def test_b1_a_stream_that_was_handed_on_lives_on() -> None:
    producer = Producer()
    stream = await stream_of(producer, "plain")

    async def first() -> int:
        return int(await anext(stream))

    assert await asyncio.create_task(first()) == 2, "a task that ended well"
    asked = asyncio.create_task(first())
    assert await asked == 1
    assert [chunk async for chunk in stream] == [0]
    assert producer.closed == 0, "it ended by itself"


async def test_b1_an_async_finalizer_is_awaited_by_the_stream() -> None:
    async def finalizer() -> Any:
        await asyncio.sleep(0)
        return {"whole": True}

    with capture_events() as captured:
        stream = await stream_of(Producer(Own()), "plain", finalizer=finalizer)
        with pytest.raises(Own):
            async for _ in stream:
                pass
        await stream.aclose()
    (end,) = [event for event in captured.ends() if event.category == "llm"]
    assert end.data == {"whole": True}


async def test_b1_a_task_that_consumes_many_streams_keeps_nothing_of_them() -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in range(20):
        stream = await stream_of(Producer(Own() if number % 2 else None), "plain")
        with pytest.raises((Own, StopAsyncIteration)):
            while True:
                await anext(stream)
        await stream.aclose()
    callbacks = getattr(task, "_callbacks", None) or ()
    assert not [one for one in callbacks if "gone" in repr(one)]
