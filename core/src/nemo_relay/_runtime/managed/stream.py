# SPDX-License-Identifier: Apache-2.0
"""Streamed LLM calls: the managed call's engine up to the iterator, then the same care around each chunk.

The consumer pulls. Nothing is produced ahead, so what was recorded is what was consumed, back-pressure reaches the
provider, and closing or cancelling the consumer closes the producer. What ends a stream is written once, in
``Ending``, for the asynchronous and the synchronous stream.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Self

from nemo_relay._runtime import clock
from nemo_relay._runtime.awaitables import finish, running_loop
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.codec_context import LlmExecutionContext, LlmRequestContext
from nemo_relay._runtime.managed.engine import failure
from nemo_relay._runtime.managed.layers import Continuation, Produced
from nemo_relay._runtime.managed.llm import OLD_FORM, LlmCall
from nemo_relay._runtime.managed.turns import Turns
from nemo_relay._runtime.managed.views import RequestView
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import Span

_DROPPED = {"otel.status_code": "ERROR", "otel.status_description": "stream dropped before clean completion"}


class StreamCall(LlmCall):
    """A managed call whose result is an iterator of chunks."""

    __slots__ = ("collector", "continuations", "finalizer", "sources")
    layers = registry.llm_stream_intercepts

    collector: Callable[[Any], Any]
    finalizer: Callable[[], Any]

    def prepare(self, collector: Callable[[Any], Any], finalizer: Callable[[], Any]) -> None:
        """Set what a stream has beyond a unary call."""
        self.collector = collector
        self.finalizer = finalizer
        self.continuations: list[Continuation] = []
        self.sources: list[Any] = []  # what intercepts read from; they need not close it themselves

    def layer_arguments(self, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        # The body of a generator intercept runs when its chunks are pulled: its `next` lives as long as the stream.
        proceed.lasting = True
        self.continuations.append(proceed)
        view = RequestView(value)
        return (view, proceed) if entry.form == OLD_FORM else (self.name, view, self.context(), proceed)

    def context(self) -> LlmExecutionContext:
        """What stream intercepts learn about the codecs: chunks have no response codec."""
        return LlmExecutionContext(LlmRequestContext(self.codec), None, self.application_context)

    def present(self, produced: Produced, entry: Entry) -> Any:
        source = SyncSource(produced.value) if self.sync else Source(produced.value)
        self.sources.append(source)
        return source

    def succeed(self, produced: Produced) -> Any:
        return SyncLlmStream(self, produced.value) if self.sync else LlmStream(self, produced.value)


class Ending:
    """How a stream goes on and ends: its chunk marks, its collector, its one end event."""

    __slots__ = ("_asked", "_call", "_count", "_first_ns", "_response", "over")

    def __init__(self, call: StreamCall) -> None:
        self._call = call
        self._count = 0
        self._first_ns = 0
        self._asked = False  # the finalizer is called once
        self._response: Any = None
        self.over = False
        if not call.span.started_ns:
            call.span.started_ns = clock.source()

    def chunk(self, chunk: Any) -> Any:
        """Note one chunk; returns what the collector returned, which may be awaitable."""
        if not self._count:
            self._first_ns = clock.source()
        if registry.activity.observed:
            self._mark(chunk)
        self._count += 1
        return self._call.collector(chunk)

    def _mark(self, chunk: Any) -> None:
        span = self._call.span
        audience = registry.audience(span)
        if audience is not None:
            from nemo_relay_codecs.model.chunk_marks import chunk_mark

            emit.mark("llm.chunk", span, data=chunk_mark(chunk, self._count), audience=audience)

    def end(self, status: dict[str, Any]) -> None:
        """Publish the end, once, with what the finalizer makes of the chunks."""
        if self.over:
            return
        self.over = True
        for proceed in self._call.continuations:
            proceed.active = False
        self._call.continuations.clear()  # each knows the call: an abandoned producer must not wait for the collector
        response = self._final()
        if hasattr(type(response), "__await__"):
            response = self._finished(response)
        if status is _DROPPED and self._is_complete(response):
            status = emit.OK
        seconds = (self._first_ns - self._call.span.started_ns) / 1e9 if self._count else None
        self._call.finish(response, status, seconds)

    def fail(self, error: BaseException) -> None:
        """Publish the end of a stream that raised."""
        if not self.over:
            self.end(failure(self._call.span, error))

    def drop(self) -> None:
        """Publish the end of a stream that nobody reads to its end."""
        self.end(_DROPPED)

    async def finalize(self) -> None:
        """Wait for an async finalizer, so that the end has its answer."""
        response = self._final()
        if hasattr(type(response), "__await__"):
            self._response = None
            try:
                self._response = await response
            except Exception as error:
                _complain(error)

    def _final(self) -> Any:
        if not self._asked:
            self._asked = True
            try:
                self._response = self._call.finalizer()
            except Exception as error:
                _complain(error)
        return self._response

    def _finished(self, awaitable: Any) -> Any:
        try:
            if running_loop() is None:
                return finish(awaitable)
            awaitable.close()
            raise RuntimeError("the stream was forgotten or cancelled where nothing could await its finalizer")
        except Exception as error:
            _complain(error)
            return None

    def _is_complete(self, response: Any) -> bool:
        """Whether the dropped stream had said everything: its response decodes with a finish reason and usage."""
        codec = self._call.response_codec
        if codec is None or response is None:
            return False
        try:
            decoded = codec.decode_response(response)
        except Exception:
            return False
        return bool(decoded.finish_reason and decoded.usage)


def _complain(error: Exception) -> None:
    faults.say(f"nemo_relay: Python finalizer callable failed: {faults.describe(error)}")


class _Place:
    """Where a producer stands between two pulls; the consumer's own position is untouched by it."""

    __slots__ = ("_before", "_here")

    def __init__(self, here: Span | None) -> None:
        self._here = here

    def __enter__(self) -> None:
        self._before = context.position.get()
        if self._here is not None:
            context.position.set(self._here)

    def __exit__(self, *_: object) -> None:
        self._here = context.position.get()
        context.position.set(self._before)


