# SPDX-License-Identifier: Apache-2.0
"""Scenario 41: a node that a cache answers for does not run, and the tree says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint, task
from langgraph.types import CachePolicy

from nemo_relay.integrations.langgraph import RelayCache, RelayCallbackHandler, wrap_graph
from nemo_relay.testing import CapturedEvents, expect_tree

from .graphs import State, line, named, told

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def n(state: State) -> State:
    return {"x": ["n"]}


def cached(cache: Any = None, name: str = "G") -> Any:
    graph = line(n, name=name, cache_policy=CachePolicy())
    graph.cache = cache or InMemoryCache()
    return graph


async def call(graph: Any, mode: str, given: Any, **config: Any) -> Any:
    return graph.invoke(given, config) if mode == "invoke" else await graph.ainvoke(given, config)


@BOTH
async def test_s41_a_cached_node(events: CapturedEvents, mode: str) -> None:
    graph = wrap_graph(cached())
    first = await call(graph, mode, {"x": [1]})
    second = await call(graph, mode, {"x": [1]})
    third = await call(graph, mode, {"x": [2]})
    assert (first, second, third["x"]) == ({"x": [1, "n"]}, {"x": [1, "n"]}, [2, "n"])
    expect_tree(
        events.tree(),
        """
        agent:G {ok}
            <Superstep Start>
            function:n {ok}
            <Superstep End>
        agent:G {ok}
            <node.cache_hit>
        agent:G {ok}
            <Superstep Start>
            function:n {ok}
            <Superstep End>
        """,
    )
    (mark,) = named(events, "G")[1].marks
    assert mark.data == {"node": "n"}


@BOTH
async def test_s41_a_cached_task(events: CapturedEvents, mode: str) -> None:
    if mode == "invoke":

        @task(cache_policy=CachePolicy())
        def double(number: int) -> int:
            return 2 * number

        @entrypoint(cache=InMemoryCache())
        def flow(count: int) -> list[int]:
            return [future.result() for future in [double(number) for number in range(count)]]
    else:

        @task(cache_policy=CachePolicy())
        async def double(number: int) -> int:
            return 2 * number

        @entrypoint(cache=InMemoryCache())
        async def flow(count: int) -> list[int]:
            return list(await asyncio.gather(*(double(number) for number in range(count))))

    graph = wrap_graph(flow)
    assert await call(graph, mode, 2) == await call(graph, mode, 2) == [0, 2]
    root = events.tree().roots[1]
    assert [mark.data for mark in root.marks if mark.name == "node.cache_hit"] == [{"node": "double"}] * 2
    assert len(named(events, "double")) == 2


async def test_s41_each_of_many_runs_at_once_has_its_own_mark(events: CapturedEvents) -> None:
    graph = wrap_graph(cached())
    await graph.ainvoke({"x": [1]})
    streams = [graph.astream({"x": [1]}) for _ in range(3)]  # all in this one task, by turns
    for _ in range(3):
        for stream in streams:
            await anext(stream, None)
    assert [[mark.name for mark in run.marks] for run in named(events, "G")[1:]] == [["node.cache_hit"]] * 3


def test_s41_inside_another_graph(events: CapturedEvents) -> None:
    inner = wrap_graph(cached(name="inner"))

    def child(state: State) -> State:
        return {"x": inner.invoke({"x": [1]})["x"]}

    graph = wrap_graph(line(child, name="outer"))
    graph.invoke({"x": []})
    graph.invoke({"x": []})
    assert [[mark.name for mark in told(run)] for run in named(events, "inner")] == [[], ["node.cache_hit"]]
    assert [told(run) for run in named(events, "outer")] == [[], []]


def test_s41_by_hand(events: CapturedEvents) -> None:
    cache = RelayCache(InMemoryCache())
    graph = cached(cache)
    assert wrap_graph(graph).cache is cache
    for _ in range(2):
        graph.invoke({"x": [1]}, {"callbacks": [RelayCallbackHandler()]})
    assert [mark.name for mark in named(events, "G")[1].marks] == ["node.cache_hit"]
    cache.clear()
    graph.invoke({"x": [1]}, {"callbacks": [RelayCallbackHandler()]})
    assert len(named(events, "n")) == 2
