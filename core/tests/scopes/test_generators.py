# SPDX-License-Identifier: Apache-2.0
"""Scopes held open by generators: the right parent on both sides of a ``yield``."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from nemo_relay import ScopeType, scope
from nemo_relay._runtime.tree import generators


def here() -> str:
    return scope.get_handle().name


def numbers(name: str, log: list[tuple[str, str]]) -> Iterator[int]:
    with scope.scope(name, ScopeType.Function):
        for number in range(3):
            log.append((name, here()))
            with scope.scope("inside", ScopeType.Function) as inner:
                log.append((name, str(inner.parent_uuid == inner.parent.uuid and inner.parent.name)))  # type: ignore[union-attr]
            yield number


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    gc.collect()
    assert not generators.frames
    assert not generators._innermost


def test_the_consumer_is_not_inside_what_it_consumes() -> None:
    log: list[tuple[str, str]] = []
    with scope.scope("app", ScopeType.Agent):
        for _ in numbers("a", log):
            with scope.scope("consumer", ScopeType.Function) as mine:
                assert mine.parent is not None
                assert mine.parent.name == "app"
        assert here() == "app"
    assert set(log) == {("a", "a")}


def test_interleaved_generators_are_siblings() -> None:
    log: list[tuple[str, str]] = []
    with scope.scope("app", ScopeType.Agent):
        first, second = numbers("a", log), numbers("b", log)
        for _ in range(3):
            next(first)
            next(second)
            assert here() == "app"
        first.close()
        assert here() == "app"
        second.close()
    assert set(log) == {("a", "a"), ("b", "b")}


def test_an_abandoned_generator_leaves_no_trace() -> None:
    with scope.scope("app", ScopeType.Agent):
        next(numbers("a", []))
        gc.collect()
        assert here() == "app"


def test_generators_that_delegate_nest() -> None:
    log: list[tuple[str, str]] = []

    def outer() -> Iterator[int]:
        with scope.scope("outer", ScopeType.Function):
            yield from numbers("a", log)
            log.append(("outer", here()))

    for _ in outer():
        assert here() == "root"
    assert set(log) == {("a", "a"), ("outer", "outer")}


def test_push_and_pop_in_a_generator() -> None:
    def producer() -> Iterator[int]:
        handle = scope.push("pushed", ScopeType.Function)
        yield 1
        assert here() == "pushed"
        scope.pop(handle)
        assert here() == "app"
        yield 2

    with scope.scope("app", ScopeType.Agent):
        for _ in producer():
            assert here() == "app"


def test_a_generator_consumed_by_another_thread() -> None:
    from concurrent.futures import ThreadPoolExecutor

    log: list[tuple[str, str]] = []
    with scope.scope("app", ScopeType.Agent):
        generator = numbers("a", log)
        next(generator)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(next, generator).result() == 1
            assert pool.submit(here).result() == "root"
        assert here() == "app"
        assert list(generator) == [2]
    assert set(log) == {("a", "a")}


@contextmanager
def managed(name: str) -> Iterator[None]:
    with scope.scope(name, ScopeType.Function):
        yield


def test_a_context_manager_made_of_a_generator_holds_its_block() -> None:
    with managed("outer"), managed("inner"):
        assert here() == "inner"
        with scope.scope("mine", ScopeType.Function) as mine:
            assert mine.parent is not None
            assert mine.parent.name == "inner"
    assert here() == "root"


@pytest.fixture
def a_fixture_with_a_scope() -> Iterator[None]:
    with scope.scope("fixture", ScopeType.Function):
        yield


@pytest.mark.usefixtures("a_fixture_with_a_scope")
def test_a_fixture_made_of_a_generator_holds_its_test() -> None:
    assert here() == "fixture"


async def ticks(name: str, log: list[tuple[str, str]]) -> AsyncIterator[int]:
    with scope.scope(name, ScopeType.Function):
        for number in range(3):
            await asyncio.sleep(0)
            log.append((name, here()))
            # A task started while the generator awaits belongs to the generator.
            log.append((name, await asyncio.create_task(_later())))
            yield number


async def _later() -> str:
    await asyncio.sleep(0)
    return here()


async def test_async_generators_interleaved() -> None:
    log: list[tuple[str, str]] = []
    async with scope.scope("app", ScopeType.Agent):
        first, second = ticks("a", log), ticks("b", log)
        for _ in range(3):
            await anext(first)
            await anext(second)
            assert here() == "app"
            assert await asyncio.create_task(_later()) == "app"
        await first.aclose()  # type: ignore[attr-defined]
        await second.aclose()  # type: ignore[attr-defined]
        assert here() == "app"
    assert set(log) == {("a", "a"), ("b", "b")}


async def test_async_generators_consumed_by_two_tasks() -> None:
    log: list[tuple[str, str]] = []

    async def consume(name: str) -> None:
        async with scope.scope(f"task-{name}", ScopeType.Agent):
            async for _ in ticks(name, log):
                assert here() == f"task-{name}"

    await asyncio.gather(consume("a"), consume("b"))
    assert set(log) == {("a", "a"), ("b", "b")}


@asynccontextmanager
async def managed_async(name: str) -> AsyncIterator[None]:
    async with scope.scope(name, ScopeType.Function):
        yield


async def test_an_async_context_manager_made_of_a_generator_holds_its_block() -> None:
    async with managed_async("outer"):
        assert here() == "outer"
        assert await asyncio.create_task(_later()) == "outer"
    assert here() == "root"


def test_a_decorated_generator_function_has_its_scope_while_it_runs() -> None:
    seen: list[str] = []

    @scope.scope("decorated", ScopeType.Function)
    def produce() -> Iterator[int]:
        seen.append(here())
        yield 1
        seen.append(here())

    for _ in produce():
        assert here() == "root"
    assert seen == ["decorated", "decorated"]


async def test_a_decorated_async_generator_function_has_its_scope_while_it_runs() -> None:
    seen: list[str] = []

    @scope.scope("decorated", ScopeType.Function)
    async def produce() -> AsyncIterator[int]:
        seen.append(here())
        yield 1
        seen.append(here())

    async for _ in produce():
        assert here() == "root"
    assert seen == ["decorated", "decorated"]
