# SPDX-License-Identifier: Apache-2.0
"""Observation alone changes nothing: graphs of every kind, played plain and recorded, look the same to their callers.

Compared are results, chunks of every stream mode, checkpoints, exceptions with their texts and notes, threads and the
smallest recursion limit. What differs from run to run (ids, times) is replaced by the order in which it turns up.
"""

from __future__ import annotations

import asyncio
import operator
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, StreamWriter, interrupt

from nemo_relay.integrations.langchain import callback_failures
from nemo_relay.integrations.langgraph import RelayCallbackHandler, instrument, uninstrument, wrap_graph
from nemo_relay.testing import capture_events

from .graphs import ASK, calculator

MODES: Any = ["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"]
IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)?")
OURS = ("relay.run_uuid",)  # the one key that `wrap_graph` adds to the metadata of checkpoints


class State(TypedDict, total=False):
    x: Annotated[list[Any], operator.add]
    route: str


Builder = Callable[[], tuple[Any, list[Any]]]  # a graph, and what it is called with, one after the other


def node(label: str) -> Callable[[State], State]:
    def run(state: State) -> State:
        return {"x": [label]}

    return run


def linear() -> tuple[Any, list[Any]]:
    graph = StateGraph(State)
    graph.add_sequence([("a", node("a")), ("b", node("b"))])
    graph.add_edge(START, "a")
    return graph.compile(checkpointer=InMemorySaver()), [{"x": []}, {"x": ["again"]}]


def fan_out() -> tuple[Any, list[Any]]:
    graph = StateGraph(State)
    graph.add_node("work", lambda state: {"x": [state["route"]]})
    graph.add_node("join", node("join"))
    graph.add_conditional_edges(START, lambda state: [Send("work", {"route": name}) for name in "abc"], ["work"])
    graph.add_edge("work", "join")
    return graph.compile(checkpointer=InMemorySaver()), [{"x": []}]


def commanded() -> tuple[Any, list[Any]]:
    def choose(state: State) -> Command[Any]:
        return Command(goto="b", update={"x": ["chosen"]})

    graph = StateGraph(State)
    graph.add_node("choose", choose, destinations=("b", END))
    graph.add_node("b", node("b"))
    graph.add_edge(START, "choose")
    return graph.compile(checkpointer=InMemorySaver()), [{"x": []}]


def interrupted() -> tuple[Any, list[Any]]:
    def ask(state: State) -> State:
        return {"x": [interrupt({"question": "a?"}), interrupt("b?")]}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("other", lambda state: {"x": [interrupt("c?")]})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "other")
    calls = [{"x": []}, *(Command(resume=answer) for answer in ("A", "B", "C", "late"))]
    return graph.compile(checkpointer=InMemorySaver()), calls


def static_breakpoint() -> tuple[Any, list[Any]]:
    graph = StateGraph(State)
    graph.add_sequence([("a", node("a")), ("b", node("b"))])
    graph.add_edge(START, "a")
    return graph.compile(checkpointer=InMemorySaver(), interrupt_before=["b"], interrupt_after=["b"]), [{"x": []}, None]


def nested(*, checkpointer: Any = None) -> tuple[Any, list[Any]]:
    inner = StateGraph(State)
    inner.add_node("deep", lambda state: {"x": [interrupt("deep?")]})
    inner.add_edge(START, "deep")
    outer = StateGraph(State)
    outer.add_node("sub", inner.compile(checkpointer=checkpointer))
    outer.add_node("after", node("after"))
    outer.add_edge(START, "sub")
    outer.add_edge("sub", "after")
    return outer.compile(checkpointer=InMemorySaver()), [{"x": []}, Command(resume="yes")]


def handed_off() -> tuple[Any, list[Any]]:
    inner = StateGraph(State)
    inner.add_node("leave", lambda state: Command(goto="after", graph=Command.PARENT, update={"x": ["left"]}))
    inner.add_edge(START, "leave")
    outer = StateGraph(State)
    outer.add_node("sub", inner.compile(), destinations=("after",))
    outer.add_node("after", node("after"))
    outer.add_edge(START, "sub")
    return outer.compile(checkpointer=InMemorySaver()), [{"x": []}]


def retried() -> tuple[Any, list[Any]]:
    left = [2]

    def flaky(state: State) -> State:
        if left[0]:
            left[0] -= 1
            raise ValueError(f"{left[0]} left")
        return {"x": ["done"]}

    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=ValueError)
    graph = StateGraph(State)
    graph.add_node("flaky", flaky, retry_policy=policy)
    graph.add_edge(START, "flaky")
    return graph.compile(checkpointer=InMemorySaver()), [{"x": []}]


