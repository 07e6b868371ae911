# SPDX-License-Identifier: Apache-2.0
"""Holds for every test of the workspace: an empty runtime, and a watchdog for blocked loops in async tests."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from blockbuster import BlockBuster

from nemo_relay._runtime.registry import registry
from nemo_relay.testing import isolated
from workspace import distributions


class _AnyFunction:
    """Stands for every function of a file where BlockBuster wants a set of names."""

    def __contains__(self, name: object) -> bool:
        return True


# A file sink writes in the caller's thread on purpose: one write(2) per event, so that a crash loses nothing.
WRITES_ON_PURPOSE = ("nemo_relay/_runtime/filesink.py", "nemo_relay_otel/spool/journal.py")


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
    r"\b(subprocess|multiprocessing|os\.fork|in_forked_child|ScriptedProvider|aiohttp|http\.server|clean_venv|CASSETTES)\b"
)


def pytest_itemcollected(item: pytest.Item) -> None:
    function = getattr(item, "obj", None)
    drawn = hasattr(function, "is_hypothesis_test") or hasattr(function, "hypothesis")
    marked = any(item.get_closest_marker(name) for name in ("backends", "fuzz", "hosts", "slow_install"))
    if not (drawn or marked or _takes_long(item.path)):
        item.add_marker(pytest.mark.quick)


@functools.cache
def _takes_long(file: Path) -> bool:
    return _SLOW.search(file.read_text(encoding="utf-8")) is not None


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
