# SPDX-License-Identifier: Apache-2.0
"""The program that both packages run: one line of JSON in, one line of JSON out, until standard input ends.

In comes ``{"case", "audience", "count"}``; the case is run ``count`` times, and out goes ``{"wall", "cpu", "heard"}``:
seconds from the first call until the last event was delivered, seconds of processor time of the whole process (all of
its threads) for the same, and how many events the audience got. It uses nothing but the public API that both have.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from nemo_relay import (
    AtofExporter,
    AtofExporterConfig,
    LLMRequest,
    ScopeType,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
    intercepts,
    llm,
    scope,
    subscribers,
    tools,
)
from nemo_relay.codecs import OpenAIChatCodec

ARGS = {"city": "Lisbon", "units": "metric", "days": 3}
ANSWER = {"role": "assistant", "content": "Take an umbrella.", "usage": {"input_tokens": 21, "output_tokens": 6}}
QUESTION = {"role": "user", "content": "Do I need an umbrella in Lisbon?"}
SMALL = LLMRequest({"x-team": "red"}, {"model": "m-1", "messages": [QUESTION], "temperature": 0.2})
TURNS = [{"role": "user" if turn % 2 else "assistant", "content": "word " * 200} for turn in range(39)]
LARGE = LLMRequest({"x-team": "red"}, {"model": "m-1", "messages": TURNS, "temperature": 0.2})  # 40 KB of JSON

SAID = {
    "id": "c-1",
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27},
}
CODEC = OpenAIChatCodec()


async def forecast(args: Any) -> ToolExecutionResult[Any]:
    return ToolExecutionResult({"rain": True, "degrees": 14.5})


async def complete(request: LLMRequest) -> Any:
    return ANSWER


async def say(request: LLMRequest) -> Any:
    return SAID


async def open_scopes(count: int) -> None:
    for _ in range(count):
        with scope.scope("step", ScopeType.Function):
            pass


async def emit_marks(count: int) -> None:
    for _ in range(count):
        scope.event("checkpoint", data=ARGS)


async def call_tools(count: int) -> None:
    for _ in range(count):
        await tools.execute("forecast", ARGS, forecast)


async def call_llm(count: int) -> None:
    for _ in range(count):
        await llm.execute("provider", SMALL, complete, model_name="m-1")


async def call_in_agent(count: int) -> None:
    with scope.scope("agent", ScopeType.Agent):
        await call_llm(count)


async def call_llm_large(count: int) -> None:
    for _ in range(count):
        await llm.execute("provider", LARGE, complete, model_name="m-1")


async def call_llm_normalised(count: int) -> None:
    for _ in range(count):
        await llm.execute("provider", LARGE, say, model_name="m-1", codec=CODEC, response_codec=CODEC)


async def call_in_fresh_agents(count: int) -> None:
    for _ in range(count):  # the first request of an agent is recorded whole, later ones from the latest turn on
        with scope.scope("agent", ScopeType.Agent):
            await call_llm_normalised(1)


async def read_stream(count: int) -> None:
    async def produce(request: LLMRequest) -> AsyncIterator[Any]:
        for number in range(count):
            yield {"index": number, "delta": {"content": "word "}}

    async for _ in await llm.stream_execute("provider", SMALL, produce, lambda chunk: None, lambda: ANSWER):
        pass


async def rewrite(name: str, args: Any) -> Any:
    return args


async def wrap(context: Any, proceed: Callable[[Any], Awaitable[ToolExecutionResult[Any]]]) -> Any:
    below = await proceed(context.args)
    return ToolExecutionInterceptOutcome(below.result, annotation=below.annotation)


@contextmanager
def intercepted() -> Iterator[None]:
    for number in range(3):
        intercepts.register_tool_request(f"bench.rewrite.{number}", number, False, rewrite)
        intercepts.register_tool_execution(f"bench.wrap.{number}", number, wrap)
    try:
        yield
    finally:
        for number in range(3):
            intercepts.deregister_tool_request(f"bench.rewrite.{number}")
            intercepts.deregister_tool_execution(f"bench.wrap.{number}")


CASES: dict[str, Callable[[int], Awaitable[None]]] = {
    "scope": open_scopes,
    "mark": emit_marks,
    "tool": call_tools,
    "llm": call_llm,
    "llm in agent": call_in_agent,
    "llm 40 KB": call_llm_large,
    "llm 40 KB codec": call_llm_normalised,
    "llm 40 KB codec, fresh": call_in_fresh_agents,
    "tool 3+3": call_tools,
    "stream chunk": read_stream,
}


class Nobody:
    """Nothing is registered."""

    heard = 0
    size = 0  # bytes, where they are counted

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def flush(self) -> None:
        """Nothing to wait for."""


class Subscriber(Nobody):
    """One Python callback, which counts; ``reads`` makes it look at what the event says as well."""

    def __init__(self, *, reads: bool) -> None:
        self.callback = self._read if reads else self._count

    def _count(self, event: Any) -> None:
        self.heard += 1

    def _read(self, event: Any) -> None:
        self.heard += 1
        self.seen = (event.name, event.uuid, event.parent_uuid, event.timestamp, event.data, event.metadata)

    def __enter__(self) -> Self:
        subscribers.register("bench", self.callback)
        return self

    def __exit__(self, *_: object) -> None:
        subscribers.deregister("bench")

    def flush(self) -> None:
        subscribers.flush()


class AtofFile(Nobody):
    """The ATOF file sink, as an application turns it on."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        config = AtofExporterConfig()
        config.output_directory = self._folder.name
        config.filename = "events.jsonl"
        self._exporter = AtofExporter(config)
        self._exporter.register("bench")
        return self

    def flush(self) -> None:
        subscribers.flush()
        self._exporter.force_flush()

    def __exit__(self, *_: object) -> None:
        self._exporter.deregister("bench")
        self._exporter.shutdown()
        written = (Path(self._folder.name) / "events.jsonl").read_bytes()
        self.heard, self.size = written.count(b"\n"), len(written)
        self._folder.cleanup()


AUDIENCES: dict[str, Callable[[], Nobody]] = {
    "bare": Nobody,
    "subscriber": lambda: Subscriber(reads=False),
    "reader": lambda: Subscriber(reads=True),
    "file": AtofFile,
}


def measure(runner: asyncio.Runner, case: str, audience: str, count: int) -> dict[str, float]:
    """Run it once."""
    with ExitStack() as stack:
        if case == "tool 3+3":
            stack.enter_context(intercepted())
        with AUDIENCES[audience]() as listener:
            work = CASES[case](count)
            wall, cpu = time.perf_counter(), time.process_time()
            runner.run(work)  # type: ignore[arg-type]
            listener.flush()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"wall": wall, "cpu": cpu, "heard": listener.heard}


def main() -> None:
    """Serve standard input."""
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            print(json.dumps(measure(runner, **json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
