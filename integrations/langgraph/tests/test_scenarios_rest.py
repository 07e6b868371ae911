# SPDX-License-Identifier: Apache-2.0
"""Scenarios 11, 44, 45 and 50: structured output, node timeouts, ways to stream, a graph in another process."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage
from langgraph.pregel.remote import RemoteGraph
from pydantic import BaseModel, ConfigDict, Field

from nemo_relay import ScopeType, scope
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


async def test_s44_a_node_that_times_out(events: CapturedEvents) -> None:
    async def slow(state: State) -> State:
        await asyncio.sleep(30)
        return {}

    graph = wrap_graph(line(slow))
    graph.step_timeout = 0.05
    with pytest.raises(TimeoutError):
        await graph.ainvoke({"x": []})
    assert only(events, "G").outcome in ("error", "cancelled")
    assert only(events, "slow").outcome == "cancelled"


TREE = """
agent:calc {ok}
    function:model
        llm:scripted {ok}
    function:tools
        tool:add {ok}
    function:model
        llm:scripted {ok}
"""


@pytest.mark.parametrize("middleware", [0, 1])
@pytest.mark.parametrize("kind", ["values", "updates", "messages", "tasks", "custom", "debug"])
async def test_s45_stream_modes(events: CapturedEvents, kind: Any, middleware: int) -> None:
    graph = wrap_graph(calculator(middleware=[RelayMiddleware()] * middleware))
    list(graph.stream(ASK, stream_mode=kind))
    _ = [chunk async for chunk in graph.astream(ASK, stream_mode=kind, subgraphs=True)]
    expect_tree(events.tree(), TREE + TREE)


@pytest.mark.parametrize("middleware", [0, 1])
async def test_s45_stream_events(events: CapturedEvents, middleware: int) -> None:
    graph = wrap_graph(calculator(middleware=[RelayMiddleware()] * middleware))
    names = [event["event"] async for event in graph.astream_events(ASK, version="v2")]
    assert "on_chat_model_stream" in names
    expect_tree(events.tree(), TREE)


class Server(BaseHTTPRequestHandler):
    """Answers like a LangGraph server that runs a graph at once."""

    seen: list[dict[str, str]]

    def do_POST(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = f"event: values\ndata: {json.dumps({'x': [7]})}\n\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


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
