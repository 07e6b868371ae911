# SPDX-License-Identifier: Apache-2.0
"""Scenarios 11, 44, 45 and 50: structured output, node timeouts, ways to stream, a graph in another process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import langgraph.errors
import langgraph.runtime
import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel
from langgraph.pregel.remote import RemoteGraph
from langsmith.utils import tracing_is_enabled
from pydantic import BaseModel, ConfigDict, Field

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langchain._runs.table import counts
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.integrations.langgraph import RelayCallbackHandler, RelayMiddleware, propagate_headers, wrap_graph
from nemo_relay.testing import CapturedEvents, expect_tree

from .graphs import ASK, State, add, calculator, line, named, only

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


class Weather(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    city_name: str = Field(alias="cityName")


@dataclass
class Place:
    name: str


@dataclass
class Trip:
    to: Place
    days: int


FORMATS: dict[str, tuple[Any, dict[str, Any]]] = {
    "alias": (Weather, {"cityName": "Paris"}),
    "nested": (Trip, {"to": {"name": "Rome"}, "days": 2}),
}


@BOTH
@pytest.mark.parametrize("kind", FORMATS)
async def test_s11_structured_output(events: CapturedEvents, mode: str, kind: str) -> None:
    schema, args = FORMATS[kind]
    asked = {"name": schema.__name__, "args": args, "id": "k"}
    model = ScriptedChatModel(script=[AIMessage("", tool_calls=[asked])])

    async def run(*middleware: Any, **config: Any) -> Any:
        graph = create_agent(model, [add], name="A", middleware=middleware, response_format=ToolStrategy(schema))
        return graph.invoke(ASK, config) if mode == "invoke" else await graph.ainvoke(ASK, config)

    plain = await run()
    ours = await run(RelayMiddleware(), callbacks=[RelayCallbackHandler()])
    assert type(ours["structured_response"]) is schema
    assert ours["structured_response"] == plain["structured_response"]
    call = only(events, "scripted")
    assert call.outcome == "ok"
    assert "structured_response" in call.output


@BOTH
@pytest.mark.parametrize("kind", FORMATS)
async def test_s11_structured_output_by_the_provider(events: CapturedEvents, mode: str, kind: str) -> None:
    schema, args = FORMATS[kind]
    model = ScriptedChatModel(script=[json.dumps(args)])

    async def run(*middleware: Any, **config: Any) -> Any:
        graph = create_agent(model, name="A", middleware=middleware, response_format=ProviderStrategy(schema))
        return graph.invoke(ASK, config) if mode == "invoke" else await graph.ainvoke(ASK, config)

    plain = await run()
    ours = await run(RelayMiddleware(), callbacks=[RelayCallbackHandler()])
    assert type(ours["structured_response"]) is schema
    assert ours["structured_response"] == plain["structured_response"]
    call = only(events, "scripted")
    assert (call.outcome, json.loads(call.output["content"])) == ("ok", args)


async def test_s44_a_superstep_that_times_out(events: CapturedEvents) -> None:
    async def slow(state: State) -> State:
        await asyncio.sleep(30)
        return {}

    graph = wrap_graph(line(slow))
    graph.step_timeout = 0.05
    with pytest.raises(TimeoutError):
        await graph.ainvoke({"x": []})
    assert only(events, "G").outcome in ("error", "cancelled")
    assert only(events, "slow").outcome == "cancelled"


@pytest.mark.skipif(not hasattr(langgraph.errors, "NodeTimeoutError"), reason="this LangGraph has no node timeouts")
async def test_s44_a_node_that_times_out(events: CapturedEvents) -> None:
    async def slow(state: State) -> State:
        await asyncio.sleep(30)
        return {}

    with pytest.raises(langgraph.errors.NodeTimeoutError):
        await wrap_graph(line(slow, timeout=0.05)).ainvoke({"x": []})
    root = only(events, "G")
    assert (root.outcome, root.metadata["error.type"]) == ("error", "NodeTimeoutError")
    assert root.metadata["otel.status_code"] == "ERROR"
    assert only(events, "slow").outcome == "cancelled"  # what the framework tells the node


@pytest.mark.skipif(not hasattr(langgraph.runtime, "RunControl"), reason="this LangGraph cannot be drained")
@BOTH
async def test_s44_a_graph_that_is_drained(events: CapturedEvents, mode: str) -> None:
    control = langgraph.runtime.RunControl()

    def first(state: State) -> State:
        control.request_drain("sigterm")
        return {"x": [1]}

    def second(state: State) -> State:
        return {"x": [2]}

    graph = wrap_graph(line(first, second))
    with pytest.raises(langgraph.errors.GraphDrained):
        if mode == "invoke":
            graph.invoke({"x": []}, control=control)
        else:
            await graph.ainvoke({"x": []}, control=control)
    root = only(events, "G")
    assert (root.outcome, root.metadata["otel.status_code"]) == ("drained", "UNSET")
    assert "sigterm" in root.output["reason"]
    assert [(child.name, child.outcome) for child in root.children] == [("first", "ok")]


@BOTH
async def test_s44_a_node_that_raises(events: CapturedEvents, mode: str) -> None:
    error = LookupError("no such thing")

    def broken(state: State) -> State:
        raise error

    graph = wrap_graph(line(broken))
    with pytest.raises(LookupError) as caught:
        graph.invoke({"x": []}) if mode == "invoke" else await graph.ainvoke({"x": []})
    assert caught.value is error
    for name in ("G", "broken"):
        span = only(events, name)
        assert (span.outcome, span.output["error"]["type"]) == ("error", "LookupError")


TREE = """
agent:calc {ok}
    function:model
        llm:scripted {ok}
    function:tools
        tool:add {ok}
    function:model
        llm:scripted {ok}
