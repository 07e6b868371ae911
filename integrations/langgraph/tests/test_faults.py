# SPDX-License-Identifier: Apache-2.0
"""Faults that use has found in the LangGraph adapter, by their numbers in the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict
from uuid import uuid4

import pytest
from langgraph.callbacks import GraphInterruptEvent, GraphResumeEvent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Interrupt, RetryPolicy, interrupt

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langgraph import (
    RelayCallbackHandler,
    RelayCheckpointer,
    configure_graph,
    wrap_graph,
)
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node

from .graphs import line, named, only, told

THREAD: Any = {"configurable": {"thread_id": "t"}}
TWICE = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=(ValueError, LookupError))


class Failing:
    """Fails with its own error until it has been called often enough."""

    def __init__(self, error: type[Exception], times: int) -> None:
        self.error, self.left = error, times

    def __call__(self, name: str) -> str:
        if self.left:
            self.left -= 1
            raise self.error(f"{name} has {self.left} left")
        return name


# --- A7: the functional API


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_a7_attempts_of_a_task(events: CapturedEvents, handler: RelayCallbackHandler, mode: str) -> None:
    left, right = Failing(ValueError, 2), Failing(LookupError, 1)
    if mode == "invoke":

        @task(retry_policy=TWICE)
        def flaky(which: str) -> str:
            return left(which) if which == "left" else right(which)

        @entrypoint()
        def flow(_: str) -> list[str]:
            return [each.result() for each in [flaky("left"), flaky("right")]]

        found = flow.invoke("", {"callbacks": [handler]})
    else:

        @task(retry_policy=TWICE)
        async def flaky(which: str) -> str:
            return left(which) if which == "left" else right(which)

        @entrypoint()
        async def flow(_: str) -> list[str]:
            return [await each for each in [flaky("left"), flaky("right")]]

        found = await flow.ainvoke("", {"callbacks": [handler]})
    assert found == ["left", "right"]
    tries = named(events, "flaky")
    assert {each.metadata["relay.kind"] for each in tries} == {"task"}
    assert sorted(each.metadata["node_attempt"] for each in tries) == [1, 1, 2, 2, 3]
    retries = [mark.data for mark in only(events, "flow").marks if mark.name == "retry"]
    # Two tasks failed meanwhile: each mark tells the error of its own.
    assert sorted((data["attempt"], data["error"]["type"], data["error"]["message"]) for data in retries) == [
        (2, "LookupError", "right has 0 left"),
        (2, "ValueError", "left has 1 left"),
        (3, "ValueError", "left has 0 left"),
    ]


def test_a7_a_task_that_a_task_calls(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    inner_graph = line(quiet, name="inner graph")

    @task
    def countdown(number: int) -> int:
        return countdown(number - 1).result() if number else number  # of the same name as its caller

    @task
    def outer(number: int) -> int:
        inner_graph.invoke({"x": []})
        return int(countdown(number).result())

    @entrypoint()
    def flow(number: int) -> int:
        return int(outer(number).result())

    assert flow.invoke(2, {"callbacks": [handler]}) == 0
    kinds = {name: {node.metadata["relay.kind"] for node in named(events, name)} for name in ("outer", "countdown")}
    assert kinds == {"outer": {"task"}, "countdown": {"task"}}
    assert only(events, "inner graph").metadata["relay.kind"] == "subgraph"
    assert len(named(events, "countdown")) == 3
    assert "retry" not in {mark.name for node in events.tree().walk() for mark in node.marks}


def quiet(state: Any) -> Any:
    """Change nothing."""
    return {"x": []}


def test_a7_a_task_that_a_node_calls(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    @task(retry_policy=TWICE)
    def once_more(number: int, trouble: Failing) -> str:
        return trouble(str(number))

    def node(state: Any) -> Any:
        return {"x": [once_more(1, Failing(ValueError, 1)).result()]}

    assert line(node).invoke({"x": []}, {"callbacks": [handler]}) == {"x": ["1"]}
    first, second = named(events, "once_more")
    assert (first.metadata["relay.kind"], second.metadata["node_attempt"]) == ("task", 2)


# --- A9: what a resumption is linked to


class Asking(TypedDict, total=False):
    a: str
    b: str


def asking(checkpointer: Any) -> Any:
    graph = StateGraph(Asking)
    graph.add_node("ask_a", lambda state: {"a": interrupt("a?")})
    graph.add_node("ask_b", lambda state: {"b": interrupt("b?")})
    graph.add_edge(START, "ask_a")
    graph.add_edge("ask_a", "ask_b")
    return graph.compile(name="G", checkpointer=checkpointer)


def resumptions(events: CapturedEvents) -> list[tuple[Node, Any]]:
    """Each run that was resumed, with the data of its mark."""
    return [(run, mark.data) for run in named(events, "G") for mark in run.marks if mark.name == "Graph Resume"]


def interrupt_ids(run: Node) -> list[str]:
    return next(mark.metadata["relay.interrupt_ids"] for mark in run.marks if mark.name == "Graph Interrupt")


@pytest.fixture(params=["handler", "wrapped"])
def asked(request: pytest.FixtureRequest, handler: RelayCallbackHandler) -> Any:
    """The graph that asks twice, recorded by its callers or by itself."""
    graph = asking(InMemorySaver())
    if request.param == "wrapped":
        graph = wrap_graph(graph)
        return lambda given, config=THREAD: (graph.invoke(given, config), graph)
    return lambda given, config=THREAD: (graph.invoke(given, {**config, "callbacks": [handler]}), graph)


def test_a9_each_answer_goes_to_its_question(events: CapturedEvents, asked: Any) -> None:
    for given in ({}, Command(resume="A"), Command(resume="B")):
        state, _ = asked(given)
    assert state == {"a": "A", "b": "B"}
    first, second, third = named(events, "G")
    (_, one), (_, other) = resumptions(events)
    assert (one["resumed_run_uuid"], other["resumed_run_uuid"]) == (first.uuid, second.uuid)
    assert one["answers"] == {interrupt_ids(first)[0]: "A"}
    assert other["answers"] == {interrupt_ids(second)[0]: "B"}
    assert third.outcome == "ok"


def test_a9_a_finished_thread_waits_for_nothing(events: CapturedEvents, asked: Any) -> None:
    for given in ({}, Command(resume="A"), Command(resume="B"), Command(resume="late"), None):
        asked(given)
    late, nothing = (data for _, data in resumptions(events)[-2:])
    assert "resumed_run_uuid" not in late and "resumed_run_uuid" not in nothing
    assert late["answers"] == "late"


def test_a9_a_fork_does_not_answer_what_was_answered(events: CapturedEvents, asked: Any) -> None:
    for given in ({}, Command(resume="A"), Command(resume="B")):
        _, graph = asked(given)
    past = next(state for state in graph.get_state_history(THREAD) if state.next == ("ask_b",))
    forked = graph.update_state(past.config, {"a": "other"})
    state, _ = asked(Command(resume="again"), forked)
    assert state == {"a": "other", "b": "again"}
    _, data = resumptions(events)[-1]
    assert "resumed_run_uuid" not in data  # on this branch nobody has asked
    assert data["answers"] == "again"


def test_a9_a_fork_that_asks_again_is_answered(events: CapturedEvents, asked: Any) -> None:
    for given in ({}, Command(resume="A")):
        _, graph = asked(given)
    past = next(state for state in graph.get_state_history(THREAD) if state.next == ("ask_a",))
    forked = graph.update_state(past.config, None, as_node="__copy__")
    asked(None, forked)
    state, _ = asked(Command(resume="other A"), graph.get_state(THREAD).config)
    assert state["a"] == "other A"
    (asked_again, _), (answered, data) = resumptions(events)[-2:]
    assert data["resumed_run_uuid"] == asked_again.uuid
    assert data["answers"] == {interrupt_ids(asked_again)[0]: "other A"}
    assert answered.outcome == "interrupted"


def test_a9_a_breakpoint(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    def before(state: Any) -> Any:
        return {"x": ["before"]}

    graph = line(before, quiet, checkpointer=InMemorySaver())
    config = {**THREAD, "callbacks": [handler]}
    graph.invoke({"x": []}, config, interrupt_before=["quiet"])
    graph.invoke(None, config)
    graph.invoke(None, config)
    first, _, _ = named(events, "G")
    (_, data), (_, finished) = resumptions(events)
    assert data["resumed_run_uuid"] == first.uuid
    assert "resumed_run_uuid" not in finished


@pytest.mark.parametrize("mode", ["stream", "astream"])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_a9_a_consumer_that_leaves_at_the_question(
    events: CapturedEvents, handler: RelayCallbackHandler, mode: str, wrapped: bool
) -> None:
    """As web services do: the stream is left at the interrupt, and LangGraph has no occasion to tell that it paused."""
    graph = asking(InMemorySaver())
    config = THREAD if wrapped else {**THREAD, "callbacks": [handler]}
    graph = wrap_graph(graph) if wrapped else graph
    if mode == "stream":
        stream = graph.stream({}, config)
        next(stream)
        stream.close()
        graph.invoke(Command(resume="A"), config)
    else:
        chunks = graph.astream({}, config)
        await anext(chunks)  # ... and it is closed when it is collected, after the thread has gone on
        await graph.ainvoke(Command(resume="A"), config)
        await chunks.aclose()
    first, second = named(events, "G")
    assert (first.outcome, first.metadata["reason"]) == ("interrupted", "consumer_closed")
    (mark,) = (mark for mark in first.marks if mark.name == "Graph Interrupt")
    assert [one["value"] for one in mark.data["interrupts"]] == ["a?"]
    ((_, data),) = resumptions(events)
    assert data["resumed_run_uuid"] == first.uuid
    assert data["answers"] == {mark.data["interrupts"][0]["id"]: "A"}
    assert second.outcome == "interrupted"


async def test_a9_the_latest_consumer_that_left_is_answered(
    events: CapturedEvents, handler: RelayCallbackHandler
) -> None:
    """Of a run that told its pause and one that asked the same again and was left, the latter is resumed."""
    graph = asking(InMemorySaver())
    config = {**THREAD, "callbacks": [handler]}
    await graph.ainvoke({}, config)
    chunks = graph.astream(None, config)
    await anext(chunks)
    await graph.ainvoke(Command(resume="A"), config)
    await chunks.aclose()
    paused, left, _ = named(events, "G")
    assert paused.outcome == left.outcome == "interrupted"
    assert [data.get("resumed_run_uuid") for _, data in resumptions(events)] == [paused.uuid, left.uuid]


async def test_a9_an_open_run_of_another_thread_is_not_answered(
    events: CapturedEvents, handler: RelayCallbackHandler
) -> None:
    graph = asking(InMemorySaver())
    here, there = ({"configurable": {"thread_id": one}, "callbacks": [handler]} for one in ("here", "there"))
    mine, other = graph.astream({}, here), graph.astream({}, there)
    await anext(mine)
    await anext(other)
    await graph.ainvoke(Command(resume="A"), here)
    await mine.aclose()
    await other.aclose()
    first = named(events, "G")[0]
    ((_, data),) = resumptions(events)
    assert data["resumed_run_uuid"] == first.uuid


# --- A11: the size of a checkpoint costs nothing


class CountingSerializer(JsonPlusSerializer):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        self.calls += 1
        return super().dumps_typed(obj)


class CountingSaver(InMemorySaver):
    """A checkpointer with a state of its own."""

    def __init__(self) -> None:
        super().__init__(serde=CountingSerializer())
        self.puts = 0

    def put(self, *args: Any) -> Any:
        self.puts += 1
        assert isinstance(self, CountingSaver)
        return super().put(*args)


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_a11_a_checkpoint_is_serialised_once(events: CapturedEvents, mode: str) -> None:
    savers = plain, recorded = CountingSaver(), CountingSaver()
    serializers: list[Any] = [saver.serde for saver in savers]
    for graph in (line(quiet, checkpointer=plain), wrap_graph(line(quiet, checkpointer=recorded))):
        if mode == "invoke":
            graph.invoke({"x": ["y" * 50_000]}, THREAD)
        else:
            await graph.ainvoke({"x": ["y" * 50_000]}, THREAD)
    assert serializers[0].calls == serializers[1].calls > 0
    assert plain.puts == recorded.puts > 0
    assert recorded.serde is serializers[1]
    assert type(recorded) is CountingSaver
    saves = [mark.data for mark in only(events, "G").marks if mark.name == "Checkpoint Save"]
    assert max(save["bytes"] for save in saves) > 50_000


class Opaque(InMemorySaver):
    """A checkpointer whose class will not be subclassed."""

    def __init_subclass__(cls) -> None:
        raise TypeError("final")


def test_a11_a_checkpointer_that_cannot_be_metered(events: CapturedEvents) -> None:
    graph = wrap_graph(line(quiet, checkpointer=Opaque()))
    graph.invoke({"x": []}, THREAD)
    saves = [mark.data for mark in told(only(events, "G")) if mark.name == "Checkpoint Save"]
    assert saves and all("bytes" not in save for save in saves)
    assert graph.get_state(THREAD).values == {"x": []}


def test_a11_a_serializer_of_any_truth_value() -> None:
    class Falsy(JsonPlusSerializer):
        def __bool__(self) -> bool:
            return False

    inner, serializer = InMemorySaver(), Falsy()
    inner.serde = serializer
    assert RelayCheckpointer(inner).serde is serializer


def test_a11_an_error_of_the_checkpointer_is_its_own() -> None:
    class Broken(InMemorySaver):
        def put(self, *args: Any) -> Any:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        RelayCheckpointer(Broken()).put({}, {}, {}, {})


# --- B2: a run that was not seen to start


@pytest.mark.parametrize("name", ["Graph Interrupt", "Graph Resume"])
def test_b2_a_run_that_nobody_saw_start(events: CapturedEvents, handler: RelayCallbackHandler, name: str) -> None:
    run_id = uuid4()
    with scope.scope("app", ScopeType.Function):
        if name == "Graph Interrupt":
            pauses = (Interrupt("may I?", id="i1"),)
            handler.on_interrupt(GraphInterruptEvent(run_id, "pending", "c1", ("sub:1",), pauses))
        else:
            handler.on_resume(GraphResumeEvent(run_id, "pending", "c1", ("sub:1",)))
    (mark,) = only(events, "app").marks
    assert mark.name == name
    assert mark.metadata["integration"] == "langgraph"
    wanted = {"run_id": str(run_id), "status": "pending", "checkpoint_id": "c1", "checkpoint_ns": ["sub:1"]}
    assert wanted.items() <= mark.data.items()
    if name == "Graph Interrupt":
        assert mark.data["interrupts"] == [{"id": "i1", "value": "may I?"}]


# --- a copy that is thrown away


def test_a_discarded_copy_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    graph = line(quiet)
    wrap_graph(graph)
    configure_graph(graph)
    first, second = capsys.readouterr().err.splitlines()
    assert "wrap_graph returns" in first and "graph = wrap_graph(graph)" in first
    assert "configure_graph returns" in second and "in_place=True" in second
    assert __file__ in first


def test_a_copy_that_is_kept_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    graph = line(quiet)
    kept = [wrap_graph(graph), configure_graph(graph, detail="all")]
    wrap_graph(kept[0])  # is the very same
    wrap_graph(graph).invoke({"x": []})
    configure_graph(line(quiet), in_place=True)
    assert capsys.readouterr().err == ""


# --- A12: whose run it is


@dataclass
class Who:
    user_id: str = "u1"
    session_id: str = "s1"
    secret: str = "not for events"


CALLS: dict[str, Any] = {  # config and context, and the session and user of the span
    "metadata": ({"metadata": {"session_id": "s1", "user_id": "u1"}}, None, "s1", "u1"),
    "configurable": ({"configurable": {"session_id": "s1", "user_id": 1}}, None, "s1", "1"),
    "context": ({}, Who(), "s1", "u1"),
    "context as a mapping": ({}, {"user_id": "u1"}, "t", "u1"),
    "metadata first": ({"metadata": {"user_id": "m1"}, "configurable": {"user_id": "u1"}}, Who(), "s1", "m1"),
    "the thread": ({}, None, "t", None),
    "no value to name": ({"configurable": {"user_id": ["u1"], "session_id": True}}, None, "t", None),
}


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("way", CALLS)
async def test_a12_session_user_and_thread(
    events: CapturedEvents, handler: RelayCallbackHandler, mode: str, way: str
) -> None:
    given, context, session, user = CALLS[way]
    configurable = {"thread_id": "t", **given.get("configurable", {})}
    config: Any = {**given, "configurable": configurable, "callbacks": [handler]}
    graph = line(quiet, checkpointer=InMemorySaver())
    if mode.startswith("a"):
        _ = [chunk async for chunk in graph.astream({"x": []}, config, context=context)]
    else:
        _ = list(graph.stream({"x": []}, config, context=context))
    metadata = only(events, "G").metadata
    assert (metadata["thread_id"], metadata["session_id"], metadata.get("user_id")) == ("t", session, user)
    assert "not for events" not in str([event.to_dict() for event in events])


def test_a12_an_authenticated_user_is_a_fingerprint(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    config: Any = {"configurable": {"langgraph_auth_user": {"identity": "ann@example.org"}}, "callbacks": [handler]}
    line(quiet).invoke({"x": []}, config)
    assert only(events, "G").metadata["user_id"].startswith("sha256:")
    assert "ann@example.org" not in str([event.to_dict() for event in events])


def test_a12_two_runs_of_a_thread_name_each_other(events: CapturedEvents, asked: Any) -> None:
    for given in ({}, Command(resume="A")):
        asked(given)
    first, second = named(events, "G")
    (paused,) = (mark for mark in first.marks if mark.name == "Graph Interrupt")
    (resumed,) = (mark for mark in second.marks if mark.name == "Graph Resume")
    assert resumed.metadata["relay.resumed_run_uuid"] == first.uuid
    assert resumed.metadata["relay.interrupt_ids"] == paused.metadata["relay.interrupt_ids"]
    assert first.metadata["session_id"] == second.metadata["session_id"] == "t"