def cached() -> tuple[Any, list[Any]]:
    graph = StateGraph(State)
    graph.add_node("slow", node("slow"), cache_policy=CachePolicy(key_func=lambda state: b"k"))
    graph.add_edge(START, "slow")
    return graph.compile(cache=InMemoryCache(), checkpointer=InMemorySaver()), [{"x": []}, {"x": []}]


def stored() -> tuple[Any, list[Any]]:
    def remember(state: State, runtime: Runtime[Any], config: RunnableConfig, writer: StreamWriter) -> State:
        assert runtime.store is not None
        found = runtime.store.get(("notes",), "k")
        runtime.store.put(("notes",), "k", {"n": (found.value["n"] if found is not None else 0) + 1})
        writer({"progress": 1})
        # What LangGraph tells a node of itself is as without us, but for the handlers.
        return {"x": [sorted(config["configurable"]), sorted(config["metadata"]), sorted(config["tags"])]}

    graph = StateGraph(State)
    graph.add_node("remember", remember)
    graph.add_edge(START, "remember")
    return graph.compile(store=InMemoryStore(), checkpointer=InMemorySaver()), [{"x": []}, {"x": []}]


def failing() -> tuple[Any, list[Any]]:
    def fail(state: State) -> State:
        raise LookupError("no such thing")

    graph = StateGraph(State)
    graph.add_sequence([("a", node("a")), ("fail", fail)])
    graph.add_edge(START, "a")
    return graph.compile(checkpointer=InMemorySaver()), [{"x": []}, None]


def looping() -> tuple[Any, list[Any]]:
    graph = StateGraph(State)
    graph.add_node("again", node("again"))
    graph.add_edge(START, "again")
    graph.add_edge("again", "again")
    return graph.compile(checkpointer=InMemorySaver()), [{"x": []}]


def functional() -> tuple[Any, list[Any]]:
    @task
    def double(number: int) -> int:
        return number * 2

    @entrypoint(checkpointer=InMemorySaver())
    def flow(number: int, *, previous: Any = None) -> Any:
        doubled = [each.result() for each in [double(number), double(number + 1)]]
        answer = interrupt("more?")
        return entrypoint.final(value=[*doubled, answer, previous], save=number)

    return flow, [1, Command(resume="yes"), 2]


def agent() -> tuple[Any, list[Any]]:
    return calculator(checkpointer=InMemorySaver()), [ASK]


def deferred() -> tuple[Any, list[Any]]:
    graph = StateGraph(State)
    for name in "abc":
        graph.add_node(name, node(name), defer=name == "c")
        graph.add_edge(START, name)
    return graph.compile(checkpointer=InMemorySaver()), [{"x": []}]


def where() -> tuple[Any, list[Any]]:
    """Threads and tasks: a sole node runs where its caller does, or not, as without us."""

    def place(state: State) -> State:
        return {"x": [threading.current_thread() is threading.main_thread()]}

    graph = StateGraph(State)
    graph.add_node("place", place)
    graph.add_edge(START, "place")
    return graph.compile(), [{"x": []}]


def messages() -> tuple[Any, list[Any]]:
    graph = StateGraph(MessagesState)
    graph.add_node("answer", lambda state: {"messages": [("ai", "hello")]})
    graph.add_edge(START, "answer")
    return graph.compile(checkpointer=InMemorySaver()), [{"messages": [("user", "hi")]}]


GRAPHS = [linear, fan_out, commanded, interrupted, static_breakpoint, handed_off, retried, cached, stored]
GRAPHS += [failing, looping, functional, agent, deferred, where, messages]
BUILDERS: dict[str, Builder] = {made.__name__: made for made in GRAPHS}
BUILDERS["nested"] = nested
BUILDERS["nested with a checkpointer of its own"] = lambda: nested(checkpointer=True)


def plain(value: Any) -> Any:
    """A value as something that can be compared and printed."""
    if isinstance(value, BaseMessage):
        return type(value).__name__, plain(value.model_dump())
    if isinstance(value, BaseException):
        return type(value).__name__, str(value), list(getattr(value, "__notes__", ()))
    if hasattr(value, "_asdict"):
        return type(value).__name__, plain(value._asdict())
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items() if key not in (*OURS, "callbacks")}
    return [plain(item) for item in value] if isinstance(value, (list, tuple, set)) else repr(value)


def described(seen: list[Any]) -> str:
    """All of it as text, with ids in the order of their coming and no times."""
    order: dict[str, str] = {}
    text = TIMES.sub("<time>", repr(plain(seen)))
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    return IDS.sub(lambda found: order.setdefault(found[0], f"<id {len(order)}>"), text)


def attempted(call: Callable[..., Any], *args: Any, **options: Any) -> list[Any]:
    """What a call returned, or the chunks of its stream as far as they came; and what it raised."""
    seen: list[Any] = []
    try:
        found = call(*args, **options)
        if isinstance(found, Iterator):
            seen.extend(found)
        else:
            seen.append(found)
    except Exception as error:
        return [ordered(seen), error]
    return [ordered(seen), None]


