# SPDX-License-Identifier: Apache-2.0
"""The worker of ``bench_otel.py``: a run exported over OTLP, through nothing but the API that both packages have."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import nemo_relay
from nemo_relay import LLMRequest, ScopeType, llm, scope, subscribers, tools

FLUSH_EVERY = 1_000  # events; the published package's queue holds 2,048 spans, and drops more
REQUEST = LLMRequest({}, {"model": "m-1", "messages": [{"role": "user", "content": "What do the tides do today?"}]})
RESPONSE = {
    "id": "c-1",
    "model": "m-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "They rise."}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
}


async def agents(events: int) -> int:
    """Agents that call a model and a tool five times each: 22 events an agent."""

    async def model(request: Any) -> Any:
        return RESPONSE

    async def tool(arguments: Any) -> Any:
        return nemo_relay.ToolExecutionResult(["three pages"])

    emitted = 0
    while emitted < events:
        with scope.scope("planner", ScopeType.Agent, input={"goal": "tides"}):
            for number in range(5):
                await llm.execute("openai.chat", REQUEST, model, model_name="m-1")
                await tools.execute("search", {"query": "tides", "page": number}, tool)
        emitted += 22
        if emitted % FLUSH_EVERY < 22:
            await subscribers.flush_async()
    return emitted


async def scopes(events: int) -> int:
    """Scopes with a mark in each: three events."""
    emitted = 0
    while emitted < events:
        with scope.scope("step", ScopeType.Function, input={"number": emitted}):
            scope.event("reached", data={"place": "harbour"})
        emitted += 3
        if emitted % FLUSH_EVERY < 3:
            await subscribers.flush_async()
    return emitted


CASES = {"agents": agents, "scopes": scopes}


def measure(order: dict[str, Any]) -> dict[str, float]:
    """Run a case with a subscriber of its own; processor time is that of all threads, up to the end of the flush."""
    exporter = nemo_relay.OpenTelemetrySubscriber(nemo_relay.OpenTelemetryConfig(order["type"], order["url"]))
    exporter.register("otel")
    wall, cpu = time.perf_counter(), time.process_time()
    emitted = asyncio.run(CASES[order["case"]](order["events"]))
    subscribers.flush()
    exporter.force_flush()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    exporter.shutdown()
    exporter.deregister("otel")
    return {"events": emitted, "cpu": cpu, "wall": wall}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(measure(json.loads(line))), flush=True)
