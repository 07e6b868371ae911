# SPDX-License-Identifier: Apache-2.0
"""Small agents that the scenarios share, and how their trees are read."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from nemo_relay import guardrails, intercepts
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node

ASK: dict[str, Any] = {"messages": [("user", "weather?")]}
# A timeout for each client of its own: LangChain's integrations keep async clients by address and timeout, beyond the
# loop that they belong to, and the port of a server may come again.
TIMEOUTS = itertools.count(60)
MODES = ("invoke", "ainvoke", "stream", "astream")


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def calling(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """An answer that asks for these tools, in parallel."""
    asked = [{"name": name, "args": args, "id": f"c{number}"} for number, (name, args) in enumerate(calls, 1)]
    return AIMessage("", tool_calls=asked)


def agent(*middleware: Any, tools: Any = (weather,), script: Any = None, **options: Any) -> Any:
    """An agent ``A`` that asks for the weather in Paris, then answers."""
    script = script or [calling(("weather", {"city": "Paris"})), "it is sunny"]
    model = options.pop("model", None) or ScriptedChatModel(script=script)
    return create_agent(model, list(tools), name="A", middleware=list(middleware), **options)


async def run(graph: Any, mode: str, given: Any = None, **config: Any) -> dict[str, Any]:
    """One run of the agent in this mode; the final state."""
    given = ASK if given is None else given
    if mode == "invoke":
        found = await asyncio.to_thread(graph.invoke, given, config)
    elif mode == "ainvoke":
        found = await graph.ainvoke(given, config)
    elif mode == "stream":
        found = await asyncio.to_thread(lambda: list(graph.stream(given, config, stream_mode="values"))[-1])
    else:
        found = [state async for state in graph.astream(given, config, stream_mode="values")][-1]
    return found  # type: ignore[no-any-return]


def named(events: CapturedEvents, name: str) -> list[Node]:
    """The spans of that name, in the order of their time."""
    return [node for node in events.tree().walk() if node.name == name]


def of(events: CapturedEvents, category: str) -> list[Node]:
    """The spans of that category, in the order of their time."""
    return [node for node in events.tree().walk() if node.category == category]


def marks(events: CapturedEvents, name: str) -> list[Any]:
    """The marks of that name."""
    return [event for event in events.events if event.kind == "mark" and event.name == name]


@contextmanager
def tool_guardrail(decide: Callable[[str, Any], Any], name: str = "g") -> Iterator[None]:
    """A conditional guardrail for tools, for the block."""
    guardrails.register_tool_conditional_execution(name, 10, decide)
    try:
        yield
    finally:
        guardrails.deregister_tool_conditional_execution(name)


@contextmanager
def llm_guardrail(decide: Callable[[Any], Any], name: str = "g") -> Iterator[None]:
    """A conditional guardrail for models, for the block."""
    guardrails.register_llm_conditional_execution(name, 10, decide)
    try:
        yield
    finally:
        guardrails.deregister_llm_conditional_execution(name)


@contextmanager
def intercepting(kind: str, *arguments: Any) -> Iterator[None]:
    """An intercept of that kind (``tool_execution``, ``llm_request``, ...), for the block."""
    extra = (10, False) if kind.endswith("_request") else (10,)
    getattr(intercepts, f"register_{kind}")("i", *extra, *arguments)
    try:
        yield
    finally:
        getattr(intercepts, f"deregister_{kind}")("i")
