# SPDX-License-Identifier: Apache-2.0
"""A use of ``next`` may be taken for the task it would be, by whoever writes an intercept with futures in mind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from nemo_relay import ToolExecutionInterceptOutcome, intercepts, tools


@pytest.fixture
def wrapped(request: pytest.FixtureRequest) -> Iterator[None]:
    intercepts.register_tool_execution("around", 0, request.param)
    yield
    intercepts.deregister_tool_execution("around")


async def as_a_task(context: Any, proceed: Any) -> ToolExecutionInterceptOutcome:
    branch = proceed(context.args)
    ended: list[bool] = []
    branch.add_done_callback(lambda future: ended.append(future.done()))
    before = branch.done()
    below = await branch
    await asyncio.sleep(0)
    return ToolExecutionInterceptOutcome([before, branch.done(), ended, branch.result() is below, below.result])


async def cancelled(context: Any, proceed: Any) -> ToolExecutionInterceptOutcome:
    branch = proceed(context.args)
    branch.cancel()
    await asyncio.wait([asyncio.ensure_future(branch)])
    return ToolExecutionInterceptOutcome([branch.cancelled()])


async def every_method(context: Any, proceed: Any) -> ToolExecutionInterceptOutcome:
    branch = proceed(context.args)
    public = [name for name in dir(asyncio.Task) if not name.startswith("_")]
    missing = [name for name in public if not hasattr(branch, name)]
    await branch
    return ToolExecutionInterceptOutcome(missing)


async def answer(args: Any) -> Any:
    await asyncio.sleep(0)
    return args


@pytest.mark.parametrize(
    ("wrapped", "expected"),
    [(as_a_task, [False, True, [True], True, "args"]), (cancelled, [True]), (every_method, [])],
    indirect=["wrapped"],
)
@pytest.mark.usefixtures("wrapped")
def test_a_branch_is_a_task_to_whoever_wants_one(expected: list[Any]) -> None:
    outcome = asyncio.run(tools.execute("t", "args", answer))
    assert getattr(outcome, "result", outcome) == expected


def test_a_branch_that_is_awaited_twice_runs_once() -> None:
    calls: list[Any] = []

    async def twice(context: Any, proceed: Any) -> ToolExecutionInterceptOutcome:
        branch = proceed(context.args)
        first, second = await branch, await branch
        return ToolExecutionInterceptOutcome([first is second, first.result])

    intercepts.register_tool_execution("around", 0, twice)
    try:
        assert asyncio.run(tools.execute("t", "args", lambda args: calls.append(args) or "below")) == [True, "below"]
    finally:
        intercepts.deregister_tool_execution("around")
    assert calls == ["args"]