"""


KINDS = ["values", "updates", "messages", "tasks", "custom", "debug", "checkpoints", "tools"]


@pytest.mark.parametrize("middleware", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
async def test_s45_stream_modes(events: CapturedEvents, kind: Any, middleware: int) -> None:
    graph = wrap_graph(calculator(middleware=[RelayMiddleware()] * middleware, checkpointer=InMemorySaver()))

    async def both(graph: Any, thread: str) -> list[int]:
        places: list[Any] = [{"configurable": {"thread_id": thread + which}} for which in "12"]
        found = list(graph.stream(ASK, places[0], stream_mode=kind))
        return [len(found), len([part async for part in graph.astream(ASK, places[1], stream_mode=kind)])]

    assert await both(graph, "ours") == await both(calculator(checkpointer=InMemorySaver()), "plain")
    _ = [
        part
        async for part in graph.astream(ASK, {"configurable": {"thread_id": "s"}}, stream_mode=kind, subgraphs=True)
    ]
    expect_tree(events.tree(), TREE * 3)


@pytest.mark.parametrize("middleware", [0, 1])
async def test_s45_stream_events(events: CapturedEvents, middleware: int) -> None:
    graph = wrap_graph(calculator(middleware=[RelayMiddleware()] * middleware))
    names = [event["event"] async for event in graph.astream_events(ASK, version="v2")]
    assert "on_chat_model_stream" in names
    expect_tree(events.tree(), TREE)


V3 = pytest.mark.skipif(not hasattr(Pregel, "stream_events"), reason="this LangGraph has no version 3 of its events")
BETA = pytest.mark.filterwarnings("ignore:The v3 streaming protocol")


@V3
@BETA
@pytest.mark.parametrize("middleware", [0, 1])
@BOTH
async def test_s45_stream_events_of_version_3(events: CapturedEvents, mode: str, middleware: int) -> None:
    graph: Any = wrap_graph(calculator(middleware=[RelayMiddleware()] * middleware))
    if mode == "invoke":
        with graph.stream_events(ASK, version="v3") as run:
            assert [event for event in run]  # noqa: C416 - a run is an iterator and more
    else:
        async with await graph.astream_events(ASK, version="v3") as run:
            assert [event async for event in run]
    expect_tree(events.tree(), TREE)


@V3
@BETA
@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_s45_events_that_nobody_reads_to_the_end(events: CapturedEvents, version: Any) -> None:
    graph: Any = wrap_graph(calculator())
    if version == "v3":
        async with await graph.astream_events(ASK, version="v3") as run:
            await anext(aiter(run))
    else:
        if tracing_is_enabled():
            pytest.skip("by the run's id it is found lost; LangSmith's client keeps that until it gives up sending")
        source = graph.astream_events(ASK, version="v2")
        await anext(source)
        await source.aclose()
        for _ in range(1_000):  # LangChain runs it in a task of its own, and cancels that
            await asyncio.sleep(0.001)
            if not counts()[0]:
                break
    assert only(events, "calc").outcome == "cancelled"


class Quiet(BaseHTTPRequestHandler):
    """Streams one state, and writes no log."""

    def answer(self, state: Any) -> None:
        body = f"event: values\ndata: {json.dumps(state)}\n\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(Quiet):
    """Answers like a LangGraph server that runs a graph at once."""

    seen: list[dict[str, str]]

    def do_POST(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.answer({"x": [7]})


def test_s50_a_remote_graph(events: CapturedEvents) -> None:
    handler = type("Handler", (Server,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        remote = RemoteGraph("far", url=f"http://127.0.0.1:{server.server_port}")

        def far(state: State) -> Any:
            return remote.invoke({"x": []}, headers=propagate_headers({"x-team": "red"}))

        with scope.scope("app", ScopeType.Function):
            state = wrap_graph(line(far)).invoke({"x": []})
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert state == {"x": [7]}
    (headers,) = handler.seen  # type: ignore[attr-defined]
    assert headers["x-team"] == "red"
    span = headers["traceparent"].split("-")[2]
    nodes = [node for node in events.tree().walk() if span in node.uuid.replace("-", "")]
    assert [node.name for node in nodes] == ["far"]
    assert named(events, "far")


class Asked(Quiet):
    """Runs a graph as LangGraph Server does: what it is told of the request's headers is ``configurable``."""

    graph: Any
    include: tuple[str, ...]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        configurable = {name: headers[name] for name in self.include if name in headers}
        state = self.graph.invoke({"x": []}, {"configurable": configurable})
        self.answer(state)


