# SPDX-License-Identifier: Apache-2.0
"""What recording adds to an agent on a real client: ``python benchmarks/bench_real_client.py``.

The agent of ``bench_adapters.py``, on ``ChatOpenAI`` in place of a model that answers at once: it calls a scripted
provider over HTTP on loopback, which has a process of its own and answers without thinking. In turn with and without
the recorder, in one process; what counts are the medians of the rounds. The goal is less than a tenth of the run's
processor time and of its time, with 200 messages of history.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
import time
from typing import Any, NamedTuple

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

from agents import ANSWER, conversation, forecast
from machine import describe
from nemo_relay import subscribers
from nemo_relay.integrations.langchain import RelayCallbackHandler, RelayMiddleware

RUNS = 6
GOAL = 0.1


class Spent(NamedTuple):
    """Milliseconds per run: processor time of this process, and time."""

    cpu: float
    wall: float


def serve() -> None:
    """The provider: it prints its address, and answers until its standard input is closed."""
    from nemo_relay_provider import Reply, ScriptedProvider, ToolCall

    def answer(request: dict[str, Any]) -> Reply:
        if request["messages"][-1]["role"] == "tool":
            return Reply(ANSWER)
        return Reply(tool_calls=[ToolCall("forecast", {"city": "Lisbon", "days": 3})])

    with ScriptedProvider(answer) as provider:
        print(provider.openai_url, flush=True)
        sys.stdin.read()


class Bench:
    """An agent with and without our middleware, on the same client."""

    def __init__(self, url: str, history: int) -> None:
        model = ChatOpenAI(model="gpt-4.1-mini", base_url=url, api_key="none")  # type: ignore[arg-type]
        self.plain = create_agent(model, [forecast], name="bench")
        self.layered = create_agent(model, [forecast], name="bench", middleware=[RelayMiddleware()])
        self.history = history
        self.runner = asyncio.Runner()

    def spent(self, graph: Any, mode: str, callbacks: list[Any]) -> Spent:
        """What a run takes, the delivery of its events to one subscriber included."""
        given = [conversation(self.history) for _ in range(RUNS)]
        gc.collect()
        if callbacks:
            subscribers.register("bench", lambda event: None)
        cpu, wall = time.process_time(), time.perf_counter()
        for messages in given:
            config = {"callbacks": callbacks}
            if mode == "sync":
                graph.invoke(messages, config)
            else:
                self.runner.run(graph.ainvoke(messages, config))
        if callbacks:
            subscribers.flush()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if callbacks:
            subscribers.deregister("bench")
        return Spent(cpu / RUNS * 1e3, wall / RUNS * 1e3)

    def round(self, mode: str) -> list[Spent]:
        """Without, with the handler, with handler and middleware, and without once more (averaged with the first)."""
        handler = [RelayCallbackHandler()]
        first, watched = self.spent(self.plain, mode, []), self.spent(self.plain, mode, handler)
        layered, last = self.spent(self.layered, mode, handler), self.spent(self.plain, mode, [])
        return [Spent((first.cpu + last.cpu) / 2, (first.wall + last.wall) / 2), watched, layered]


def report(mode: str, rounds: list[list[Spent]]) -> list[str]:
    """The rows of one mode, in Markdown."""
    lines = []
    for index, kind in ((1, "handler"), (2, "handler and middleware")):
        added = [Spent(each[index].cpu - each[0].cpu, each[index].wall - each[0].wall) for each in rounds]
        base = Spent(*(statistics.median(each[0][part] for each in rounds) for part in (0, 1)))
        more = Spent(*(statistics.median(one[part] for one in added) for part in (0, 1)))
        shares = [statistics.median(each[index][part] / each[0][part] - 1 for each in rounds) for part in (0, 1)]
        verdict = "met" if max(shares) < GOAL else "MISSED"
        lines.append(
            f"| {kind}, {mode} | {base.cpu:.1f} | {more.cpu:.1f} | **{shares[0]:.1%}** |"
            f" {base.wall:.1f} | {more.wall:.1f} | **{shares[1]:.1%}** | {verdict} |"
        )
    return lines


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--history", type=int, default=200, help="earlier messages of the conversation (default 200)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdin=-1, stdout=-1, text=True) as server:
        assert server.stdin and server.stdout
        bench = Bench(server.stdout.readline().strip(), options.history)
        print(f"{describe()}; {options.history} messages of history; median of {options.rounds} rounds\n")
        print("| recorder | run without, ms CPU | added | share | run without, ms | added | share | under a tenth |")
        print("|---|---|---|---|---|---|---|---|")
        for mode in ("sync", "async"):
            bench.round(mode)
            print(*report(mode, [bench.round(mode) for _ in range(options.rounds)]), sep="\n", flush=True)
        server.stdin.close()


if __name__ == "__main__":
    main()
