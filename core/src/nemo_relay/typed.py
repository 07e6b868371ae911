# SPDX-License-Identifier: Apache-2.0
"""Managed calls with typed arguments and results: middleware and observers see JSON, your functions see your types.

>>> import asyncio
>>> from dataclasses import dataclass
>>> from nemo_relay import ToolExecutionResult, typed
>>> @dataclass
... class Point:
...     x: int
>>> async def right(point):
...     return ToolExecutionResult(Point(point.x + 1))
>>> codec = typed.DataclassCodec(Point)
>>> asyncio.run(typed.tool_execute("right", Point(1), right, codec, codec)).result
Point(x=2)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from nemo_relay import llm, tools
from nemo_relay._runtime.awaitables import is_awaitable
from nemo_relay._runtime.enums import LLMAttributes, ToolAttributes
from nemo_relay._runtime.exports import borrowed, claim
from nemo_relay._runtime.managed.results import ToolExecutionResult
from nemo_relay._runtime.tree.spans import Span
from nemo_relay._typed.besteffort import BestEffortAnyCodec
from nemo_relay._typed.codecs import Codec, DataclassCodec, JsonPassthrough, PydanticCodec, serialize_value
from nemo_relay._typed.registry import register_runtime_type, resolve_runtime_type
from nemo_relay_codecs.request import LLMRequest

__all__ = [
    "BestEffortAnyCodec",
    "Codec",
    "DataclassCodec",
    "JsonPassthrough",
    "PydanticCodec",
    "llm_execute",
    "llm_stream_execute",
    "tool_execute",
]

claim(globals())

__getattr__ = borrowed(
    __name__,
    {
        "nemo_relay": "ScopeHandle",
        "nemo_relay.llm": "LlmStream",
        "nemo_relay.codecs": "LlmCodec LlmResponseCodec",
        "nemo_relay.types": "Json",
    },
)

# Private names that programs take from here.
_serialize_value = serialize_value
_register_runtime_type = register_runtime_type
_resolve_runtime_type = resolve_runtime_type

A = TypeVar("A")
R = TypeVar("R")
C = TypeVar("C")


async def tool_execute(
    name: str,
    args: A,
    func: Callable[[A], ToolExecutionResult[R] | Awaitable[ToolExecutionResult[R]]],
    args_codec: Codec[A],
    result_codec: Codec[R],
    *,
    handle: Span | None = None,
    attributes: ToolAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    tool_call_id: str | None = None,
    execution_options: Any = None,
    execution_context: Mapping[str, Any] | None = None,
) -> ToolExecutionResult[R]:
    """``tools.execute`` with typed arguments and a typed result.

    Args:
        name: the tool's name.
        args: encoded by ``args_codec``; intercepts see that, and ``func`` gets what the codec makes of it again.
        func: sync or async; returns a ``ToolExecutionResult``. Its annotation passes as it is.
        args_codec: for the arguments.
        result_codec: for the result.

    The rest is as for ``tools.execute``.

    Returns:
        The result that ``result_codec`` makes of what came out of the middleware, with its annotation.

    Raises:
        TypeError: ``func`` returned no ``ToolExecutionResult``.
    """

    async def encoded(value: Any) -> ToolExecutionResult[Any]:
        answer: Any = func(args_codec.from_json(value))
        result = await answer if is_awaitable(answer) else answer
        if not isinstance(result, ToolExecutionResult):
            raise TypeError("typed tool callback must return ToolExecutionResult")
        return ToolExecutionResult(result_codec.to_json(result.result), result.annotation)

    outcome = await tools.execute(
        name,
        args_codec.to_json(args),
        encoded,
        handle=handle,
        attributes=attributes,
        data=data,
        metadata=metadata,
        tool_call_id=tool_call_id,
        execution_options=execution_options,
        execution_context=execution_context,
    )
    if not isinstance(outcome, ToolExecutionResult):  # an intercept of an older form, in place of the tool
        outcome = ToolExecutionResult(outcome)
    return ToolExecutionResult(result_codec.from_json(outcome.result), outcome.annotation)


async def llm_execute(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], R | Awaitable[R]],
    response_json_codec: Codec[R],
    *,
    handle: Span | None = None,
    attributes: LLMAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    model_name: str | None = None,
    codec: Any = None,
    response_codec: Any = None,
    execution_options: Any = None,
    execution_context: Mapping[str, Any] | None = None,
) -> R:
    """``llm.execute`` with a typed response: ``func`` returns it, ``response_json_codec`` takes it to JSON and back.

    Args:
        name: the provider's name.
        request: what intercepts may change before ``func`` gets it.
        func: sync or async; returns the typed response.
        response_json_codec: for the response; observers and intercepts see the JSON.

    The rest is as for ``llm.execute``.

    Returns:
        The response that the codec makes of what came out of the middleware.
    """

    async def encoded(value: LLMRequest) -> Any:
        answer: Any = func(value)
        return response_json_codec.to_json(await answer if is_awaitable(answer) else answer)

    response = await llm.execute(
        name,
        request,
        encoded,
        handle=handle,
        attributes=attributes,
        data=data,
        metadata=metadata,
        model_name=model_name,
        codec=codec,
        response_codec=response_codec,
        execution_options=execution_options,
        execution_context=execution_context,
    )
    return response_json_codec.from_json(response)


class _Encoded:
    """Typed chunks as JSON; closing it closes their producer."""

    __slots__ = ("_chunks", "_codec")

    def __init__(self, chunks: AsyncIterator[Any], codec: Codec[Any]) -> None:
        self._chunks = chunks
        self._codec = codec

    def __aiter__(self) -> _Encoded:
        return self

    async def __anext__(self) -> Any:
        return self._codec.to_json(await anext(self._chunks))

    async def aclose(self) -> None:
        """Close the producer, if it can be closed."""
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()


async def llm_stream_execute(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], AsyncIterator[C] | Awaitable[AsyncIterator[C]]],
    collector: Callable[[C], Any],
    finalizer: Callable[[], R | Awaitable[R]],
    chunk_json_codec: Codec[C],
    response_json_codec: Codec[R],
    *,
    handle: Span | None = None,
    attributes: LLMAttributes | None = None,
    data: Any = None,
    metadata: Any = None,
    model_name: str | None = None,
    codec: Any = None,
    response_codec: Any = None,
    execution_options: Any = None,
    execution_context: Mapping[str, Any] | None = None,
) -> Any:
    """``llm.stream_execute`` with typed chunks.

    ``func`` yields typed chunks and ``collector`` gets typed chunks; what ``finalizer`` returns is encoded. The stream
    itself yields the chunks as JSON, as middleware may have changed them.

    Args:
        name: the provider's name.
        request: what intercepts may change before ``func`` gets it.
        func: sync or async; returns the iterator of typed chunks.
        collector: gets each typed chunk that the consumer took.
        finalizer: sync or async; returns the whole response when the stream ends.
        chunk_json_codec: for the chunks.
        response_json_codec: for what ``finalizer`` returns.

    The rest is as for ``llm.stream_execute``.

    Returns:
        The stream: an async iterator with ``aclose()``.
    """

    async def encoded(value: LLMRequest) -> AsyncIterator[Any]:
        answer: Any = func(value)
        return _Encoded(aiter(await answer if is_awaitable(answer) else answer), chunk_json_codec)

    def collect(chunk: Any) -> Any:
        return collector(chunk_json_codec.from_json(chunk))

    async def encoded_later(answer: Awaitable[R]) -> Any:
        return response_json_codec.to_json(await answer)

    def finish() -> Any:
        answer: Any = finalizer()
        return encoded_later(answer) if is_awaitable(answer) else response_json_codec.to_json(answer)

    return await llm.stream_execute(
        name,
        request,
        encoded,
        collect,
        finish,
        handle=handle,
        attributes=attributes,
        data=data,
        metadata=metadata,
        model_name=model_name,
        codec=codec,
        response_codec=response_codec,
        execution_options=execution_options,
        execution_context=execution_context,
    )
