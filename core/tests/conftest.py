# SPDX-License-Identifier: Apache-2.0
"""What the tests of the core have: an ear, and both drivers of managed calls."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from nemo_relay import llm, subscribers, tools
from nemo_relay._runtime.awaitables import running_loop
from nemo_relay._runtime.delivery.dispatcher import dispatcher

Record = dict[str, Any]


class Ear:
    """A plain subscriber that keeps the events it hears, as dicts."""

    def __init__(self) -> None:
        self.heard: list[Record] = []

    def __call__(self, event: Any) -> None:
        self.heard.append(event.to_dict())

    def events(self) -> list[Record]:
        """Everything emitted so far. In an async test `await ear.settle()` first: a loop must not be blocked."""
        if running_loop() is None:
            assert dispatcher.flush(50)
        return self.heard

    async def turns(self) -> None:
        """Let every other task of this loop go on until it waits for something; a count, so no clock decides."""
        for _ in range(100):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Wait until everything emitted so far was heard."""
        assert await subscribers.flush_async(50)

    def names(self) -> list[str]:
        """``"start name"``, ``"end name"`` or ``"mark name"`` of each event."""
        return [f"{event.get('scope_category', 'mark')} {event['name']}" for event in self.events()]

    def one(self, name: str, phase: str | None = None) -> Record:
        """The only event of that name and phase (``start``, ``end``, None for a mark)."""
        (found,) = (e for e in self.events() if e["name"] == name and e.get("scope_category") == phase)
        return found

    def start(self, name: str) -> Record:
        """The only start event of that name."""
        return self.one(name, "start")

    def end(self, name: str) -> Record:
        """The only end event of that name."""
        return self.one(name, "end")

    def marks(self, name: str | None = None) -> list[Record]:
        """The marks, of that name if given."""
        return [e for e in self.events() if e["kind"] == "mark" and name in (None, e["name"])]


class Driver:
    """Runs managed calls the one way or the other, from synchronous tests."""

    def __init__(self, kind: str) -> None:
        self.is_async = kind == "async"

    def tool(self, *args: Any, **kwargs: Any) -> Any:
        """`tools.execute`, awaited in a loop of its own, or `tools.execute_sync`."""
        return _awaited(tools.execute, args, kwargs) if self.is_async else tools.execute_sync(*args, **kwargs)

    def llm(self, *args: Any, **kwargs: Any) -> Any:
        """`llm.execute`, awaited in a loop of its own, or `llm.execute_sync`."""
        return _awaited(llm.execute, args, kwargs) if self.is_async else llm.execute_sync(*args, **kwargs)


def _awaited(call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    async def main() -> Any:
        return await call(*args, **kwargs)

    return asyncio.run(main())


def in_form(form: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` as it is for the form "plain"; for "coroutine" an async function that does the same."""

    @functools.wraps(fn)
    async def later(*args: Any) -> Any:
        await asyncio.sleep(0)
        answer = fn(*args)
        return await answer if hasattr(answer, "__await__") else answer

    return fn if form == "plain" else later


@pytest.fixture(params=["async", "sync"])
def run(request: pytest.FixtureRequest) -> Driver:
    """Both drivers, in turn."""
    return Driver(request.param)


@pytest.fixture(params=["plain", "coroutine"])
def form(request: pytest.FixtureRequest) -> str:
    """Both forms of a callback, in turn; for `in_form`."""
    form: str = request.param
    return form


@pytest.fixture
def ear() -> Ear:
    """Hears every event of the test."""
    made = Ear()
    subscribers.register("ear", made)
    return made
