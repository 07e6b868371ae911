# SPDX-License-Identifier: Apache-2.0
"""Scenarios 21 to 24: guardrails refuse, ask a human, see what a human edited."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelRetryMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain import (
    AdapterOptions,
    Ask,
    RelayCallbackHandler,
    RelayGuardrailMiddleware,
    RelayMiddleware,
)
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, expect_tree

from .agents import ASK, agent, calling, llm_guardrail, marks, named, of, run, tool_guardrail, weather

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


class Policy:
    """A guardrail that counts how often it is asked."""

    def __init__(self, *forbidden: Any, answer: str = "not allowed") -> None:
        self.asked: list[Any] = []
        self.forbidden = forbidden
        self.answer = answer

    def __call__(self, name: str, args: Any) -> str | None:
        self.asked.append(args["city"])
        return self.answer if args["city"] in self.forbidden else None

    async def awaiting(self, name: str, args: Any) -> str | None:
        return self(name, args)


@BOTH
@pytest.mark.parametrize("awaits", [False, True])
async def test_s21_a_refusal_is_a_message(events: CapturedEvents, mode: str, awaits: bool) -> None:
    policy = Policy("Paris")
    with tool_guardrail(policy.awaiting if awaits else policy):
        state = await run(agent(RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
    refused = state["messages"][2]
    assert (refused.status, refused.content, refused.tool_call_id) == ("error", "not allowed", "c1")
    assert state["messages"][-1].content == "it is sunny"
    assert policy.asked == ["Paris"]
    expect_tree(
        events.tree(),
        """
        agent:A {ok}
            function:model
                llm:scripted
            function:tools {ok}
                guardrail:g {rejected}
                <tool.rejected>
            function:model
                llm:scripted
        """,
    )
    (mark,) = marks(events, "tool.rejected")
    assert mark.data["reason"] == "not allowed"
    assert mark.data["tool_call_id"] == "c1"


@BOTH
async def test_s21_raise(events: CapturedEvents, mode: str) -> None:
    graph = agent(RelayMiddleware(AdapterOptions(on_tool_rejection="raise")))
    with tool_guardrail(Policy("Paris")), pytest.raises(GuardrailRejected) as caught:
        await run(graph, mode, callbacks=[RelayCallbackHandler()])
    refusal = caught.value
    assert (refusal.kind, refusal.guardrail, refusal.reason, refusal.target) == ("tool", "g", "not allowed", "weather")
    assert of(events, "tool") == []


@BOTH
@pytest.mark.parametrize("rejection", ["raise", "tool_message"])
async def test_s21_a_retry_does_not_ask_again(events: CapturedEvents, mode: str, rejection: Any) -> None:
    policy = Policy("Paris")
    retry = ToolRetryMiddleware(max_retries=3, initial_delay=0, jitter=False, on_failure="continue")
    graph = agent(retry, RelayMiddleware(AdapterOptions(on_tool_rejection=rejection)))
    with tool_guardrail(policy):
        state = await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert policy.asked == ["Paris"]
    assert state["messages"][2].status == "error"
    assert len(of(events, "guardrail")) == len(marks(events, "tool.rejected")) == 1
    assert of(events, "tool") == []


async def test_s21_the_next_call_with_other_arguments_is_decided_anew(events: CapturedEvents) -> None:
    policy = Policy("Paris")
    script = [calling(("weather", {"city": "Paris"})), calling(("weather", {"city": "Rome"})), "done"]
    with tool_guardrail(policy):
        state = await run(agent(RelayMiddleware(), script=script), "ainvoke", callbacks=[RelayCallbackHandler()])
    assert policy.asked == ["Paris", "Rome"]
    assert [m.content for m in state["messages"] if m.type == "tool"] == ["not allowed", "sunny in Rome"]


@BOTH
async def test_s21_a_policy_that_raises_stops_the_call(events: CapturedEvents, mode: str) -> None:
    def broken(name: str, args: Any) -> str | None:
        raise ZeroDivisionError("policy")

    for graph in (agent(RelayMiddleware()), agent()):
        with tool_guardrail(broken), pytest.raises(ZeroDivisionError):
            await run(graph, mode, callbacks=[RelayCallbackHandler()])
    assert of(events, "tool") == []


CONFIG: Any = {"configurable": {"thread_id": "t"}}


async def resumed(graph: Any, mode: str, decision: dict[str, Any]) -> Any:
    config = {**CONFIG, "callbacks": [RelayCallbackHandler()]}
    given: Any = Command(resume={"decisions": [decision]})
    return graph.invoke(given, config) if mode == "invoke" else await graph.ainvoke(given, config)


async def started(graph: Any, mode: str) -> Any:
    config = {**CONFIG, "callbacks": [RelayCallbackHandler()]}
    state = graph.invoke(ASK, config) if mode == "invoke" else await graph.ainvoke(ASK, config)
    return state["__interrupt__"][0].value


GATES = {
    "middleware": lambda: RelayGuardrailMiddleware(),
    "option": lambda: RelayMiddleware(AdapterOptions(on_tool_rejection="interrupt")),
    "verdict": lambda: RelayMiddleware(),
}


@BOTH
@pytest.mark.parametrize("gate", GATES)
async def test_s22_ask_and_approve(events: CapturedEvents, mode: str, gate: str) -> None:
    policy = Policy("Paris", answer=Ask("not sure") if gate == "verdict" else "not sure")
    graph = agent(GATES[gate](), checkpointer=InMemorySaver())
    with tool_guardrail(policy):
        asked = await started(graph, mode)
        assert asked["action_requests"] == [
            {"name": "weather", "args": {"city": "Paris"}, "description": "g: not sure"}
        ]
        (review,) = asked["review_configs"]
        assert review["action_name"] == "weather"
        assert review["allowed_decisions"] == ["approve", "edit", "reject", "respond"]
        assert of(events, "tool") == []
        state = await resumed(graph, mode, {"type": "approve"})
    assert state["messages"][2].content == "sunny in Paris"
    assert [call.outcome for call in of(events, "tool")] == ["ok"]
    assert [node.outcome for node in named(events, "tools")] == ["interrupted", "ok"]
    assert [node.outcome for node in named(events, "A")] == ["interrupted", "ok"]


@BOTH
async def test_s22_approval_is_for_that_call_only(events: CapturedEvents, mode: str) -> None:
    policy = Policy("Paris")
    script = [calling(("weather", {"city": "Paris"})), calling(("weather", {"city": "Paris"})), "done"]
    graph = agent(RelayGuardrailMiddleware(), checkpointer=InMemorySaver(), script=script)
    with tool_guardrail(policy):
        await started(graph, mode)
        state = await resumed(graph, mode, {"type": "approve"})
        assert state["__interrupt__"]
        state = await resumed(graph, mode, {"type": "respond", "message": "rain"})
    assert [m.content for m in state["messages"] if m.type == "tool"] == ["sunny in Paris", "rain"]


@BOTH
async def test_s22_edit_is_checked_again(events: CapturedEvents, mode: str) -> None:
    policy = Policy("Paris", "Rome")
    graph = agent(RelayGuardrailMiddleware(), checkpointer=InMemorySaver())

    def edit(city: str) -> dict[str, Any]:
        return {"type": "edit", "edited_action": {"name": "weather", "args": {"city": city}}}

    with tool_guardrail(policy):
        await started(graph, mode)
        state = await resumed(graph, mode, edit("Rome"))
        assert state["__interrupt__"][0].value["action_requests"][0]["args"] == {"city": "Rome"}
        state = await resumed(graph, mode, edit("Oslo"))
    assert state["messages"][2].content == "sunny in Oslo"
    (call,) = of(events, "tool")
    assert call.input == {"city": "Oslo"}


@BOTH
async def test_s22_reject(events: CapturedEvents, mode: str) -> None:
    graph = agent(RelayGuardrailMiddleware(), checkpointer=InMemorySaver())
    with tool_guardrail(Policy("Paris")):
        await started(graph, mode)
        state = await resumed(graph, mode, {"type": "reject", "message": "please do not"})
    assert (state["messages"][2].status, state["messages"][2].content) == ("error", "please do not")
    assert of(events, "tool") == []
    assert len(marks(events, "tool.rejected")) == 1


@BOTH
@pytest.mark.parametrize("gate", ["middleware", "handler"])
async def test_s23_after_a_human_edit(events: CapturedEvents, mode: str, gate: str) -> None:
    policy = Policy("danger")
    review = HumanInTheLoopMiddleware(interrupt_on={"weather": True})
    ours = [RelayMiddleware()] if gate == "middleware" else []
    graph = agent(review, *ours, checkpointer=InMemorySaver())
    with tool_guardrail(policy):
        await started(graph, mode)
        action = {"name": "weather", "args": {"city": "danger"}}
        if gate == "handler":
            with pytest.raises(GuardrailRejected):
                await resumed(graph, mode, {"type": "edit", "edited_action": action})
        else:
            state = await resumed(graph, mode, {"type": "edit", "edited_action": action})
            assert next(m for m in state["messages"] if m.type == "tool").status == "error"
    assert policy.asked == ["danger"]
    (mark,) = marks(events, "tool.rejected")
    assert mark.data["args"] == {"city": "danger"}
    assert of(events, "tool") == []


@BOTH
async def test_s24_a_model_call_is_refused(events: CapturedEvents, mode: str) -> None:
    def decide(request: Any) -> str | None:
        return "no weather" if "weather" in request.content["messages"][-1]["content"] else None

    with llm_guardrail(decide):
        with pytest.raises(GuardrailRejected) as caught:
            await run(agent(RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
        assert caught.value.kind == "llm"
        options = AdapterOptions(on_llm_rejection="message")
        state = await run(agent(RelayMiddleware(options)), mode, callbacks=[RelayCallbackHandler()])
    assert [message.content for message in state["messages"]] == ["weather?", "no weather"]
    assert of(events, "llm") == []
    assert len(marks(events, "llm.rejected")) == 2
    assert [node.outcome for node in named(events, "A")] == ["error", "ok"]


@BOTH
async def test_s24_the_handler_enforces(events: CapturedEvents, mode: str) -> None:
    model = ScriptedChatModel(script=["hello"])
    asked: list[Any] = []

    def decide(request: Any) -> str | None:
        asked.append(request.content["messages"][-1]["content"])
        return "no"

    # LangChain leaves the coroutine of a second handler unawaited when the first one raises.
    handlers = [RelayCallbackHandler()] * (1 if mode == "ainvoke" else 2)
    config: Any = {"callbacks": handlers}
    quiet: Any = {"callbacks": [RelayCallbackHandler(AdapterOptions(enforce_in_callbacks=False))]}
    chain = RunnableLambda(lambda x: x) | model
    with llm_guardrail(decide):
        with pytest.raises(GuardrailRejected):
            await chain.ainvoke("hi", config) if mode == "ainvoke" else chain.invoke("hi", config)
        assert asked == ["hi"]
        chain.invoke("hi", quiet)
    assert asked == ["hi"]
    assert [node.outcome for node in of(events, "llm")] == ["ok"]


@BOTH
@pytest.mark.parametrize("awaits", [False, True])
@pytest.mark.allow_blocking
async def test_s24_the_handler_enforces_for_tools(events: CapturedEvents, mode: str, awaits: bool) -> None:
    policy = Policy("Paris")
    with tool_guardrail(policy.awaiting if awaits else policy), pytest.raises(GuardrailRejected):
        await run(agent(), mode, callbacks=[RelayCallbackHandler()])
    assert policy.asked == ["Paris"]
    assert of(events, "tool") == []
    assert weather.name == "weather"


@BOTH
async def test_s24_a_model_retry_around_the_refusal(events: CapturedEvents, mode: str) -> None:
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error")
    with llm_guardrail(lambda request: "never"), pytest.raises(GuardrailRejected):
        await run(agent(retry, RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
    assert of(events, "llm") == []
