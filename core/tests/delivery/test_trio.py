# SPDX-License-Identifier: Apache-2.0
"""R32: `flush_async()` where asyncio does not run."""

from __future__ import annotations

from typing import Any

import pytest

from nemo_relay import ScopeType, scope, subscribers, tools

trio = pytest.importorskip("trio")


def test_r32_flush_async_and_managed_calls_under_trio() -> None:
    heard: list[str] = []

    async def tool(args: Any) -> Any:
        await trio.sleep(0)
        return args

    async def main() -> bool:
        with scope.scope("outer", ScopeType.Agent):
            args = {"a": 1}
            assert await tools.execute("t", args, tool) is args
        return await subscribers.flush_async(50)

    subscribers.register("heard", lambda event: heard.append(event.name))
    assert trio.run(main) is True
    assert heard == ["outer", "t", "t", "outer"]


def test_r32_a_deadline_under_trio() -> None:
    import threading

    go_on = threading.Event()
    subscribers.register("stuck", lambda _event: go_on.wait(20))
    scope.event("one")

    async def main() -> bool:
        return await subscribers.flush_async(0.01)

    assert trio.run(main) is False
    go_on.set()
    assert subscribers.flush(50)


def test_r32_without_any_loop_it_says_so() -> None:
    flush = subscribers.flush_async()
    with pytest.raises(RuntimeError, match="needs an event loop of asyncio or trio"):
        flush.send(None)
