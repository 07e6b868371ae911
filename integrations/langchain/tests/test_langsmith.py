# SPDX-License-Identifier: Apache-2.0
"""A1: LangSmith's tracing is on. It puts runs of its own between LangChain's, and names them as parents.

``make test-langsmith`` runs all tests of the adapters so; these hold where it is off, too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from langsmith import Client, get_current_run_tree, traceable
from langsmith.run_helpers import tracing_context

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langchain import (
    AdapterOptions,
    Ask,
    RelayCallbackHandler,
    RelayGuardrailMiddleware,
    RelayMiddleware,
    wrap_tool,
)
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, expect_tree

from .agents import agent, calling, marks, named, of, run, tool_guardrail, weather

MODES = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


CLIENT = Client("http://127.0.0.1:9", api_key="none", tracing_sampling_rate=0.0)  # all of it but the sending


@pytest.fixture(autouse=True)
def _tracing() -> Iterator[None]:
    with tracing_context(enabled=True, client=CLIENT):
        yield


def handlers(which: str) -> list[Any]:
    return [] if which == "middleware" else [RelayCallbackHandler()]


@MODES
@pytest.mark.parametrize("which", ["handler", "middleware", "both"])
async def test_a1_each_call_is_one_event_below_its_node(events: CapturedEvents, mode: str, which: str) -> None:
    asked: list[Any] = []
    tools = [wrap_tool(weather)] if which == "both" else [weather]
    graph = agent(*([] if which == "handler" else [RelayMiddleware()]), tools=tools)
    with tool_guardrail(lambda name, args: asked.append(args)):
        await run(graph, mode, callbacks=handlers(which))
    assert asked == [{"city": "Paris"}]
    expect_tree(
        events.tree(),
        """
        agent:A
            function:model
                llm:scripted
            function:tools
                guardrail:g
                tool:weather
            function:model
                llm:scripted
        """,
    )
    assert all(call.tool_call_id == "c1" for call in of(events, "tool"))


@MODES
@pytest.mark.parametrize("which", ["handler", "middleware", "both"])
async def test_a1_model_calls_inside_a_tool(events: CapturedEvents, mode: str, which: str) -> None:
    inner = ScriptedChatModel(script=["inner"], model="inner-1")

    @tool
    async def ask(city: str) -> str:
        """Ask a model."""
        return str((await inner.ainvoke(city)).content)

    @tool("ask")
    def ask_sync(city: str) -> str:
        """Ask a model."""
        return str(inner.invoke(city).content)

    script = [calling(("ask", {"city": "Paris"})), "done"]
    tools = [ask if mode == "ainvoke" else ask_sync]
    graph = agent(*([] if which == "handler" else [RelayMiddleware()]), tools=tools, script=script)
    await run(graph, mode, callbacks=handlers(which))
    (call,) = of(events, "tool")
    assert [(child.category, child.name) for child in call.children] == [("llm", "scripted")]
    assert len(of(events, "llm")) == 3


@MODES
@pytest.mark.parametrize("decision", ["approve", "edit", "reject"])
async def test_a1_a_human_decides_once(events: CapturedEvents, mode: str, decision: str) -> None:
    asked: list[str] = []

    def review(name: str, args: Any) -> str | None:
        asked.append(args["city"])
        return Ask("sure?") if args["city"] == "Paris" else None

    graph = agent(RelayGuardrailMiddleware(), checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}, "callbacks": [RelayCallbackHandler()]}
    answer: dict[str, Any] = {"type": decision}
    if decision == "edit":
        answer["edited_action"] = {"name": "weather", "args": {"city": "Rome"}}
    with tool_guardrail(review):
        await run(graph, mode, **config)
        state = await run(graph, mode, Command(resume={"decisions": [answer]}), **config)
    said = [message.content for message in state["messages"] if message.type == "tool"]
    ran = {"approve": ["sunny in Paris"], "edit": ["sunny in Rome"]}
    assert said == ran.get(decision, said)
    assert len(of(events, "tool")) == (0 if decision == "reject" else 1)
    assert asked == ["Paris", "Paris", *(["Rome"] if decision == "edit" else [])]


@MODES
async def test_a1_a_traced_function_of_the_application(events: CapturedEvents, mode: str) -> None:
    model = ScriptedChatModel(script=["hi"])

    @traceable
    def helper(value: str) -> Any:
        with scope.scope("mine", ScopeType.Function):
            return model.invoke(value)

    @traceable
    async def ahelper(value: str) -> Any:
        return helper(value)

    step = RunnableLambda(helper, ahelper)
    config: Any = {"callbacks": [RelayCallbackHandler(), RelayCallbackHandler()]}
    await step.ainvoke("x", config) if mode == "ainvoke" else step.invoke("x", config)
    (outer,) = events.tree().roots
    assert [child.name for child in outer.children] == ["mine", "scripted"]


def test_a1_a_thread_that_only_langsmith_knows_of(events: CapturedEvents) -> None:
    model = ScriptedChatModel(script=["hi"])
    handler = RelayCallbackHandler()

    def work(tree: Any) -> None:
        with tracing_context(parent=tree, enabled=True, client=CLIENT):
            model.invoke("x", {"callbacks": [handler]})

    @traceable
    def helper(value: str) -> str:
        thread = threading.Thread(target=work, args=(get_current_run_tree(),))
        thread.start()
        thread.join()
        return value

    RunnableLambda(helper).invoke("x", {"callbacks": [handler]})
    (outer,) = events.tree().roots
    assert [child.name for child in outer.children] == ["scripted"]


def test_a1_a_parent_from_elsewhere_is_none(events: CapturedEvents) -> None:
    @traceable
    def remote() -> Any:
        return get_current_run_tree()

    tree = remote()
    with tracing_context(parent=tree.to_headers(), enabled=True, client=CLIENT):
        ScriptedChatModel(script=["hi"]).invoke("x", {"callbacks": [RelayCallbackHandler()]})
    (call,) = events.tree().roots
    assert call.name == "scripted"


@MODES
async def test_a1_a_refused_call(events: CapturedEvents, mode: str) -> None:
    with tool_guardrail(lambda name, args: "no"):
        state = await run(agent(RelayMiddleware(AdapterOptions())), mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][2].content == "no"
    (mark,) = marks(events, "tool.rejected")
    (tools,) = named(events, "tools")
    assert mark.parent_uuid == tools.uuid
