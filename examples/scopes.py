# SPDX-License-Identifier: Apache-2.0
"""Scopes, nested and side by side: two tasks at once, each with its own branch and no extra call."""

from __future__ import annotations

import asyncio

from nemo_relay import ScopeType, scope
from nemo_relay.testing import capture_events, expect_tree


async def research(topic: str) -> str:
    with scope.scope(f"research {topic}", ScopeType.Function, input={"topic": topic}):
        await asyncio.sleep(0.01)
        scope.event("found", data={"topic": topic, "pages": 3})
        return f"three pages on {topic}"


async def plan() -> list[str]:
    with scope.scope("planner", ScopeType.Agent):
        return list(await asyncio.gather(research("tides"), research("moon")))


with capture_events() as captured:
    print(asyncio.run(plan()))

for event in captured.events:
    print(event.timestamp, event.kind, event.name)

expect_tree(
    captured.events,
    """
    agent:planner {ok}
      ~ function:research tides {ok}
          <found> {topic=tides}
      ~ function:research moon {ok}
          <found> {topic=moon}
    """,
)
