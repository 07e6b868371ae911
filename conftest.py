# SPDX-License-Identifier: Apache-2.0
"""Holds for every test of the workspace: an empty runtime, and a watchdog for blocked loops in async tests."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from blockbuster import BlockBuster

from nemo_relay._runtime.registry import registry
from nemo_relay.testing import isolated
from workspace import distributions


class _AnyFunction:
    """Stands for every function of a file where BlockBuster wants a set of names."""

    def __contains__(self, name: object) -> bool:
        return True


# A queue on the disk writes in the caller's thread on purpose: what was taken is there after a crash.
WRITES_ON_PURPOSE = ("nemo_relay_spool/journal.py",)


def watched_sources() -> list[ModuleType]:
    """BlockBuster wants modules and looks at their first path only; ours are spread over several."""
    modules = []
    for dist in distributions():
        module = ModuleType(dist.name)
        module.__path__ = [str(dist.source)]
        modules.append(module)
    return modules


# A test is quick unless what it does takes long by its kind: it draws examples, or its file starts processes, opens
# sockets, builds, installs or reads recordings. Nobody keeps a list. `make test-quick` runs the quick ones of the core
# and the packages.
_SLOW = re.compile(
    r"\b(subprocess|multiprocessing|os\.fork|in_forked_child|ScriptedProvider|aiohttp|http\.server|clean_venv|CASSETTES"
    r"|open_connection|start_server|RawProvider|Terminal|chromium)\b"
)


def pytest_itemcollected(item: pytest.Item) -> None:
    function = getattr(item, "obj", None)
    drawn = hasattr(function, "is_hypothesis_test") or hasattr(function, "hypothesis") or _draws(item.path, function)
    marked = any(item.get_closest_marker(name) for name in ("backends", "fuzz", "hosts", "slow_install"))
    if not (drawn or marked or _takes_long(item.path)):
        item.add_marker(pytest.mark.quick)


@functools.cache
def _takes_long(file: Path) -> bool:
    return _SLOW.search(_text(file)) is not None


def _draws(file: Path, function: Any) -> bool:
    """Whether the test makes its examples with a generator of its own."""
    start = _text(file).find(f"def {getattr(function, '__name__', '')}(")
    return "random.Random(" in _text(file)[start:].partition("\ndef ")[0].partition("\nasync def ")[0]


@functools.cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def pytest_collection_finish() -> None:
    """Keep what is loaded by now out of every later garbage collection: tests that collect garbage mean their own."""
    import hypothesis  # noqa: F401 - loaded by its plugin at the latest, and it looks for referrers: none is frozen yet

    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Libraries that are loaded for the report may ask who refers to what."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def block_buster() -> BlockBuster:
    buster = BlockBuster(scanned_modules=watched_sources())
    for function in buster.functions.values():
        for file in WRITES_ON_PURPOSE:
            function.can_block_functions.append((file, _AnyFunction()))  # type: ignore[arg-type]
    return buster


@pytest.fixture(autouse=True)
def empty_runtime() -> Iterator[None]:
    """Nothing of another test, and nothing left that a scope of this one owns."""
    owned = set(registry.activity.owners)
    with isolated():
        yield
    assert registry.activity.owners == owned, "a scope of this test still owns registrations"


@pytest.fixture(autouse=True)
def blocked_loop_watchdog(
    request: pytest.FixtureRequest, block_buster: BlockBuster, empty_runtime: None
) -> Iterator[None]:
    """Our code, met below an async test and blocking the loop, raises `BlockingError`."""
    function = getattr(request.node, "obj", None)
    if not inspect.iscoroutinefunction(function) or request.node.get_closest_marker("allow_blocking"):
        yield
        return
    block_buster.activate()
    yield
    block_buster.deactivate()


@pytest.fixture
def cancelled_once() -> Callable[[Callable[[], object], Coroutine[Any, Any, Any]], Awaitable[None]]:
    """``await cancelled_once(begun, work)`` cancels ``work`` when ``begun()`` is true, whatever the time it took."""

    async def cancel(begun: Callable[[], object], work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        while not begun() and not task.done():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.001)
        for _ in range(20):  # from the event that announces it to the wait inside
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    return cancel
