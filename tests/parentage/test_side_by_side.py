# SPDX-License-Identifier: Apache-2.0
"""Ten agents side by side on one handler: gathered, batched, and in threads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langchain.testing import RunRecorder
from nemo_relay.integrations.langgraph import RelayCallbackHandler
from nemo_relay.testing import CapturedEvents, capture_events
from nemo_relay.tree import Node

from .proofs import REPETITIONS, assert_own_lanes, assert_same_tree

NAMES = tuple(f"agent-{number}" for number in range(10))
INPUTS = [{"messages": [("user", who)]} for who in NAMES]
HANDLER = RelayCallbackHandler()


def answers(results: list[dict[str, Any]]) -> list[str]:
    return [result["messages"][-1].content for result in results]


def check(captured: CapturedEvents, recorder: RunRecorder, results: list[dict[str, Any]], parent: Node | None) -> None:
    assert answers(results) == [f"done for {who}" for who in NAMES]
    spans = assert_same_tree(captured, recorder)
    roots = [spans[run.run_id] for run in recorder.visible() if run.parent_run_id is None]
    lanes = {root.input["messages"][0][1]: root for root in roots}
    assert sorted(lanes) == sorted(NAMES)
    assert {root.parent_uuid for root in roots} == {parent.uuid} if parent is not None else True
    assert_own_lanes(captured, lanes, per_lane_llm=3, per_lane_tools=3)


def root_named(captured: CapturedEvents, name: str) -> Node:
    return next(node for node in captured.tree().walk() if node.name == name)


async def test_gather_of_ten(async_agent: Any) -> None:
    for _ in range(REPETITIONS):
        recorder = RunRecorder()
        with capture_events() as captured, scope.scope("app", ScopeType.Function):
            config = {"callbacks": [recorder, HANDLER]}
            results = await asyncio.gather(*(async_agent.ainvoke(value, config) for value in INPUTS))
        check(captured, recorder, results, root_named(captured, "app"))


def test_batch_of_ten(agent: Any) -> None:
    for _ in range(REPETITIONS):
        recorder = RunRecorder()
        with capture_events() as captured, scope.scope("app", ScopeType.Function):
            results = agent.batch(INPUTS, {"callbacks": [recorder, HANDLER]})
        check(captured, recorder, results, root_named(captured, "app"))


def test_ten_threads_share_one_handler(agent: Any) -> None:
    for _ in range(REPETITIONS):
        recorder = RunRecorder()
        config = {"callbacks": [recorder, HANDLER]}
        with capture_events() as captured, ThreadPoolExecutor(10) as pool:
            results = list(pool.map(partial(agent.invoke, config=config), INPUTS))
        check(captured, recorder, results, None)


async def test_ten_sharing_one_loop_without_any_scope(async_agent: Any) -> None:
    scope.get_handle()  # a server that touched the runtime while it started up
    recorder = RunRecorder()
    with capture_events() as captured:
        config = {"callbacks": [recorder, HANDLER]}
        results = await asyncio.gather(*(async_agent.ainvoke(value, config) for value in INPUTS))
    check(captured, recorder, results, None)
