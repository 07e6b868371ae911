# SPDX-License-Identifier: Apache-2.0
"""Pulls that overlap are served one by one, in their order; a cancelled one lets the next in."""

from __future__ import annotations

import asyncio

from nemo_relay._runtime.managed.streaming.turns import Turns


class Counter:
    """Counts up, slowly, and notes whether anybody else was counting at the same time."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.count = 0
        self.inside = 0
        self.met = False

    async def _step(self) -> int:
        self.inside += 1
        self.met = self.met or self.inside > 1
        try:
            await asyncio.sleep(0)
            self.count += 1
            return self.count
        finally:
            self.inside -= 1

    async def next(self) -> int:
        number: int = await self.turns.take(self._step)
        return number


async def test_one_after_the_other_in_the_order_they_were_asked_for() -> None:
    counter = Counter()
    assert await asyncio.gather(*[counter.next() for _ in range(8)]) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert not counter.met
    assert await counter.next() == 9


async def test_asked_for_together_and_awaited_in_another_order() -> None:
    counter = Counter()
    first, second = counter.turns.take(counter._step), counter.turns.take(counter._step)
    assert await second == 1
    assert await first == 2


async def test_a_cancelled_pull_lets_the_next_one_in() -> None:
    counter = Counter()
    tasks = [asyncio.create_task(counter.next()) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()  # it is running
    tasks[2].cancel()  # it is waiting
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, False, True, False, False]
    assert [answers[1], answers[3], answers[4]] == [1, 2, 3]
    assert not counter.met


async def test_a_pull_that_raises_lets_the_next_one_in() -> None:
    turns = Turns()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no more")

    answers = await asyncio.gather(turns.take(fail), turns.take(fail), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["no more", "no more"]
