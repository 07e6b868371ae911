# SPDX-License-Identifier: Apache-2.0
"""Where the time of one managed call goes: ``python benchmarks/profile_runtime.py [tool|llm] [bare|subscriber|file]``.

First what does not depend on the machine: which Python functions one call runs, and how often. Then what its stages
take when they are run by themselves, as a share of the whole call. ``--cprofile`` adds the profiler's own ranking.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import sys
import tempfile
import time
import timeit
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import program
from machine import describe
from nemo_relay._runtime import clock, ids
from nemo_relay._runtime.delivery.file_sink import FileSink
from nemo_relay._runtime.events import lines
from nemo_relay._runtime.managed.llm import traced
from nemo_relay._runtime.managed.llm_sanitizers import presentable
from nemo_relay._runtime.tree.spans import LLMHandle, ScopeStack, ToolHandle
from nemo_relay_records import encoding
from nemo_relay_records.files.places import Place

REPEAT = 7


def counted(case: str, audience: str, calls: int = 200) -> Counter[str]:
    """Function -> how often it runs in one call, on the caller's thread."""
    counts: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            counts[f"{Path(code.co_filename).stem}.{code.co_qualname}"] += 1
        elif event == "c_call":
            counts[f"[{getattr(argument, '__qualname__', argument)}]"] += 1

    with asyncio.Runner() as runner:
        runner.get_loop()
        with program.AUDIENCES[audience]():
            runner.run(program.CASES[case](calls))  # type: ignore[arg-type]

            async def profiled() -> None:
                sys.setprofile(note)
                try:
                    await program.CASES[case](calls)
                finally:
                    sys.setprofile(None)

            runner.run(profiled())
    return Counter({name: count // calls for name, count in counts.items() if count >= calls})


def whole(case: str, audience: str, calls: int = 5_000) -> float:
    """Microseconds of processor time of one call: the best of a few."""
    with asyncio.Runner() as runner:
        runs = [program.measure(runner, case, audience, calls)["cpu"] for _ in range(REPEAT)]
    return min(runs) / calls * 1e6


def stages(case: str) -> dict[str, tuple[int, float]]:
    """Stage -> how often one call with two durable events runs it, and microseconds for all of these."""
    stack = ScopeStack()
    now = time.time_ns()
    request: Any = program.ARGS if case == "tool" else program.SMALL.content
    answer: Any = {"rain": True, "degrees": 14.5} if case == "tool" else program.ANSWER
    data, null = encoding.encode(request), encoding.NULL
    span = new_span(case, stack)
    uuid = span.identify(now)
    place = f',"name":"forecast"{lines.lineage(stack.root.uuid, stack.root.uuid)}'
    line = lines.scope_line(("start", span.category, "[]", place, uuid, now, b"{}", data, null))
    folder = tempfile.TemporaryDirectory()
    sink = FileSink(Place.of(Path(folder.name) / "events.jsonl"))
    descriptor = os.open(Path(folder.name) / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    steps: dict[str, tuple[int, Callable[[], Any]]] = {
        "the application's own coroutine": (1, lambda: finished(program.forecast(request))),
        "the span": (1, lambda: new_span(case, stack)),
        "its identifier": (1, lambda: ids.uuid7(now)),
        "the clock": (2, clock.source),
        "payloads as JSON": (1, lambda: (encoding.encode(request), encoding.encode(answer))),
        "an event's line (with its timestamp)": (
            2,
            lambda: lines.scope_line(("end", span.category, "[]", place, uuid, now, b"{}", data, null)),
        ),
        "write(2) by the kernel": (2, lambda: os.write(descriptor, line)),
        "the file sink around it": (2, lambda: sink.write(line)),
    }
    if case == "llm":
        steps["the headers, without credentials"] = (1, lambda: presentable(program.SMALL.headers))
        steps["the request with its W3C header, not read"] = (1, lambda: traced(program.SMALL, span, True))  # type: ignore[arg-type]
    taken = {name: (times, times * best(step)) for name, (times, step) in steps.items()}
    times, around = taken["the file sink around it"]
    taken["the file sink around it"] = (times, around - taken["write(2) by the kernel"][1])
    os.close(descriptor)
    sink.close()
    folder.cleanup()
    return taken


def new_span(case: str, stack: ScopeStack) -> ToolHandle | LLMHandle:
    """A span as a managed call makes one."""
    return (ToolHandle if case == "tool" else LLMHandle)("forecast", stack.root, 0, None, None, None)


def finished(coroutine: Any) -> None:
    """Run a coroutine that does not suspend."""
    with suppress(StopIteration):
        coroutine.send(None)


def best(step: Callable[[], Any], number: int = 20_000) -> float:
    """Microseconds of one ``step``, without those of the call around it."""
    runs = timeit.repeat(step, number=number, repeat=REPEAT, timer=time.process_time)
    empty = timeit.repeat(lambda: None, number=number, repeat=REPEAT, timer=time.process_time)
    return max(0.0, min(runs) - min(empty)) / number * 1e6


def show_counts(case: str, audience: str) -> None:
    """The functions of one call."""
    counts = counted(case, audience)
    python = sum(count for name, count in counts.items() if not name.startswith("["))
    print(f"One {case} call, {audience}: {python} Python calls, {counts.total() - python} calls into C")
    for name, count in counts.most_common():
        print(f"  {count:3}  {name}")


def show_stages(case: str) -> None:
    """The stages of one call with two durable events, and what is left for the engine."""
    total = whole(case, "file")
    rest = total
    print(
        f"\nOne {case} call, bare: {whole(case, 'bare'):.2f} µs of processor time; with two durable events: {total:.2f}"
    )
    for name, (times, taken) in stages(case).items():
        rest -= taken
        print(f"  {taken:6.2f} µs {taken / total:5.0%}  {times}x {name}")
    print(f"  {rest:6.2f} µs {rest / total:5.0%}  the engine: arguments, order, audience, context variable, loop")


def show_profiler(case: str, audience: str) -> None:
    """The profiler's ranking; it makes short functions look longer than they are."""
    profiler = cProfile.Profile()
    with asyncio.Runner() as runner:
        profiler.enable()
        program.measure(runner, case, audience, 5_000)
        profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(20)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", choices=["tool", "llm"], default="tool")
    parser.add_argument("audience", nargs="?", choices=list(program.AUDIENCES), default="file")
    parser.add_argument("--cprofile", action="store_true", help="also run cProfile")
    options = parser.parse_args()
    print(f"{describe()}\n")
    show_counts(options.case, options.audience)
    show_stages(options.case)
    if options.cprofile:
        show_profiler(options.case, options.audience)


if __name__ == "__main__":
    main()
