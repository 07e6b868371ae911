# SPDX-License-Identifier: Apache-2.0
"""Deep agents that the tests share: one scripted model that plays every part, with real tool calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepagents import SubAgent
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.tools import tool
from pydantic import Field, PrivateAttr

from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node

Seen = tuple[list[BaseMessage], Any]


class Cast(ScriptedChatModel):
    """Plays the part whose name the last human message ends with; the part counts its own answers only."""

    script: list[Any] = Field(default_factory=list)
    parts: dict[str, list[Any]]
    _seen: list[Seen] = PrivateAttr(default_factory=list)

    def _reply(self, messages: Sequence[BaseMessage]) -> AIMessage:
        start = max(at for at, message in enumerate(messages) if message.type == "human")
        part = next(name for name in self.parts if messages[start].text.endswith(name))
        return ScriptedChatModel(script=self.parts[part], model=self.model)._reply(messages[start:])

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self._seen.append((list(messages), kwargs.get("tools")))
        return super()._generate(messages, *args, **kwargs)

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self._seen.append((list(messages), kwargs.get("tools")))
        return await super()._agenerate(messages, *args, **kwargs)

    @property
    def seen(self) -> list[Any]:
        """What each call was given: roles, contents and tool calls, and the tools offered; in a stable order."""
        return sorted((repr([_said(message) for message in messages]), repr(tools)) for messages, tools in self._seen)


def _said(message: BaseMessage) -> Any:
    calls = message.tool_calls if isinstance(message, AIMessage) else getattr(message, "tool_call_id", None)
    return type(message).__name__, message.content, message.name, calls, getattr(message, "status", None)


RAN: list[str] = []


@tool
def search(query: str) -> str:
    """Search."""
    RAN.append(query)
    return f"found {query}"


def calling(*calls: tuple[str, dict[str, Any], str]) -> AIMessage:
    """An answer that asks for these tools, in parallel: name, arguments, id."""
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": key} for name, args, key in calls])


def delegating(*tasks: tuple[str, str]) -> AIMessage:
    """An answer that delegates: the subagent and the id of the call. The task is named after the subagent."""
    return calling(*(("task", {"description": kind, "subagent_type": kind}, key) for kind, key in tasks))


def searching(who: str, *, key: str = "s1") -> list[Any]:
    """A part that searches for its own name once, then answers."""
    return [calling(("search", {"query": who}, key)), f"{who} is done"]


FORKS = "mode" in SubAgent.__annotations__  # younger than the oldest release that is supported
PATHS = ("researcher", "general-purpose", "compiled", *(("forked",) if FORKS else ()))


def crew(model: Cast, **options: Any) -> dict[str, Any]:
    """The arguments of a deep agent with one subagent of every local kind."""
    forked = {"name": "forked", "description": "goes on from here", "mode": "fork"}
    return {
        "model": model,
        "tools": [search],
        "name": "main",
        "subagents": [
            {"name": "researcher", "description": "looks things up", "system_prompt": "Look it up."},
            {
                "name": "compiled",
                "description": "was built before",
                "runnable": create_agent(model, [search], name="inner"),
            },
            *([forked] if FORKS else []),
        ],
        **options,
    }


def cast_for(*paths: str, **parts: list[Any]) -> Cast:
    """A model for a main agent that delegates to each of ``paths`` at once; each of them searches."""
    main = [delegating(*((path, f"k-{path}") for path in paths)), "all done"] if paths else ["all done"]
    return Cast(parts={**{path: searching(path) for path in paths}, "start": main, **parts})


START = {"messages": [("user", "start")]}


def named(events: CapturedEvents, name: str) -> list[Node]:
    """The spans of that name, in the order of their time."""
    return [node for node in events.tree().walk() if node.name == name]


def only(events: CapturedEvents, name: str) -> Node:
    """The one span of that name."""
    (node,) = named(events, name)
    return node


def marks(node: Node, name: str) -> list[Any]:
    """The marks of that name on a span."""
    return [mark for mark in node.marks if mark.name == name]


async def run(agent: Any, value: Any, asynchronous: bool, config: Any = None) -> Any:
    """Invoke it, in the way the test asks for."""
    return await agent.ainvoke(value, config) if asynchronous else agent.invoke(value, config)
