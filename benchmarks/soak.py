# SPDX-License-Identifier: Apache-2.0
"""Does a process that runs agents for a long time keep its size?

Runs many small agents (a scope, a tool call, an LLM call, two marks) in one process, with a subscriber and an ATOF
file, alternately through the asynchronous and the synchronous calls. Prints resident memory as it goes, its slope after
warm-up in bytes per run, and the threads and file descriptors before and after. Exit code 1 when memory grows by more
than the allowed slope, an event is missing, or a thread or descriptor is left.

    python benchmarks/soak.py                  # 100,000 runs
    python benchmarks/soak.py --runs 2000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import threading
from collections.abc import Iterable
from typing import Any

from nemo_relay import (
    AtofExporter,
    AtofExporterConfig,
    LLMRequest,
    ScopeType,
    ToolExecutionResult,
    llm,
    scope,
    subscribers,
    tools,
)

EVENTS_PER_RUN = 8
BATCH = 500  # runs in one event loop, and between two looks at the memory
ALLOWED_SLOPE = 100.0  # bytes a run
WARM_UP = 0.3  # of the runs: caches fill, the allocator finds its size


def resident_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    """How many file descriptors are open."""
    return len(os.listdir("/proc/self/fd"))


def slope(points: Iterable[tuple[float, float]]) -> float:
    """The least-squares slope through ``points``."""
    known = list(points)
    mean_x = sum(x for x, _ in known) / len(known)
    mean_y = sum(y for _, y in known) / len(known)
    spread = sum((x - mean_x) ** 2 for x, _ in known)
    return sum((x - mean_x) * (y - mean_y) for x, y in known) / spread if spread else 0.0


def request(number: int) -> LLMRequest:
    """A small request, different each time."""
    messages = [{"role": "user", "content": f"question {number}"}]
    return LLMRequest({"authorization": "none"}, {"model": "m", "messages": messages})


async def lookup(args: dict[str, Any]) -> ToolExecutionResult[Any]:
    """The tool."""
    return ToolExecutionResult({"found": args["key"]})


async def answer(asked: LLMRequest) -> dict[str, Any]:
    """The model."""
    return {"content": asked.content["messages"][0]["content"] * 3}


async def run_async(number: int) -> None:
    """One agent through the asynchronous calls."""
    with scope.scope("agent", ScopeType.Agent, input={"run": number}, metadata={"run": number}):
        scope.event("begin", data={"run": number})
        await tools.execute("lookup", {"key": number}, lookup, tool_call_id=f"call-{number}")
        await llm.execute("provider", request(number), answer, model_name="m")
        scope.event("end", data=[number])


def run_sync(number: int) -> None:
    """One agent through the synchronous calls."""
    with scope.scope("agent", ScopeType.Agent, input={"run": number}, metadata={"run": number}):
        scope.event("begin", data={"run": number})
        tools.execute_sync("lookup", {"key": number}, lambda args: args["key"], tool_call_id=f"call-{number}")
        llm.execute_sync("provider", request(number), lambda asked: {"content": number}, model_name="m")
        scope.event("end", data=[number])


async def batch_async(numbers: range) -> None:
    """Agents side by side, twenty at a time."""
    for first in range(numbers.start, numbers.stop, 20):
        await asyncio.gather(*(run_async(number) for number in range(first, min(first + 20, numbers.stop))))


def batch(numbers: range, *, asynchronous: bool) -> None:
    """Run one batch and wait until its events were delivered."""
    if asynchronous:
        asyncio.run(batch_async(numbers))
    else:
        for number in numbers:
            run_sync(number)
    if not subscribers.flush(60):
        raise RuntimeError("the subscriber did not keep up within 60 s")


def soak(runs: int, folder: str) -> tuple[list[tuple[int, int]], int]:
    """``(runs so far, resident bytes)`` after each batch, and how many events were heard and written."""
    heard = 0

    def listen(event: Any) -> None:
        nonlocal heard
        heard += event.data is not event

    config = AtofExporterConfig()
    config.output_directory, config.filename = folder, "events.jsonl"
    exporter = AtofExporter(config)
    exporter.register("file")
    subscribers.register("listener", listen)
    samples: list[tuple[int, int]] = []
    try:
        for position, first in enumerate(range(0, runs, BATCH)):
            last = min(first + BATCH, runs)
            batch(range(first, last), asynchronous=position % 2 == 0)
            gc.collect()
            samples.append((last, resident_bytes()))
            os.truncate(str(exporter.path), 0)  # the disk need not hold it all
    finally:
        subscribers.deregister("listener")
        exporter.shutdown()
    return samples, min(heard, exporter.written)


def main(arguments: list[str] | None = None) -> int:
    """Run the soak; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--slope", type=float, default=ALLOWED_SLOPE, help="bytes a run that memory may grow by")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        batch(range(0), asynchronous=True)
        soak(2 * BATCH, folder)  # the delivery thread and the caches of the first run are no leak
        threads, files = threading.active_count(), descriptors()
        samples, events = soak(options.runs, folder)
    gc.collect()
    threads_after, files_after = threading.active_count(), descriptors()
    settled = [sample for sample in samples if sample[0] > options.runs * WARM_UP] or samples
    growth = slope(settled)
    for done, size in samples[:: max(1, len(samples) // 10)]:
        print(f"{done:>8} runs  {size / 1e6:7.2f} MB")
    print(f"resident memory after warm-up: {growth:+.1f} bytes a run (allowed {options.slope:+.0f})")
    print(f"events: {events} of {options.runs * EVENTS_PER_RUN}")
    print(f"threads: {threads} before, {threads_after} after; file descriptors: {files} before, {files_after} after")
    sound = growth <= options.slope and events == options.runs * EVENTS_PER_RUN
    return 0 if sound and (threads_after, files_after) == (threads, files) else 1


if __name__ == "__main__":
    sys.exit(main())
