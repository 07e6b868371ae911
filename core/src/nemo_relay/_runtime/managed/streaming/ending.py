# SPDX-License-Identifier: Apache-2.0
"""How a stream goes on and ends: written once, for the asynchronous and the synchronous stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nemo_relay._runtime import clock
from nemo_relay._runtime.awaitables import block_on, running_loop
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.engine import failure
from nemo_relay._runtime.managed.llm import end_llm
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree.spans import Span

if TYPE_CHECKING:
    from nemo_relay._runtime.managed.streaming.stream import StreamCall

CANCELLED = {"otel.status_code": "ERROR", "otel.status_description": "LLM execution cancelled"}
_DROPPED = {"otel.status_code": "ERROR", "otel.status_description": "stream dropped before clean completion"}


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

    @property
    def span(self) -> Span:
        """The span of the call."""
        span: Span = self._call.span
        return span

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
        span, codec = self._call.span, self._call.span.response_codec
        end_llm(span, response, status, codec, data=span.handle_data, first_chunk=seconds)

    def end_failed(self, error: BaseException) -> None:
        """Publish the end of a stream that raised."""
        if not self.over:
            self.end(failure(self._call.span, error))

    def end_dropped(self) -> None:
        """Publish the end of a stream that nobody reads to its end."""
        self.end(_DROPPED)

    def must_wait(self) -> bool:
        """Ask the finalizer; whether its answer has to be awaited."""
        return hasattr(type(self._final()), "__await__")

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
                return block_on(awaitable)
            awaitable.close()
            raise RuntimeError("the stream was forgotten or cancelled where nothing could await its finalizer")
        except Exception as error:
            _complain(error)
            return None

    def _is_complete(self, response: Any) -> bool:
        """Whether the dropped stream had said everything: its response decodes with a finish reason and usage."""
        codec = self._call.span.response_codec
        if codec is None or response is None:
            return False
        try:
            decoded = codec.decode_response(response)
        except Exception:
            return False
        return bool(decoded.finish_reason and decoded.usage)


def _complain(error: Exception) -> None:
    faults.write(f"nemo_relay: Python finalizer callable failed: {faults.describe(error)}")
