# SPDX-License-Identifier: Apache-2.0
"""Agents on a real OpenAI client over HTTP: what is recorded, and that the wire does not notice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

from nemo_relay.integrations.langgraph import wrap_graph
from nemo_relay.testing import CapturedEvents
from nemo_relay_provider import Failure, Reply, ScriptedProvider, ToolCall, Usage

from .graphs import ASK, add, fragile, named, only

# One for each client: they are kept by address and timeout, beyond their loop, and the port of a server may come again.
TIMEOUTS = itertools.count(60)
USAGE = Usage(input=40, output=9, cached=8, reasoning=4)


def script(body: Any) -> Reply | Failure:
    """Two tools in parallel, then an answer; a stateless function, so that agents may run side by side."""
    results = [message for message in body["messages"] if message["role"] == "tool"]
    if results:
        return Reply("it is " + results[0]["content"], usage=USAGE)
    calls = [ToolCall("add", {"a": 1, "b": 2}, id="call_1"), ToolCall("add", {"a": 3, "b": 4}, id="call_2")]
    return Reply(tool_calls=calls, usage=USAGE)


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider(script) as running:
        yield running


def agent_on(provider: ScriptedProvider) -> Any:
    model = ChatOpenAI(
        base_url=provider.openai_url,
        api_key="sk-very-secret",
        model="scripted-1",
        temperature=0.2,
        max_retries=0,
        stream_usage=True,
        timeout=next(TIMEOUTS),
    )
    return create_agent(model, [add, fragile], name="calc", system_prompt="be brief")


async def run(agent: Any, mode: str) -> None:
    match mode:
        case "invoke":
            agent.invoke(ASK)
        case "stream":
            list(agent.stream(ASK, stream_mode="messages"))
        case "ainvoke":
            await agent.ainvoke(ASK)
        case "astream":
            _ = [chunk async for chunk in agent.astream(ASK, stream_mode="messages")]


@pytest.mark.allow_blocking  # the synchronous modes do block the loop of this test
@pytest.mark.parametrize("mode", ["invoke", "stream", "ainvoke", "astream"])
async def test_what_is_recorded(events: CapturedEvents, provider: ScriptedProvider, mode: str) -> None:
    await run(wrap_graph(agent_on(provider)), mode)
    first, second = named(events, "openai")
    assert (first.category, first.outcome, first.model) == ("llm", "ok", "scripted-1")
    asked = first.input["content"]
    assert (asked["model"], asked["temperature"]) == ("scripted-1", 0.2)
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert {tool["function"]["name"] for tool in asked["tools"]} == {"add", "fragile"}
    assert [call["function"]["name"] for call in first.output["tool_calls"]] == ["add", "add"]
    assert (first.output["finish_reason"], second.output["finish_reason"]) == ("tool_calls", "stop")
    assert second.output["content"] == "it is 3"
    for call in (first, second):
        assert call.output["usage"] == {
            "prompt_tokens": 40,
            "completion_tokens": 9,
            "total_tokens": 49,
            "cache_read_tokens": 8,
            "reasoning_tokens": 4,
        }
        streamed = mode in ("stream", "astream")
        assert bool(call.metadata.get("relay.streaming")) is streamed
        assert [mark.name for mark in call.marks] == (["llm.first_token"] if streamed else [])
    calls = named(events, "add")
    assert sorted(call.output["content"] for call in calls) == ["3", "7"]
    assert {call.tool_call_id for call in calls} == {call["id"] for call in first.output["tool_calls"]}
    assert only(events, "calc").total_tokens().total == 98
    assert not [event for event in events if "sk-very-secret" in event.to_json()]


@pytest.mark.allow_blocking
@pytest.mark.parametrize("mode", ["invoke", "stream", "ainvoke", "astream"])
async def test_the_wire_is_the_same_with_and_without(
    events: CapturedEvents, provider: ScriptedProvider, mode: str
) -> None:
    agent = agent_on(provider)
    await run(agent, mode)
    before = len(provider.requests)
    await run(wrap_graph(agent), mode)
    bare, recorded = provider.requests[:before], provider.requests[before:]
    assert len(bare) == len(recorded) == 2
    for one, other in zip(bare, recorded, strict=True):
        assert one.body == other.body
        assert one.headers.keys() == other.headers.keys()


def test_a_provider_that_fails(events: CapturedEvents) -> None:
    with ScriptedProvider([Failure(500, "out of order")]) as provider:
        agent = wrap_graph(agent_on(provider))
        with pytest.raises(Exception, match="out of order") as caught:
            agent.invoke(ASK)
    call = only(events, "openai")
    assert (call.outcome, call.metadata["exception.type"]) == ("error", type(caught.value).__name__)
    assert only(events, "calc").outcome == "error"


def test_a_connection_that_breaks_mid_stream(events: CapturedEvents) -> None:
    with ScriptedProvider([Reply("one two three four", break_after=3)]) as provider:
        agent = wrap_graph(agent_on(provider))
        with pytest.raises(Exception, match=r".") as caught:
            list(agent.stream(ASK, stream_mode="messages"))
    call = only(events, "openai")
    assert (call.outcome, call.metadata["exception.type"]) == ("error", type(caught.value).__name__)
    assert call.output["content"].startswith("one")
    assert call.output["error"]["type"] == type(caught.value).__name__
