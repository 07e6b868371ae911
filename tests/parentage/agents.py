# SPDX-License-Identifier: Apache-2.0
"""Agents that call three tools in parallel, one of which asks a model itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langchain.testing import ScriptedChatModel

expert = ScriptedChatModel(script=[lambda messages: f"expert on {messages[-1].content}"])


@tool
def lookup(who: str, item: int) -> str:
    """Look something up; opens a scope of its own, as applications do."""
    with scope.scope(f"user:{who}:{item}", ScopeType.Function):
        scope.event("inside", data={"who": who, "item": item})
    return f"{who} has {item}"


@tool
def ask(who: str) -> str:
    """Ask an expert: a model call inside a tool."""
    return str(expert.invoke(f"expert for {who}").text)


@tool
async def ask_async(who: str) -> str:
    """Ask an expert: a model call inside an asynchronous tool."""
    return str((await expert.ainvoke(f"expert for {who}")).text)


def _who(messages: list[BaseMessage]) -> str:
    return str(next(message.content for message in messages if message.type == "human"))


def _plan(ask_tool: str) -> Callable[[list[BaseMessage]], AIMessage]:
    def plan(messages: list[BaseMessage]) -> AIMessage:
        who = _who(messages)
        calls = [
            {"name": "lookup", "args": {"who": who, "item": 1}, "id": f"{who}-1"},
            {"name": "lookup", "args": {"who": who, "item": 2}, "id": f"{who}-2"},
            {"name": ask_tool, "args": {"who": who}, "id": f"{who}-3"},
        ]
        return AIMessage("", tool_calls=calls)

    return plan


def make_agent(name: str | None = None, *, asynchronous: bool = False) -> Any:
    """An agent that calls three tools in parallel for whoever asks, and answers."""
    tools = [lookup, ask_async if asynchronous else ask]
    model = ScriptedChatModel(script=[_plan(tools[1].name), lambda messages: f"done for {_who(messages)}"])
    return create_agent(model, tools, name=name)