def there(state: State) -> State:
    return {"x": ["there"]}


@contextmanager
def serving(*include: str) -> Iterator[str]:
    """A server for a graph ``far``; its address."""
    handler = type("Handler", (Asked,), {"graph": wrap_graph(line(there, name="far")), "include": include})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@BOTH
async def test_s50_the_remote_run_is_a_child_of_the_node_that_called(events: CapturedEvents, mode: str) -> None:
    with serving("traceparent", "x-nemo-relay-context") as url:
        remote = RemoteGraph("far", url=url)

        def near(state: State) -> Any:
            return remote.invoke({"x": []}, headers=propagate_headers())

        async def anear(state: State) -> Any:
            return await remote.ainvoke({"x": []}, headers=propagate_headers())

        anear.__name__ = "near"
        with scope.scope("app", ScopeType.Agent):
            if mode == "invoke":
                state = await asyncio.to_thread(wrap_graph(line(near)).invoke, {"x": []})
            else:
                state = await wrap_graph(line(anear)).ainvoke({"x": []})
    assert state == {"x": ["there"]}
    expect_tree(
        events.tree(),
        """
        agent:app
            agent:G {ok}
                <Superstep Start>
                function:near {ok}
                    agent:far {ok}
                        <Superstep Start>
                        function:there {ok}
                        <Superstep End>
                <Superstep End>
        """,
    )
    (root,) = (event for event in events.starts() if event.name == "far")
    (app,) = (event for event in events.starts() if event.name == "app")
    assert root.propagation_root_uuid == app.propagation_root_uuid


def test_s50_a_traceparent_alone_gives_the_trace(events: CapturedEvents, scope_stack: str) -> None:
    if scope_stack == "imported":
        pytest.skip("the scope of another process that is current here is nearer")
    header = f"00-{'a' * 32}-{'b' * 16}-01"
    seen: list[str] = []

    def inside(state: State) -> State:
        seen.append(propagate_headers()["traceparent"])
        return {}

    wrap_graph(line(inside)).invoke({"x": []}, {"configurable": {"traceparent": header}})
    (root,) = (event for event in events.starts() if event.name == "G")
    assert root.parent_uuid is not None
    assert root.parent_uuid.replace("-", "").endswith("b" * 16)
    assert seen[0].split("-")[1] == "a" * 32
    assert len(named(events, "inside")) == 1


@pytest.mark.parametrize("configurable", [{"traceparent": "junk"}, {"x-nemo-relay-context": "{}"}, {"traceparent": 7}])
def test_s50_headers_that_make_no_sense_change_nothing(events: CapturedEvents, configurable: Any) -> None:
    wrap_graph(line(there)).invoke({"x": []}, {"configurable": configurable})
    assert [root.name for root in events.tree().roots] == ["G"]


def test_s50_a_scope_of_the_server_is_nearer(events: CapturedEvents) -> None:
    with scope.scope("elsewhere", ScopeType.Function):
        headers = propagate_headers()
    with scope.scope("server", ScopeType.Function):
        wrap_graph(line(there)).invoke({"x": []}, {"configurable": headers})
    assert [child.name for child in named(events, "server")[0].children] == ["G"]


def test_s50_nodes_of_a_remote_run_end_in_any_order(events: CapturedEvents) -> None:
    def early(state: State) -> State:
        return {"x": [1]}

    def late(state: State) -> State:
        threading.Event().wait(0.05)
        return {"x": [2]}

    graph = StateGraph(State)
    for node in (late, early):
        graph.add_node(node.__name__, node)
        graph.add_edge(START, node.__name__)
    with scope.scope("elsewhere", ScopeType.Function):
        headers = propagate_headers()
    wrap_graph(graph.compile(name="G")).invoke({"x": []}, {"configurable": headers})  # type: ignore[arg-type]
    assert {child.name: child.outcome for child in only(events, "G").children} == {"early": "ok", "late": "ok"}


def test_s50_outside_of_everything_there_is_nothing_to_tell() -> None:
    given = {"x-team": "red"}
    found = Context().run(propagate_headers, given)
    assert found == given
    assert found is not given
