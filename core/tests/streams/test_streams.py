# SPDX-License-Identifier: Apache-2.0
"""Streamed LLM calls: pulled by the consumer, recorded once, closed when the consumer goes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, guardrails, intercepts, llm, scope, subscribers

from ..conftest import Ear

REQUEST = LLMRequest({}, {"stream": True})


class Consumer:
    """A producer of chunks, and what collector and finalizer were told."""

    def __init__(self, *chunks: Any, error: BaseException | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.produced: list[Any] = []
        self.collected: list[Any] = []
        self.finalized = 0
        self.closed = 0

    async def produce(self, request: LLMRequest) -> AsyncIterator[Any]:
        try:
            for chunk in self.chunks:
                self.produced.append(chunk)
                yield chunk
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1

    def finish(self) -> Any:
        self.finalized += 1
        return {"text": list(self.collected)}

    async def open(self, **more: Any) -> Any:
        return await llm.stream_execute("l", REQUEST, self.produce, self.collected.append, self.finish, **more)


async def test_a_stream_is_a_pair_of_events_and_a_mark_for_each_chunk(ear: Ear) -> None:
    consumer = Consumer({"a": object()}, "b")
    with scope.scope("agent", ScopeType.Agent) as agent:
        stream = await consumer.open(model_name="m-1", metadata={"m": 1})
        received = [chunk async for chunk in stream]
    assert all(mine is theirs for mine, theirs in zip(received, consumer.chunks, strict=True))
    assert all(mine is theirs for mine, theirs in zip(consumer.collected, consumer.chunks, strict=True))
    await ear.settle()
    assert ear.names() == ["start agent", "start l", "mark llm.chunk", "mark llm.chunk", "end l", "end agent"]
    start, end = ear.start("l"), ear.end("l")
    assert start["parent_uuid"] == agent.uuid
    assert end["propagation_root_uuid"] == agent.uuid
    assert len(end["data"]["text"]) == 2
    assert end["metadata"] == {"m": 1, "otel.status_code": "OK"}
    assert end["category_profile"]["model_name"] == "m-1"
    assert end["category_profile"]["time_to_first_chunk"] >= 0
    marks = [mark["data"] for mark in ear.marks()]
    assert marks == [{"chunk_index": n, "provider": "unknown"} for n in range(2)]
    assert {mark["parent_uuid"] for mark in ear.marks()} == {start["uuid"]}
    assert consumer.finalized == consumer.closed == 1


async def test_nothing_is_produced_before_it_is_asked_for(ear: Ear) -> None:
    consumer = Consumer(*range(100))
    stream = await consumer.open()
    assert consumer.produced == []
    assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
    await ear.turns()
    assert len(consumer.produced) <= 4
    await stream.aclose()
    await ear.settle()
    assert ear.end("l")["data"] == {"text": consumer.collected}
    assert len(ear.marks()) == len(consumer.collected)


async def test_closing_closes_the_producer_and_says_so(ear: Ear) -> None:
    consumer = Consumer(*range(100))
    stream = await consumer.open()
    await anext(stream)
    await stream.aclose()
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await ear.settle()
    end = ear.end("l")["metadata"]
    assert (end["otel.status_code"], end["otel.status_description"]) == (
        "ERROR",
        "stream dropped before clean completion",
    )
    assert consumer.closed == consumer.finalized == 1


async def test_an_error_of_the_producer_comes_after_its_chunks_and_once(ear: Ear) -> None:
    error = ConnectionError("down")
    consumer = Consumer(1, error=error)
    stream = await consumer.open()
    assert await anext(stream) == 1
    with pytest.raises(ConnectionError) as caught:
        await anext(stream)
    assert caught.value is error
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await stream.aclose()
    await ear.settle()
    end = ear.end("l")
    assert end["data"] == {"text": [1]}
    assert (end["metadata"]["otel.status_code"], end["metadata"]["exception.type"]) == ("ERROR", "ConnectionError")
    assert consumer.finalized == 1


async def test_an_error_of_the_collector_ends_the_stream(ear: Ear) -> None:
    error = LookupError("own")
    consumer = Consumer(1, 2)

    def refuse(chunk: Any) -> None:
        raise error

    stream = await llm.stream_execute("l", REQUEST, consumer.produce, refuse, consumer.finish)
    with pytest.raises(LookupError) as caught:
        await anext(stream)
    assert caught.value is error
    await ear.settle()
    assert ear.end("l")["metadata"]["otel.status_code"] == "ERROR"
    assert (len(ear.marks()), consumer.closed) == (1, 1)


@pytest.mark.parametrize("bad", [[1], 5, None], ids=repr)
async def test_only_async_iterators_are_streams(bad: Any, ear: Ear) -> None:
    name = type(bad).__name__
    with pytest.raises(TypeError, match=f"expected an asynchronous iterator, got '{name}'"):
        stream = await llm.stream_execute("l", REQUEST, lambda request: bad, print, lambda: None)
        await anext(stream)
    await ear.settle()
    assert ear.names() == ["start l", "end l"]


async def test_what_fails_before_there_is_a_stream_is_raised_where_it_is_opened(ear: Ear) -> None:
    error = ValueError("early")

    async def broken(request: LLMRequest) -> Any:
        raise error

    finalized: list[int] = []
    with pytest.raises(ValueError, match="early") as caught:
        await llm.stream_execute("l", REQUEST, broken, print, lambda: finalized.append(1), data="fallback")
    assert caught.value is error
    guardrails.register_llm_conditional_execution("g", 0, lambda request: "no")
    with pytest.raises(RuntimeError, match="guardrail rejected: no"):
        await Consumer().open()
    await ear.settle()
    assert ear.end("l")["data"] == "fallback"
    assert finalized == []


async def test_a_finalizer_that_fails_costs_only_the_payload(ear: Ear, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Any:
        raise ValueError("own")

    consumer = Consumer(1)
    stream = await llm.stream_execute("l", REQUEST, consumer.produce, print, broken, data="fallback")
    assert [chunk async for chunk in stream] == [1]
    await ear.settle()
    assert ear.end("l")["data"] == "fallback"
    assert ear.end("l")["metadata"] == {"otel.status_code": "OK"}
    assert "nemo_relay: Python finalizer callable failed: ValueError: own" in capsys.readouterr().err


async def test_a_stream_that_is_forgotten_is_ended_and_its_producer_closed(ear: Ear) -> None:
    consumer = Consumer(*range(10))
    stream = await consumer.open()
    await anext(stream)
    del stream
    gc.collect()
    for _ in range(2_000):
        await asyncio.sleep(0.005)
        await ear.settle()
        if "end l" in ear.names():
            break
    assert ear.end("l")["metadata"]["otel.status_description"] == "stream dropped before clean completion"
    assert consumer.closed == 1


async def test_an_intercept_sees_each_chunk(ear: Ear) -> None:
    seen: list[Any] = []

    async def double(name: str, request: LLMRequest, context: Any, next: Any) -> AsyncIterator[Any]:
        seen.append((name, request.content, context.response_codec))
        async for chunk in await next(request):
            seen.append(chunk)
            yield chunk * 2

    def through(name: str, request: LLMRequest, context: Any, next: Any) -> Any:
        return next(request)

    async def late(name: str, request: LLMRequest, context: Any, next: Any) -> Any:
        return await next(request)

    for priority, intercept in enumerate((through, double, late)):
        intercepts.register_llm_stream_execution(f"i{priority}", priority, intercept)
    intercepts.register_llm_execution("not for streams", 0, lambda *args: pytest.fail("it is for whole responses"))
    consumer = Consumer(1, 2)
    stream = await consumer.open()
    assert [chunk async for chunk in stream] == [2, 4] == consumer.collected
    assert seen == [("l", REQUEST.content, None), 1, 2]


async def test_an_intercept_that_stops_early_closes_what_is_below() -> None:
    async def first(name: str, request: LLMRequest, context: Any, next: Any) -> AsyncIterator[Any]:
        async for chunk in await next(request):
            yield chunk
            return

    intercepts.register_llm_stream_execution("i", 0, first)
    consumer = Consumer(*range(10))
    stream = await consumer.open()
    assert [chunk async for chunk in stream] == [0]
    await stream.aclose()
    gc.collect()
    await asyncio.sleep(0)
    assert consumer.closed == 1


async def test_cancelling_the_consumer_closes_the_producer_and_records_what_there_was(ear: Ear) -> None:
    closed: list[str] = []

    async def slow(request: LLMRequest) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            closed.append("closed")

    got: list[int] = []

    async def consume() -> None:
        stream = await llm.stream_execute("l", REQUEST, slow, got.append, lambda: got)
        async for _ in stream:
            pass

    task = asyncio.create_task(consume())
    await ear.turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["closed"]
    await ear.settle()
    end = ear.end("l")
    assert (end["data"], end["metadata"]["otel.status_code"]) == ([1], "ERROR")


async def test_a_broken_subscriber_does_not_disturb_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(event: Any) -> None:
        raise ValueError("own")

    subscribers.register("broken", broken)
    stream = await Consumer(1, 2).open()
    assert [chunk async for chunk in stream] == [1, 2]
    await subscribers.flush_async()


def test_the_synchronous_twin_does_the_same(ear: Ear) -> None:
    got: list[int] = []
    stream = llm.stream_execute_sync("l", REQUEST, lambda request: iter([1, 2]), got.append, lambda: got)
    assert list(stream) == [1, 2]
    assert ear.names() == ["start l", "mark llm.chunk", "mark llm.chunk", "end l"]
    assert ear.end("l")["data"] == [1, 2]


@pytest.mark.parametrize("close", [False, True], ids=["read to its end", "closed"])
async def test_async_collectors_and_finalizers_are_awaited(close: bool, ear: Ear) -> None:
    got: list[Any] = []

    async def collect(chunk: Any) -> None:
        await asyncio.sleep(0)
        got.append(chunk)

    async def finish() -> Any:
        await asyncio.sleep(0)
        return {"all": got}

    stream = await llm.stream_execute("l", REQUEST, Consumer(1, 2).produce, collect, finish)
    assert await anext(stream) == 1
    if close:
        await stream.aclose()
    else:
        assert [chunk async for chunk in stream] == [2]
    await ear.settle()
    assert ear.end("l")["data"] == {"all": got} == {"all": [1] if close else [1, 2]}


def test_async_collectors_and_finalizers_work_without_a_loop(ear: Ear) -> None:
    got: list[Any] = []

    async def collect(chunk: Any) -> None:
        got.append(chunk)

    async def finish() -> Any:
        return got

    assert list(llm.stream_execute_sync("l", REQUEST, lambda request: iter([1, 2]), collect, finish)) == [1, 2]
    assert ear.end("l")["data"] == got == [1, 2]


async def test_an_async_finalizer_that_fails_costs_only_the_payload(
    ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken() -> Any:
        raise ValueError("own")

    stream = await llm.stream_execute("l", REQUEST, Consumer(1).produce, print, broken, data="fallback")
    assert [chunk async for chunk in stream] == [1]
    await ear.settle()
    assert (ear.end("l")["data"], ear.end("l")["metadata"]) == ("fallback", {"otel.status_code": "OK"})
    assert "Python finalizer callable failed: ValueError: own" in capsys.readouterr().err