CONFIG: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 6, "tags": ["mine"], "metadata": {"who": "me"}}


def ordered(chunks: list[Any]) -> list[Any]:
    """Chunks in their order, but for those of parallel tasks, which come as they come."""
    return sorted(chunks, key=lambda chunk: re.sub(IDS, "", TIMES.sub("", repr(plain(chunk)))))


def played(build: Builder, record: Callable[[Any], tuple[Any, dict[str, Any]]]) -> str:
    seen: list[Any] = []
    for way in ("invoke", "stream", "updates"):
        graph, calls = build()
        graph, more = record(graph)
        config = {**CONFIG, **more}
        for given in calls:
            if way == "invoke":
                seen.append(attempted(graph.invoke, given, config))
            elif way == "stream":
                seen.append(attempted(graph.stream, given, config, stream_mode=MODES, subgraphs=True))
            else:
                seen.append(attempted(graph.stream, given, config))
        if graph.checkpointer is not None:
            seen.append(list(graph.get_state_history(CONFIG)))
    return described(seen)


async def aplayed(build: Builder, record: Callable[[Any], tuple[Any, dict[str, Any]]]) -> str:
    seen: list[Any] = []
    for way in ("ainvoke", "astream"):
        graph, calls = build()
        graph, more = record(graph)
        config = {**CONFIG, **more}
        for given in calls:
            chunks: list[Any] = []
            try:
                if way == "ainvoke":
                    seen.append(await graph.ainvoke(given, config))
                else:
                    async for chunk in graph.astream(given, config, stream_mode=MODES, subgraphs=True):
                        chunks.append(chunk)
            except Exception as error:
                seen.append(error)
            seen.append(ordered(chunks))
        if graph.checkpointer is not None:
            seen.append([state async for state in graph.aget_state_history(CONFIG)])
    return described(seen)


RECORDS: dict[str, Callable[[Any], tuple[Any, dict[str, Any]]]] = {
    "handler": lambda graph: (graph, {"callbacks": [RelayCallbackHandler()]}),
    "wrapped": lambda graph: (wrap_graph(graph), {}),
    "wrapped, with everything": lambda graph: (wrap_graph(graph, detail="all", stream_marks="all"), {}),
    "instrumented": lambda graph: (graph, {}),
}


@pytest.mark.parametrize("way", RECORDS)
@pytest.mark.parametrize("name", BUILDERS)
def test_a_graph_is_as_without_us(name: str, way: str) -> None:
    build = BUILDERS[name]
    before, failures = played(build, lambda graph: (graph, {})), callback_failures()
    if way == "instrumented":
        instrument()
    try:
        with capture_events() as events:
            after = played(build, RECORDS[way])
    finally:
        uninstrument()
    assert after == before
    assert len(events) > 0
    assert callback_failures() == failures


@pytest.mark.allow_blocking  # checkpointers and caches in memory serialise on the loop
@pytest.mark.parametrize("way", RECORDS)
@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "functional"])
async def test_an_asynchronous_graph_is_as_without_us(name: str, way: str) -> None:
    build = BUILDERS[name]
    before, failures = await aplayed(build, lambda graph: (graph, {})), callback_failures()
    if way == "instrumented":
        instrument()
    try:
        with capture_events() as events:
            after = await aplayed(build, RECORDS[way])
    finally:
        uninstrument()
    assert after == before
    assert len(events) > 0
    assert callback_failures() == failures


@pytest.mark.parametrize("way", RECORDS)
def test_the_smallest_recursion_limit_is_the_same(way: str) -> None:
    def smallest(record: Callable[[Any], tuple[Any, dict[str, Any]]]) -> int:
        for limit in range(1, 20):
            graph, more = record(calculator())
            try:
                graph.invoke(ASK, {"recursion_limit": limit, **more})
            except GraphRecursionError:
                continue
            return limit
        raise AssertionError("no limit is enough")

    assert smallest(RECORDS[way]) == smallest(lambda graph: (graph, {}))


@pytest.mark.parametrize("way", RECORDS)
async def test_a_cancelled_graph_is_cancelled(way: str) -> None:
    started = asyncio.Event()

    async def wait(state: State) -> State:
        started.set()
        await asyncio.Event().wait()
        return {}

    graph = StateGraph(State)
    graph.add_node("wait", wait)
    graph.add_edge(START, "wait")
    recorded, more = RECORDS[way](graph.compile())
    with capture_events():
        running = asyncio.create_task(recorded.ainvoke({"x": []}, more))
        await started.wait()
        running.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await running
    assert running.cancelled()
