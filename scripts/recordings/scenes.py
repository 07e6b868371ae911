# SPDX-License-Identifier: Apache-2.0
"""The scenes: small agents of LangChain, LangGraph and Deep Agents, each with the script that its model follows."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypedDict

import deepagents
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import ToolException, tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import BaseModel

from nemo_relay.integrations.deepagents import create_deep_agent
from nemo_relay.integrations.langchain import RelayCallbackHandler
from nemo_relay.integrations.langgraph import wrap_graph
from nemo_relay_provider import Reply, ToolCall

from .turns import Part, Turn

Agent = Any  # a compiled graph
Build = Callable[[BaseChatModel], Agent]


@dataclass(frozen=True)
class Scene:
    """One program: how its agent is built without and with the adapter, what it is asked, how its model plays."""

    name: str
    title: str
    part: Part
    bare: Build
    observed: Build
    given: dict[str, Any]
    large: bool = False


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"sunny in {city}"


@tool
def lookup(topic: str) -> str:
    """Look a topic up."""
    return f"{topic}: much is known"


@tool
def harbour(name: str) -> str:
    """Ask a harbour for its tide."""
    raise ToolException(f"the harbour of {name} does not answer")


harbour.handle_tool_error = True


@tool
def broken(name: str) -> str:
    """Do what cannot be done."""
    raise ConnectionError(f"no way to {name}")


class Forecast(BaseModel):
    """A forecast."""

    city: str
    celsius: int


# --- one agent


def _one_tool(turn: Turn) -> Reply:
    if not turn.results:
        return Reply("Let me look.", tool_calls=[ToolCall("weather", {"city": "Paris"}, id="call_paris")])
    return Reply(f"It is {turn.results[0]}.")


def _parallel(turn: Turn) -> Reply:
    cities = ("Paris", "Oslo", "Rome")
    if not turn.results:
        return Reply(tool_calls=[ToolCall("weather", {"city": city}, id=f"call_{city.lower()}") for city in cities])
    return Reply("It is " + ", ".join(sorted(turn.results)) + ".")


def _tool_error(turn: Turn) -> Reply:
    if not turn.results:
        return Reply(tool_calls=[ToolCall("harbour", {"name": "Brest"}, id="call_brest")])
    return Reply(f"I could not find out: {turn.results[0]}.")


def _tool_raises(turn: Turn) -> Reply:
    return Reply(tool_calls=[ToolCall("broken", {"name": "Brest"}, id="call_broken")])


def _structured(turn: Turn) -> Reply:
    if not turn.results:
        return Reply(tool_calls=[ToolCall("weather", {"city": "Paris"}, id="call_paris")])
    if "Forecast" in turn.tools:
        return Reply(tool_calls=[ToolCall("Forecast", {"city": "Paris", "celsius": 21}, id="call_forecast")])
    return Reply('{"city":"Paris","celsius":21}')


def _agent(model: BaseChatModel, **options: Any) -> Agent:
    return create_agent(model, [weather, harbour, broken], name="forecaster", system_prompt="Be brief.", **options)


def _handled(model: BaseChatModel, **options: Any) -> Agent:
    return _agent(model, **options).with_config(callbacks=[RelayCallbackHandler()])


def _single(name: str, title: str, part: Part, **options: Any) -> Scene:
    return Scene(name, title, part, partial(_agent, **options), partial(_handled, **options), _ask("Weather?"))


def _ask(text: str) -> dict[str, Any]:
    return {"messages": [("user", text)]}


# --- a graph that sends work to agents


class Topics(TypedDict):
    topics: list[str]
    found: Annotated[list[str], operator.add]


def _worker(turn: Turn) -> Reply:
    if not turn.results:
        return Reply(tool_calls=[ToolCall("lookup", {"topic": turn.asked}, id=f"call_{turn.asked}")])
    return Reply(f"About {turn.results[0]}.")


def _fan_out(model: BaseChatModel) -> Agent:
    worker: Agent = create_agent(model, [lookup], name="worker")

    def plan(state: Topics) -> dict[str, Any]:
        return {"topics": sorted(state["topics"])}

    def send(state: Topics) -> list[Send]:
        return [Send("work", {"topics": [topic]}) for topic in state["topics"]]

    def work(state: Topics) -> dict[str, Any]:
        return {"found": [worker.invoke(_ask(state["topics"][0]))["messages"][-1].text]}

    async def work_async(state: Topics) -> dict[str, Any]:
        answer = await worker.ainvoke(_ask(state["topics"][0]))
        return {"found": [answer["messages"][-1].text]}

    def join(state: Topics) -> dict[str, Any]:
        return {"found": [f"{len(state['found'])} answers"]}

    graph = StateGraph(Topics)
    graph.add_node("plan", plan)
    graph.add_node("work", RunnableLambda(work, afunc=work_async))
    graph.add_node("join", join)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", send, ["work"])
    graph.add_edge("work", "join")
    graph.add_edge("join", END)
    return graph.compile(name="survey")


# --- a deep agent that delegates


def _deep(turn: Turn) -> Reply:
    if turn.asked == "Compare":
        return _delegating(turn)
    if not turn.results:
        return Reply(tool_calls=[ToolCall("lookup", {"topic": turn.asked}, id=f"call_{turn.asked}")])
    return Reply(f"Findings on {turn.results[0]}.")


def _delegating(turn: Turn) -> Reply:
    if turn.results:
        return Reply("Both are good: " + " ".join(sorted(turn.results)))
    tasks = {"sun": "researcher", "wind": "general-purpose"}
    calls = [
        ToolCall("task", {"description": topic, "subagent_type": kind}, id=f"call_task_{topic}")
        for topic, kind in tasks.items()
    ]
    return Reply("I delegate.", tool_calls=calls)


def _deep_agent(create: Callable[..., Agent], model: BaseChatModel) -> Agent:
    researcher = {"name": "researcher", "description": "Looks things up.", "system_prompt": "Look it up."}
    return create(model=model, tools=[lookup], name="editor", subagents=[researcher], system_prompt="Delegate.")


SCENES = {
    scene.name: scene
    for scene in (
        _single("tool", "an agent with one tool", _one_tool),
        _single("parallel-tools", "an agent that calls three tools at once", _parallel),
        _single("tool-error", "a tool that answers with an error", _tool_error),
        _single("tool-raises", "a tool that raises, and ends the run", _tool_raises),
        _single("structured-tool", "structured output by a tool", _structured, response_format=ToolStrategy(Forecast)),
        _single(
            "structured-native",
            "structured output by the provider",
            _structured,
            response_format=ProviderStrategy(Forecast),
        ),
        Scene(
            "send-fan-out",
            "a graph that sends topics to agents",
            _worker,
            _fan_out,
            lambda model: wrap_graph(_fan_out(model)),
            {"topics": ["wind", "sun", "tide"], "found": []},
            large=True,
        ),
        Scene(
            "deep-agent",
            "a deep agent with two subagents at once",
            _deep,
            partial(_deep_agent, deepagents.create_deep_agent),
            partial(_deep_agent, create_deep_agent),
            _ask("Compare"),
            large=True,
        ),
    )
}
