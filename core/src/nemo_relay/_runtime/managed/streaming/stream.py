# SPDX-License-Identifier: Apache-2.0
"""Streamed LLM calls: the managed call's engine up to the iterator, then the same care around each chunk.

The consumer pulls. Nothing is produced ahead, so what was recorded is what was consumed, back-pressure reaches the
provider, and closing or cancelling the consumer closes the producer, once. A consumer gets an error at once: what is
left to close after it is closed in a task of the stream's own. How a stream ends is in ``ending``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Self
from weakref import ref

from nemo_relay._runtime.awaitables import block_on, running_loop, task_finder
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.call import Kind, ManagedCall
from nemo_relay._runtime.managed.codec_context import LlmExecutionContext, LlmRequestContext
from nemo_relay._runtime.managed.engine import failure
from nemo_relay._runtime.managed.layers import Continuation, Produced
from nemo_relay._runtime.managed.llm import LlmEvents
from nemo_relay._runtime.managed.middleware.llm import OLD_FORM, LlmMiddleware
from nemo_relay._runtime.managed.streaming.ending import CANCELLED, Ending
from nemo_relay._runtime.managed.streaming.sources import Source, SyncSource
from nemo_relay._runtime.managed.streaming.turns import Turns
from nemo_relay._runtime.managed.views import RequestView
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry


class StreamCall(ManagedCall):
    """A managed call whose result is an iterator of chunks."""

    __slots__ = ("collector", "continuations", "finalizer", "sources")

    def __init__(
        self,
        span: Any,
        argument: Any,
        func: Callable[..., Any],
        collector: Callable[[Any], Any],
        finalizer: Callable[[], Any],
        *,
        sync: bool,
    ) -> None:
        super().__init__(STREAM, span, argument, func, sync=sync)
        self.collector = collector
        self.finalizer = finalizer
        self.continuations: list[Continuation] = []
        self.sources: list[Any] = []  # what intercepts read from; they need not close it themselves


class StreamMiddleware(LlmMiddleware):
    """What middleware gets of a streamed call, and what becomes of its answers."""

    layers = registry.llm_stream_intercepts

    def arguments(self, call: Any, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        # The body of a generator intercept runs when its chunks are pulled: its `next` lives as long as the stream.
        proceed.lasting = True
        call.continuations.append(proceed)
        view = RequestView(value)
        return (view, proceed) if entry.form == OLD_FORM else (call.name, view, self.codecs(call), proceed)

    def codecs(self, call: ManagedCall) -> LlmExecutionContext:
        """What stream intercepts learn about the codecs: chunks have no response codec."""
        return LlmExecutionContext(LlmRequestContext(call.span.codec), None, call.application_context)

    def presented(self, call: Any, produced: Produced, entry: Entry) -> Any:
        source = SyncSource(produced.value) if call.sync else Source(produced.value)
        call.sources.append(source)
        return source


class StreamEvents(LlmEvents):
    """The two events of a streamed call: the second one is the stream's, when it ends."""

    def end_shaped(self, call: Any, produced: Produced) -> Any:
        return SyncLlmStream(call, produced.value) if call.sync else LlmStream(call, produced.value)


STREAM = Kind("llm", StreamEvents(), StreamMiddleware())


