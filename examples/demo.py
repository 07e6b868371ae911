# SPDX-License-Identifier: Apache-2.0
"""A real LangGraph agent, recorded. `make demo` runs this in a few seconds, without a key or a network.

The agent is langchain's `create_agent` with a real `ChatOpenAI` client and two tools. Its model is a provider
on loopback that answers from a script over OpenAI's wire format, streaming. The agent asks for two tools at
once; the weather station does not answer the first time, and the agent recovers.

All that concerns NeMo Relay is in `run()`: `wrap_graph` around the graph, `record` around the run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import wrap_tool_call
from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from nemo_relay.integrations.langgraph import wrap_graph
from nemo_relay.recording import Recording, record
from nemo_relay_provider import Reply, ScriptedProvider, ToolCall
from nemo_relay_viewer import export_svg, load, render

DIRECTORY = Path(".nemo-relay")
QUESTION = "Do I need an umbrella in Lisbon, and what time is it there?"
PACE: dict[str, Any] = {"delay": 0.08, "chunk_delay": 0.006}
SCRIPT = [
    Reply(
        tool_calls=[
            ToolCall("get_weather", {"city": "Lisbon"}),
            ToolCall("get_local_time", {"city": "Lisbon"}),
        ],
        **PACE,
    ),
    Reply(
        "The weather station did not answer. I will ask it once more.",
        tool_calls=[ToolCall("get_weather", {"city": "Lisbon"})],
        **PACE,
    ),
    Reply("Take the umbrella: it rains in Lisbon, 17 °C. It is 14:05 there.", **PACE),
]

NEXT = """
The run is on disk:
  {events}
      every event, one JSON line each (ATOF 0.1)
  {trajectory}
      the trajectory (ATIF)

Look closer:
  {python} -m nemo_relay_viewer --all
  {python} -m json.tool {trajectory}

Record a graph of your own:
  from nemo_relay.integrations.langgraph import wrap_graph
  from nemo_relay.recording import record

  with record(directory=".nemo-relay"):
      wrap_graph(graph).invoke(...)
"""

silences = iter([TimeoutError("the weather station did not answer")])


@tool
def get_weather(city: str) -> str:
    """The weather in a city, now."""
    time.sleep(0.12)
    for silence in silences:
        raise silence
    return f"rain in {city}, 17 °C"


@tool
def get_local_time(city: str) -> str:
    """The local time in a city."""
    time.sleep(0.05)
    return f"14:05 in {city}"


@wrap_tool_call
def tell_the_model(request: Any, handler: Callable[[Any], Any]) -> Any:
    """A tool that raises does not end the run: the model hears about it and decides."""
    try:
        return handler(request)
    except TimeoutError as error:
        return ToolMessage(str(error), tool_call_id=request.tool_call["id"], status="error")


def agent(base_url: str) -> Any:
    """The agent as its application would build it."""
    model = ChatOpenAI(
        model="gpt-4.1-mini",
        base_url=base_url,
        api_key=SecretStr("none"),
        streaming=True,
        stream_usage=True,
        max_retries=0,
    )
    return create_agent(
        model,
        tools=[get_weather, get_local_time],
        middleware=[tell_the_model],
        system_prompt="You help people to get through the day.",
        name="day-assistant",
    )


def words(graph: Any) -> Iterator[str]:
    """What the agent says, as it says it; each message on a line of its own."""
    question = {"messages": [{"role": "user", "content": QUESTION}]}
    speaking = None
    for message, _ in graph.stream(question, stream_mode="messages"):
        if isinstance(message, AIMessageChunk) and message.text:
            yield message.text if message.id == speaking else f"\nagent  {message.text}"
            speaking = message.id


def isolate() -> None:
    """Nothing may leave this machine, whatever the shell has set: no tracing service, proxy or other host."""
    for name in list(os.environ):
        if name.startswith(("LANGSMITH_", "LANGCHAIN_", "OPENAI_")) or name.lower().endswith("_proxy"):
            del os.environ[name]


def run() -> Recording:
    """Asks the agent, and records what it does."""
    with ScriptedProvider(SCRIPT) as provider:
        graph = wrap_graph(agent(provider.openai_url))
        print(f"you    {QUESTION}", end="", flush=True)
        with record(directory=DIRECTORY, overwrite=True) as recording:
            for word in words(graph):
                print(word, end="", flush=True)
    print("\n")
    return recording


def main() -> None:
    """The run, its tree, and where everything is."""
    parser = argparse.ArgumentParser(description="Run a LangGraph agent on loopback and show what it did.")
    parser.add_argument("--svg", type=Path, metavar="OUT", help="also write the tree as a picture")
    options = parser.parse_args()
    isolate()
    recording = run()
    forest = load(recording.events_path)
    render(forest)
    if options.svg:
        print(f"\nwrote {export_svg(forest, options.svg, title='make demo')}")
    (trajectory,) = recording.trajectories
    print(NEXT.rstrip().format(events=recording.events_path, trajectory=trajectory, python=interpreter()))


def interpreter() -> str:
    """This Python, as one would type it here."""
    here = Path(sys.executable)
    return str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here)


if __name__ == "__main__":
    main()
