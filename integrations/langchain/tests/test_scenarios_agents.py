# SPDX-License-Identifier: Apache-2.0
"""Scenarios 15 to 20: agents, with the handler, with the middleware, and with both."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import sqlite3
import threading
from dataclasses import dataclass
from textwrap import indent
from typing import Annotated, Any

import pytest
from langchain.agents import AgentState
from langchain.agents.middleware import AgentMiddleware, ToolRetryMiddleware
from langchain_core.callbacks import adispatch_custom_event
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.types import Command

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langchain import RelayCallbackHandler, RelayGuardrailMiddleware, RelayMiddleware
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, expect_tree

from .agents import ASK, MODES, agent, calling, marks, named, of, run

TREE = """
agent:A {ok}
    function:model {ok}
        llm:scripted {ok, model=scripted-1, usage=18}
    function:tools {ok}
        tool:weather {ok, tool_call_id=c1}
    function:model {ok}
        llm:scripted {ok}
"""


# how: how many middleware, how many handlers
HOWS = {"handler": (0, 1), "middleware": (1, 0), "both": (1, 1), "two middleware": (2, 0), "two of each": (2, 2)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", HOWS)
async def test_s15_one_tool(events: CapturedEvents, mode: str, how: str) -> None:
    middleware, handlers = HOWS[how]
    graph = agent(*(RelayMiddleware(name=f"m{number}") for number in range(middleware)))
    plain = (await run(agent(), mode))["messages"]
    state = await run(graph, mode, callbacks=[RelayCallbackHandler() for _ in range(handlers)])
    assert [message.content for message in state["messages"]] == [message.content for message in plain]
    expect_tree(events.tree(), TREE)
    (call,) = of(events, "tool")
    assert call.input == {"city": "Paris"}
    assert call.output["content"] == "sunny in Paris"
    assert call.metadata["relay.outcome"] == "ok"
    assert call.metadata["relay.run_id"]
    assert all(node.metadata["ls_provider"] == "scripted" for node in of(events, "llm"))
    (root,) = named(events, "A")
    assert root.input["messages"]
    assert root.output["messages"]


@pytest.mark.parametrize("mode", MODES)
async def test_s15_middleware_alone_below_a_scope(events: CapturedEvents, mode: str) -> None:
    with scope.scope("app", ScopeType.Function):
        await run(agent(RelayMiddleware()), mode)
        await run(agent(RelayGuardrailMiddleware()), mode)
        await run(agent(), mode)  # has no middleware of ours: nobody asked for it
    expect_tree(events.tree(), "function:app\n" + indent(TREE.strip() + TREE, "    "))


async def test_s15_middleware_alone_follows_its_own_agents_only(events: CapturedEvents) -> None:
    """The runs around and beside the agent, of an application that has no handler, stay unrecorded."""

    async def work(asked: Any) -> Any:
        await adispatch_custom_event("progress", {"done": 1})
        await ScriptedChatModel(script=["beside it"]).ainvoke("hi")
        return await agent(RelayMiddleware()).ainvoke(asked)

    await RunnableLambda(work).ainvoke(ASK)
    expect_tree(events.tree(), TREE)
    assert marks(events, "progress") == []


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_s15_middleware_alone_tells_how_it_ended(events: CapturedEvents, mode: str) -> None:
    with pytest.raises(ZeroDivisionError):
        await run(agent(RelayMiddleware(), script=[ZeroDivisionError("no")]), mode)
    assert [(node.name, node.outcome) for node in events.tree().walk()] == [
        ("A", "error"),
        ("model", "error"),
        ("scripted", "error"),
    ]


@pytest.mark.parametrize("middleware", [0, 1])
@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_s16_parallel_tools_with_scopes(events: CapturedEvents, mode: str, middleware: int) -> None:
    meeting = threading.Barrier(3)
    meeting_point: list[asyncio.Barrier] = []

    @tool
    def work(number: int) -> str:
        """Work in a scope."""
        with scope.scope(f"user_{number}", ScopeType.Function):
            meeting.wait(50)
            scope.event(f"inside_{number}")
        return str(number)

    async def awork(number: int) -> str:
        with scope.scope(f"user_{number}", ScopeType.Function):
            meeting_point[:] = meeting_point or [asyncio.Barrier(3)]
            await meeting_point[0].wait()
            scope.event(f"inside_{number}")
        return str(number)

    work.coroutine = awork  # type: ignore[attr-defined]
    script = [calling(*(("work", {"number": number}) for number in range(3))), "done"]
    graph = agent(*([RelayMiddleware()] * middleware), tools=[work], script=script)
    await run(graph, mode, callbacks=[RelayCallbackHandler()])
    expect_tree(
        events.tree(),
        """
        agent:A {ok}
            function:model
                llm:scripted
            ~ function:tools
                tool:work
                    function:user_0
                        <inside_0>
            ~ function:tools
                tool:work
                    function:user_1
                        <inside_1>
            ~ function:tools
                tool:work
                    function:user_2
                        <inside_2>
            function:model
                llm:scripted
        """,
    )


class Mishap(LookupError):
    """What the tool raises."""


@pytest.mark.parametrize("middleware", [0, 1])
@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_s17_tool_raises(events: CapturedEvents, mode: str, middleware: int) -> None:
    mishap = Mishap("no such thing")

    @tool
    def weather(city: str) -> str:
        """Fail."""
        raise mishap

    graph = agent(*([RelayMiddleware()] * middleware), tools=[weather])
    with pytest.raises(Mishap) as caught:
        await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert caught.value is mishap
    (call,) = of(events, "tool")
    assert call.outcome == "error"
    assert call.output["error"]["type"] == "Mishap"
    assert call.metadata["otel.status_code"] == "ERROR"


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
@pytest.mark.parametrize("outside", [True, False])
async def test_s17_tool_retry(events: CapturedEvents, mode: str, outside: bool) -> None:
    tried: list[str] = []

    @tool
    def weather(city: str) -> str:
        """Fail twice."""
        tried.append(city)
        if len(tried) < 3:
            raise Mishap(f"attempt {len(tried)}")
        return "sunny"

    ours, retry = RelayMiddleware(), ToolRetryMiddleware(max_retries=3, initial_delay=0, jitter=False)
    graph = agent(*([retry, ours] if outside else [ours, retry]), tools=[weather])
    state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][2].content == "sunny"
    calls = of(events, "tool")
    if outside:
        assert [call.outcome for call in calls] == ["error", "error", "ok"]
    else:  # one managed call around all attempts; the second and third are runs of the framework below it
        assert [call.outcome for call in calls] == ["ok", "error", "ok"]
        assert [call.metadata["relay.attempt"] for call in calls[0].children] == [2, 3]
        assert calls[0].children == calls[1:]


@pytest.mark.parametrize("middleware", [0, 1])
@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_s18_arguments_that_do_not_fit(events: CapturedEvents, mode: str, middleware: int) -> None:
    graph = agent(*([RelayMiddleware()] * middleware), script=[calling(("weather", {"town": 1})), "sorry"])
    state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][2].status == "error"
    (call,) = of(events, "tool")
    assert (call.outcome, call.metadata["error.code"]) == ("tool_error", "invalid_arguments")
    assert call.metadata["otel.status_code"] == "UNSET"


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_s18_unknown_tool(events: CapturedEvents, mode: str) -> None:
    graph = agent(RelayMiddleware(), script=[calling(("wether", {})), "sorry"])
    state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][2].status == "error"
    (call,) = of(events, "tool")
    assert (call.name, call.outcome, call.metadata["error.code"]) == ("wether", "tool_error", "unknown_tool")


@pytest.mark.parametrize("middleware", [0, 1])
async def test_s18_a_tool_message_that_says_error(events: CapturedEvents, middleware: int) -> None:
    @tool
    def weather(city: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> ToolMessage:
        """Say no."""
        return ToolMessage("no", tool_call_id=tool_call_id, status="error")

    graph = agent(*([RelayMiddleware()] * middleware), tools=[weather])
    await run(graph, "ainvoke", callbacks=[RelayCallbackHandler()])
    (call,) = of(events, "tool")
    assert (call.outcome, call.metadata["error.code"]) == ("tool_error", "tool_error")


@dataclass
class Point:
    x: int


class Seen(AgentState[Any]):
    when: Any
    where: Any
    thing: Any


class Watching(AgentMiddleware[Any, Any, Any]):
    """Keeps what passes through it, on its way out of the layer below."""

    state_schema = Seen

    def __init__(self, name: str) -> None:
        self.seen: dict[str, list[Any]] = {"request": [], "result": [], "asked": [], "answer": []}
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        self.seen["request"].append(request)
        result = handler(request)
        self.seen["result"].append(result)
        return result

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        self.seen["request"].append(request)
        result = await handler(request)
        self.seen["result"].append(result)
        return result

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        self.seen["asked"].append(request)
        answer = handler(request)
        self.seen["answer"].append(answer)
        return answer

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        self.seen["asked"].append(request)
        answer = await handler(request)
        self.seen["answer"].append(answer)
        return answer


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_s19_requests_commands_and_artifacts_pass_by_identity(events: CapturedEvents, mode: str) -> None:
    now, here, thing, artifact = datetime.datetime.now(), Point(1), object(), object()

    @tool
    def move(tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Update the state."""
        answer = ToolMessage("moved", tool_call_id=tool_call_id)
        return Command(update={"when": now, "where": here, "thing": thing, "messages": [answer]})

    @tool(response_format="content_and_artifact")
    def look() -> tuple[str, Any]:
        """Find something."""
        return "found", artifact

    script = [calling(("move", {}), ("look", {})), "done"]
    outer, inner = Watching("outer"), Watching("inner")
    graph = agent(outer, RelayMiddleware(), inner, tools=[move, look], script=script)
    state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    for kind, objects in outer.seen.items():
        assert {id(found) for found in objects} == {id(found) for found in inner.seen[kind]}, kind
    assert (state["when"], state["where"], type(state["thing"])) == (now, here, object)
    assert [m.artifact for m in state["messages"] if getattr(m, "artifact", None)] == [artifact]
    assert [call.outcome for call in of(events, "tool")] == ["ok", "ok"]
    assert named(events, "move")[0].output["type"] == "command"


LETTER: contextvars.ContextVar[str] = contextvars.ContextVar("letter", default="a")


def test_s20_a_sync_tool_stays_on_its_thread(events: CapturedEvents) -> None:
    base = sqlite3.connect(":memory:")
    base.execute("create table t (x)")
    seen: list[str] = []

    class SameThread(AgentMiddleware[Any, Any, Any]):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            local = sqlite3.connect(":memory:")
            request.runtime.state["messages"][0].additional_kwargs["base"] = local
            token = LETTER.set("b")
            answer = handler(request)
            seen.append(LETTER.get())
            LETTER.reset(token)
            local.execute("select 1")
            local.close()
            return answer

    @tool
    def weather(city: str, runtime: Any = None) -> str:
        """Use a loop of its own."""
        seen.append(LETTER.get())
        return asyncio.run(asyncio.sleep(0, f"{threading.get_ident()}"))

    agent(SameThread(), RelayMiddleware(), tools=[weather]).invoke(
        {"messages": [("user", "?")]}, {"callbacks": [RelayCallbackHandler()]}
    )
    base.close()
    assert seen == ["b", "b"]
    assert [call.outcome for call in of(events, "tool")] == ["ok"]
    assert marks(events, "tool.rejected") == []
    assert weather.name == "weather"
