# SPDX-License-Identifier: Apache-2.0
"""Two hundred agents at once, cancelled anywhere: every span ends once, in its place, and cleanup comes first."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, ToolExecutionInterceptOutcome, guardrails, intercepts, llm, scope, tools
from nemo_relay.testing import capture_events, check_lifecycles

TASKS = 200


class Agent:
    """One agent: nested tool calls, LLM calls, streams and scopes; it knows which cleanups are still to come."""

    def __init__(self, number: int, seed: int) -> None:
        self.name = f"agent{number}"
        self.random = random.Random(seed * 1_000 + number)
        self.open: set[str] = set()  # callbacks that have begun and not cleaned up
        self.parents: dict[str, str] = {}  # of each span, by its name, the name of its parent
        self.count = 0
        self.broken: list[str] = []

    def label(self, kind: str, parent: str) -> str:
        self.count += 1
        made = f"{self.name}.{kind}{self.count}"
        self.parents[made] = parent
        return made

    async def pause(self) -> None:
        await asyncio.sleep(self.random.choice([0, 0, 0.0005, 0.002]))

    async def cleanup(self, me: str) -> None:
        """Takes several turns of the loop, as real cleanup does; it may be cancelled itself."""
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0.0005)
        finally:
            self.open.remove(me)

    def returned(self, me: str) -> None:
        """The call has returned to its awaiter, in whatever way: what it called has cleaned up."""
        if me in self.open:
            self.broken.append(f"{me} is still cleaning up")

    async def body(self, me: str, depth: int) -> str:
        """The inside of a callback that is called ``me``."""
        self.open.add(me)
        try:
            await self.pause()
            if scope.get_handle().name != me:
                self.broken.append(f"{scope.get_handle().name} instead of {me}")
            if depth:
                await self.work(me, depth - 1)
            if self.random.random() < 0.1:
                raise KeyError(me)
            return me
        finally:
            await self.cleanup(me)

    async def work(self, parent: str, depth: int) -> None:
        for _ in range(self.random.randint(1, 2)):
            step = self.random.choice([self.tool, self.model, self.stream, self.scope, self.pair])
            with suppress(KeyError):
                await step(parent, depth)
            if scope.get_handle().name != parent:
                self.broken.append(f"after {step.__name__}: {scope.get_handle().name} instead of {parent}")

    async def tool(self, parent: str, depth: int) -> None:
        me = self.label("tool", parent)
        try:
            await tools.execute(me, {"depth": depth}, lambda args: self.body(me, depth))
        finally:
            self.returned(me)

    async def model(self, parent: str, depth: int) -> None:
        me = self.label("llm", parent)
        try:
            await llm.execute(me, LLMRequest({}, {}), lambda request: self.body(me, depth))
        finally:
            self.returned(me)

    async def scope(self, parent: str, depth: int) -> None:
        me = self.label("scope", parent)
        async with scope.scope(me, ScopeType.Function):
            await self.body(me, depth)

    async def pair(self, parent: str, depth: int) -> None:
        """Two calls side by side; one may fail or be cancelled with the other."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.tool(parent, depth))
                group.create_task(self.model(parent, 0))
        except* KeyError:
            pass

    async def stream(self, parent: str, depth: int) -> None:
        me = self.label("stream", parent)

        async def produce(_request: Any) -> AsyncIterator[int]:
            self.open.add(me)
            try:
                for number in range(4):
                    await self.pause()
                    if scope.get_handle().name != me:
                        self.broken.append(f"producer in {scope.get_handle().name} instead of {me}")
                    if self.random.random() < 0.05:
                        raise KeyError(me)
                    yield number
            finally:
                await self.cleanup(me)

        stream = await llm.stream_execute(me, LLMRequest({}, {}), produce, lambda chunk: None, lambda: None)
        try:
            async for number in stream:
                if scope.get_handle().name != parent:
                    self.broken.append(f"consumer in {scope.get_handle().name} instead of {parent}")
                if number == self.random.randint(0, 8):
                    break
        finally:
            await stream.aclose()
            self.returned(me)

    async def run(self) -> None:
        async with scope.scope(self.name, ScopeType.Agent):
            await self.work(self.name, 3)


async def wreck(seed: int) -> list[Agent]:
    """Run the agents and cancel most of them at some point; some by a deadline of their own."""
    chance = random.Random(seed)
    agents = [Agent(number, seed) for number in range(TASKS)]

    async def limited(agent: Agent) -> None:
        if chance.random() < 0.3:
            async with asyncio.timeout(chance.random() * 0.05):
                await agent.run()
        else:
            await agent.run()

    tasks = [asyncio.create_task(limited(agent)) for agent in agents]
    for task in chance.sample(tasks, TASKS * 2 // 3):
        await asyncio.sleep(chance.random() * 0.0004)
        task.cancel()
        if chance.random() < 0.2:  # once more, while it cleans up or not
            asyncio.get_running_loop().call_later(0.001, task.cancel)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    unexpected = [o for o in outcomes if o is not None and not isinstance(o, (asyncio.CancelledError, TimeoutError))]
    assert unexpected == []
    return agents


def check(agents: list[Agent], captured: Any) -> None:
    check_lifecycles(captured.events)
    spans = [event for event in captured.starts() if event.category != "guardrail"]
    names = {event.uuid: event.name for event in spans}
    parents = {event.name: names.get(event.parent_uuid, "root") for event in spans}
    expected = {agent.name: "root" for agent in agents if agent.name in parents}
    for agent in agents:
        expected |= {name: parent for name, parent in agent.parents.items() if name in parents}
    assert parents == expected
    assert max(Counter(event.name for event in spans).values()) == 1
    assert [line for agent in agents for line in agent.broken] == []
    assert [agent.open for agent in agents if agent.open] == []


async def pass_on(call: Any, proceed: Any) -> Any:
    below = await proceed(call.args)
    return ToolExecutionInterceptOutcome(below.result, annotation=below.annotation)


async def ask(_name: str, _args: Any) -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("middleware", [False, True])
def test_cancelled_anywhere(seed: int, middleware: bool) -> None:
    if middleware:
        intercepts.register_tool_execution("pass", 0, pass_on)
        guardrails.register_tool_conditional_execution("ask", 0, ask)
    with capture_events() as captured:
        agents = asyncio.run(wreck(seed))
    ended = Counter(event.metadata["otel.status_code"] for event in captured.ends() if event.category != "guardrail")
    assert ended["OK"] > 50
    assert ended["ERROR"] > 50
    check(agents, captured)


@pytest.mark.fuzz
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", range(10, 110))
def test_cancelled_anywhere_for_long(seed: int) -> None:
    test_cancelled_anywhere(seed, bool(seed % 2))