class Source:
    """The chunks from further down, as an intercept's ``next`` gives them; closing it closes what produces them."""

    __slots__ = ("_iterator", "place")

    def __init__(self, iterator: Any, here: Span | None = None) -> None:
        self._iterator = iterator
        self.place = _Place(here)

    def __aiter__(self) -> Source:
        return self

    def checked(self) -> Any:
        """The producer, which must be an asynchronous iterator."""
        if not hasattr(self._iterator, "__anext__"):
            raise TypeError(f"expected an asynchronous iterator, got '{type(self._iterator).__name__}'.")
        return self._iterator

    async def __anext__(self) -> Any:
        iterator = self.checked()
        with self.place:
            return await iterator.__anext__()

    async def aclose(self) -> None:
        """Close the producer and wait for its cleanup."""
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            with self.place:
                await close()


class LlmStream:
    """The chunks of a managed call, produced as they are asked for. Iterate it, and ``aclose`` it if you stop early."""

    __slots__ = ("_ending", "_source", "_sources", "_turns")

    def __init__(self, call: StreamCall, iterator: Any) -> None:
        self._source = Source(iterator, call.span)
        self._sources = call.sources
        self._ending = Ending(call)
        self._turns = Turns()

    def __aiter__(self) -> LlmStream:
        return self

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        return self._turns.take(self._next)

    async def _next(self) -> Any:
        ending, source = self._ending, self._source
        if ending.over:
            raise StopAsyncIteration("stream exhausted")
        try:
            iterator = source.checked()
            with source.place:
                chunk = await iterator.__anext__()
        except StopAsyncIteration:
            try:
                await self._close_quietly(self._sources)
                await ending.finalize()
            finally:  # whoever is cancelled once more while closing has ended all the same
                ending.end(emit.OK)
            raise
        except BaseException as error:
            await self._fail(error)
            raise
        try:
            answer = ending.chunk(chunk)
            if hasattr(type(answer), "__await__"):
                await answer
        except BaseException as error:
            await self._fail(error)
            raise
        return chunk

    async def _fail(self, error: BaseException) -> None:
        try:
            await self._close_quietly([self._source, *self._sources])
            await self._ending.finalize()
        finally:
            self._ending.fail(error)

    async def _close_quietly(self, sources: list[Any]) -> None:
        for source in sources:
            try:
                await source.aclose()
            except Exception as error:
                faults.report("llm_stream_close_failed", error)

    async def aclose(self) -> None:
        """Stop: the producer is closed, its cleanup awaited, and the end recorded. Again is harmless."""
        try:
            await self._source.aclose()
            await self._close_quietly(self._sources)
            await self._ending.finalize()
        finally:
            self._ending.drop()

    def __del__(self) -> None:
        ending = getattr(self, "_ending", None)
        if ending is not None and not ending.over:
            _dropped(ending)


class SyncSource:
    """The same for a synchronous stream."""

    __slots__ = ("_iterator", "_place")

    def __init__(self, iterator: Any, here: Span | None = None) -> None:
        self._iterator = iterator
        self._place = _Place(here)

    def __iter__(self) -> SyncSource:
        return self

    def __next__(self) -> Any:
        if not hasattr(self._iterator, "__next__"):
            raise TypeError(f"expected an iterator, got '{type(self._iterator).__name__}'.")
        with self._place:
            return self._iterator.__next__()

    def close(self) -> None:
        """Close the producer."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            with self._place:
                close()


class SyncLlmStream:
    """The chunks of a managed call without an event loop. Iterate it, and ``close`` it if you stop early."""

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
            ending.fail(error)
            raise
        try:
            answer = ending.chunk(chunk)
            if hasattr(type(answer), "__await__"):
                finish(answer)
        except BaseException as error:
            self._close_quietly([self._source, *self._sources])
            ending.fail(error)
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
            self._ending.drop()

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
        ending.drop()
    except Exception as error:  # during interpreter shutdown hardly anything is left to rely on
        faults.report("llm_stream_drop_failed", error)