class LlmStream:
    """The chunks of a managed call, produced as they are asked for. Iterate it, and ``aclose`` it if you stop early."""

    __module__ = "nemo_relay.llm"

    __slots__ = (
        "__weakref__",
        "_cleaning",
        "_consumer",
        "_current_task",
        "_ending",
        "_gone",
        "_source",
        "_sources",
        "_turns",
    )

    def __init__(self, call: StreamCall, iterator: Any) -> None:
        self._source = Source(iterator, call.span)
        self._sources = call.sources
        self._ending = Ending(call)
        self._turns = Turns()
        self._cleaning: Any = None  # the task that closes what an error left open
        self._consumer: Any = None  # the task that asked last
        self._gone = _end_with(ref(self))
        self._current_task = task_finder()

    def __aiter__(self) -> LlmStream:
        return self

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        return self._turns.take(self._next)

    async def _next(self) -> Any:
        ending, source = self._ending, self._source
        if ending.over:
            raise StopAsyncIteration("stream exhausted")
        task = self._current_task()
        if task is not self._consumer and task is not None:
            self._watch(task)
        try:
            iterator = source.checked()
            with source.place:
                chunk = await iterator.__anext__()
        except StopAsyncIteration:
            self._unwatch()
            try:
                await self._close_quietly(self._sources)
                await ending.finalize()
            finally:  # whoever is cancelled once more while closing has ended all the same
                ending.end(emit.OK)
            raise
        except BaseException as error:
            await self._end(failure(ending.span, error))
            raise
        try:
            answer = ending.chunk(chunk)
            if hasattr(type(answer), "__await__"):
                await answer
        except BaseException as error:
            await self._end(failure(ending.span, error))
            raise
        return chunk

    def _watch(self, task: Any) -> None:
        """End with the task that consumes, should it be cancelled between two chunks."""
        self._unwatch()
        task.add_done_callback(self._gone)
        self._consumer = task

    def _unwatch(self) -> None:
        if self._consumer is not None:
            self._consumer.remove_done_callback(self._gone)  # a task may consume any number of streams
            self._consumer = None

    async def _end(self, status: dict[str, Any]) -> None:
        """End after an error. Under asyncio this waits for nothing: the consumer gets its error at once."""
        self._unwatch()
        if running_loop() is not None:
            self._end_now(status)
        else:
            await self._clean(self._open_sources(), status)

    def _end_now(self, status: dict[str, Any]) -> None:
        import asyncio

        sources, waiting = self._open_sources(), self._ending.must_wait()
        if not waiting:
            self._ending.end(status)
        if sources or waiting:
            self._cleaning = asyncio.ensure_future(self._clean(sources, status))

    def _open_sources(self) -> list[Any]:
        return [source for source in (self._source, *self._sources) if source.is_open()]

    async def _clean(self, sources: list[Any], status: dict[str, Any]) -> None:
        try:
            await self._close_quietly(sources)
            await self._ending.finalize()
        finally:
            self._ending.end(status)

    async def _close_quietly(self, sources: list[Any]) -> None:
        for source in sources:
            try:
                await source.aclose()
            except Exception as error:
                faults.report("llm_stream_close_failed", error)

    def end_with_consumer(self, consumer: Any) -> None:
        """The task that asked last is done; where it was cancelled, nobody goes on."""
        if consumer.cancelled() and not self._ending.over:
            self._end_now(CANCELLED)

    async def aclose(self) -> None:
        """Stop: the producer is closed, its cleanup awaited, and the end recorded. Again is harmless."""
        self._unwatch()
        if self._cleaning is not None:
            import asyncio

            await asyncio.shield(self._cleaning)
            return
        try:
            await self._source.aclose()
            await self._close_quietly(self._sources)
            await self._ending.finalize()
        finally:
            self._ending.end_dropped()

    def __del__(self) -> None:
        ending = getattr(self, "_ending", None)
        if ending is not None and not ending.over and self._cleaning is None:
            _dropped(ending)


def _end_with(stream: ref[LlmStream]) -> Callable[[Any], None]:
    """What a consuming task calls when it is done; it does not keep the stream alive."""

    def gone(consumer: Any) -> None:
        left = stream()
        if left is not None:
            left.end_with_consumer(consumer)

    return gone


class SyncLlmStream:
    """The chunks of a managed call without an event loop. Iterate it, and ``close`` it if you stop early."""

    __module__ = "nemo_relay.llm"

    __slots__ = ("_ending", "_source", "_sources")

    def __init__(self, call: StreamCall, iterator: Any) -> None:
        self._source = SyncSource(iterator, call.span)
        self._sources = call.sources
        self._ending = Ending(call)

    def __iter__(self) -> SyncLlmStream:
        return self

    def __next__(self) -> Any:
        ending = self._ending
        if ending.over:
            raise StopIteration
        try:
            chunk = self._source.__next__()
        except StopIteration:
            self._close_quietly(self._sources)
            ending.end(emit.OK)
            raise
        except BaseException as error:
            self._close_quietly(self._sources)
            ending.end_failed(error)
            raise
        try:
            answer = ending.chunk(chunk)
            if hasattr(type(answer), "__await__"):
                block_on(answer)
        except BaseException as error:
            self._close_quietly([self._source, *self._sources])
            ending.end_failed(error)
            raise
        return chunk

    def _close_quietly(self, sources: list[Any]) -> None:
        for source in sources:
            try:
                source.close()
            except Exception as error:
                faults.report("llm_stream_close_failed", error)

    def close(self) -> None:
        """Stop: the producer is closed and the end recorded. Again is harmless."""
        try:
            self._source.close()
            self._close_quietly(self._sources)
        finally:
            self._ending.end_dropped()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        ending = getattr(self, "_ending", None)
        if ending is not None and not ending.over:
            _dropped(ending)


def _dropped(ending: Ending) -> None:
    try:
        ending.end_dropped()
    except Exception as error:  # during interpreter shutdown hardly anything is left to rely on
        faults.report("llm_stream_drop_failed", error)
