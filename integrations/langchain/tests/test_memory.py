# SPDX-License-Identifier: Apache-2.0
"""A long-lived process does not grow (R5): what a call was given and gave is let go of when it is over."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents.middleware import AgentMiddleware
from langsmith.utils import tracing_is_enabled

from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain import (
    AdapterOptions,
    RelayCallbackHandler,
    RelayMiddleware,
    wrap_chat_model,
    wrap_tool,
)
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents

from .agents import MODES, agent, run, tool_guardrail, weather

EVERY_MODE = pytest.mark.parametrize("mode", MODES)

pytestmark = pytest.mark.skipif(tracing_is_enabled(), reason="LangSmith's tracing holds on to what it has not sent")
Collected = Callable[[Callable[[], bool]], bool]
SETUPS: dict[str, Callable[[], list[AgentMiddleware[Any, Any]]]] = {
    "handler": list,
    "middleware": lambda: [RelayMiddleware()],
}


def remembering(seen: list[weakref.ref[Any]]) -> Callable[[Any], str]:
    def reply(messages: Any) -> str:
        seen.extend(weakref.ref(message) for message in messages)
        return "hello"

    return reply


@EVERY_MODE
async def test_r5_the_conversation_of_a_wrapped_model_is_not_kept(
    events: CapturedEvents, collected: Collected, mode: str
) -> None:
    seen: list[weakref.ref[Any]] = []
    model = wrap_chat_model(ScriptedChatModel(script=[remembering(seen)]))
    config: Any = {"callbacks": [RelayCallbackHandler()]}
    for _ in range(3):
        match mode:
            case "invoke":
                model.invoke("hi", config)
            case "ainvoke":
                await model.ainvoke("hi", config)
            case "stream":
                assert list(model.stream("hi", config))
            case "astream":
                assert [chunk async for chunk in model.astream("hi", config)]
    assert len(seen) == 3
    assert collected(lambda: not any(ref() for ref in seen))


@EVERY_MODE
@pytest.mark.parametrize("setup", SETUPS)
async def test_r5_the_conversation_of_an_agent_is_not_kept(
    events: CapturedEvents, collected: Collected, setup: str, mode: str
) -> None:
    seen: list[weakref.ref[Any]] = []
    graph = agent(*SETUPS[setup](), model=ScriptedChatModel(script=[remembering(seen)]))
    await run(graph, mode, callbacks=[RelayCallbackHandler()])
    await asyncio.sleep(0.01)  # the loop lets go of what a thread gave it
    assert seen
    assert collected(lambda: not any(ref() for ref in seen))


@pytest.mark.parametrize("which", ["middleware", "tool", "handler"])
async def test_r5_the_run_that_a_guardrail_ended_is_not_kept(
    events: CapturedEvents, collected: Collected, which: str
) -> None:
    class State:
        """Stands in the frames that the refusal passes."""

    def attempt() -> weakref.ref[State]:
        state = State()
        raising = AdapterOptions(on_tool_rejection="raise")
        tool = wrap_tool(weather, raising) if which == "tool" else weather
        graph = agent(*([RelayMiddleware(raising)] if which == "middleware" else []), tools=[tool])
        with pytest.raises(GuardrailRejected, match="no"):
            graph.invoke({"messages": [("user", "?")]}, {"callbacks": [RelayCallbackHandler()]})
        return weakref.ref(state)

    with tool_guardrail(lambda name, args: "no"):
        left = attempt()
    assert collected(lambda: left() is None)
