# SPDX-License-Identifier: Apache-2.0
"""The worker of ``bench_adapters.py``: one process, one recorder; a line of JSON in, a line of JSON out.

In comes ``{"mode", "history", "turns", "count", "on"}``: that many runs of the agent, recorded or not. Out goes
``{"wall", "cpu", "heard", "size"}``: seconds from the first call until all is delivered, seconds of processor time of
the whole process for the same, the events or spans and the bytes that arrived. The same process runs the agent with and
without its recorder, so that the difference is the recorder's alone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from typing import Any

from agents import agent, conversation
from recorders import RECORDERS, Recorder


def run_all(mode: str, graph: Any, given: list[Any], config: dict[str, Any]) -> None:
    """One run after the other."""
    if mode == "sync":
        for each in given:
            graph.invoke(each, config)
        return

    async def every() -> None:
        for each in given:
            await graph.ainvoke(each, config)

    _runner.run(every())


_runner = asyncio.Runner()
_agents: dict[tuple[int, bool], Any] = {}


def measure(recorder: Recorder, mode: str, history: int, turns: int, count: int, on: bool) -> dict[str, float]:
    """One measurement. The agent is built once, and each run has messages of its own, made before the clock starts."""
    if (turns, on) not in _agents:
        _agents[turns, on] = agent(turns, recorder.middleware() if on else [])
    graph, given = _agents[turns, on], [conversation(history) for _ in range(count)]
    gc.collect()
    config = {"recursion_limit": 1000, "callbacks": recorder.start() if on else []}
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        run_all(mode, graph, given, config)
        if on:
            recorder.flush()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    finally:
        if on:
            recorder.stop()
    return {"wall": wall, "cpu": cpu, "heard": recorder.heard if on else 0, "size": recorder.size if on else 0}


def main() -> None:
    """Serve standard input."""
    recorder = RECORDERS[sys.argv[1]]()
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        print(json.dumps(measure(recorder, **json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
