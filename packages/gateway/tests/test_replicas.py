# SPDX-License-Identifier: Apache-2.0
"""Replicas share their sessions: whichever of them a host reaches, it is one tree."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nemo_relay import guardrails, intercepts
from nemo_relay.testing import CapturedEvents, check_lifecycles
from nemo_relay_gateway import Gateway, GatewayConfig
from nemo_relay_state import MemoryState, StateUnavailable

from .conftest import RawProvider, eventually, request, response, send
from .test_hooks import claude, hook, tree

IDS = (b"x-claude-code-session-id: s-1",)


class Broken(MemoryState):
    """A server that does not answer."""

    async def claim(self, *_: Any, **__: Any) -> bytes:
        raise StateUnavailable("Redis at nowhere:1")

    put = get = receive = claim  # type: ignore[assignment]


@asynccontextmanager
async def two(state: MemoryState | None = None) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two gateways on one state, before one provider."""
    state = state or MemoryState()
    provider = RawProvider(response(b'{"id": "m", "type": "message", "content": []}'))
    await provider.start()
    config = GatewayConfig(base_urls={"anthropic": provider.url})
    try:
        async with Gateway(config, state) as first, Gateway(config, state) as second:
            yield first, second
    finally:
        await provider.close()


async def ask(gateway: Gateway, *more: bytes) -> None:
    sent = request(b'{"model":"m","messages":[]}', *IDS, *more, target=b"/v1/messages")
    assert (await send(gateway.port, sent)).status == 200


TURN = (
    claude("SessionStart", source="startup"),
    claude("UserPromptSubmit", prompt="List"),
    claude("PreToolUse", tool_name="Bash", tool_input={"command": "ls"}, tool_use_id="t1"),
    claude("PostToolUse", tool_name="Bash", tool_use_id="t1", tool_response={"stdout": "a"}),
    claude("SubagentStart", agent_id="a1", agent_type="explore"),
    claude("PreToolUse", tool_name="Grep", tool_input={}, tool_use_id="t2", agent_id="a1"),
    claude("PostToolUse", tool_name="Grep", tool_use_id="t2", tool_response={}, agent_id="a1"),
    claude("SubagentStop", agent_id="a1", last_assistant_message="found"),
    claude("Stop", last_assistant_message="Done."),
    claude("SessionEnd", reason="other"),
)
TREE = [
    ("claude-code", None),
    ("claude-code-turn", "claude-code"),
    ("anthropic.messages", "claude-code-turn"),
    ("anthropic.messages", "claude-code-turn"),
    ("Bash", "claude-code-turn"),
    ("subagent:explore", "claude-code-turn"),
    ("anthropic.messages", "subagent:explore"),
    ("anthropic.messages", "subagent:explore"),
    ("Grep", "subagent:explore"),
]


@pytest.mark.parametrize("order", ["01" * 5, "10" * 5, "0" * 10, "0110011010"])
async def test_reports_and_calls_of_one_session_may_reach_any_replica(captured: CapturedEvents, order: str) -> None:
    async with two() as gateways:
        for number, payload in zip(order, TURN, strict=True):
            assert await hook(gateways[int(number)], "claude-code", payload) == {}
            if payload["hook_event_name"] == "UserPromptSubmit":
                await asyncio.gather(*(ask(gateway) for gateway in gateways))
            if payload["hook_event_name"] == "SubagentStart":
                await asyncio.gather(*(ask(gateway, b"x-claude-code-agent-id: a1") for gateway in gateways))
    check_lifecycles(captured.events)
    assert tree(captured) == TREE


async def test_a_subagent_s_first_call_may_come_before_its_report(captured: CapturedEvents) -> None:
    async with two() as (first, second):
        await hook(first, "claude-code", claude("UserPromptSubmit", prompt="x"))
        await ask(second, b"x-claude-code-agent-id: a1")
        await hook(second, "claude-code", claude("SubagentStart", agent_id="a1", agent_type="explore"))
        await hook(first, "claude-code", claude("SessionEnd"))
    check_lifecycles(captured.events)
    assert [name for name, _ in tree(captured)].count("subagent:a1") == 1


@pytest.mark.parametrize("how", ["handed over", "killed"])
async def test_the_next_replica_goes_on_where_the_first_one_stopped(captured: CapturedEvents, how: str) -> None:
    state = MemoryState()
    async with two(state) as (first, second):
        for payload in TURN[:3]:
            await hook(first, "claude-code", payload)
        if how == "handed over":
            await first.close()
        else:
            shared = first._shared
            assert shared is not None
            shared._open.clear()  # as if it had been killed: nothing is written, nothing ends
            for task in list(shared._tasks):
                task.cancel()
            await state.remove(f"alive:{shared.name}")
        for payload in TURN[3:]:
            await hook(second, "claude-code", payload)
    check_lifecycles(captured.events)
    assert tree(captured) == [line for line in TREE if line[0] != "anthropic.messages"]
    tools = [event for event in captured.events if event.name == "Bash"]
    assert [event.data for event in tools] == [{"command": "ls"}, {"stdout": "a"}]


async def test_policies_of_the_owner_answer_wherever_the_host_asks(captured: CapturedEvents) -> None:
    async def careful(name: str, args: Any, proceed: Any) -> Any:
        result = await proceed({**args, "safe": True})
        return {"stdout": result["stdout"].replace("secret", "***")}

    guardrails.register_tool_conditional_execution("no", 1, lambda name, args: "not that" if name == "rm" else None)
    intercepts.register_tool_execution("careful", 1, careful)
    async with two() as (first, second):
        await hook(first, "claude-code", TURN[0])
        denied = await hook(second, "claude-code", claude("PreToolUse", tool_name="rm", tool_use_id="t0"))
        assert denied["hookSpecificOutput"]["permissionDecision"] == "deny"
        start = claude("PreToolUse", tool_name="Bash", tool_input={}, tool_use_id="t1")
        answer = await hook(second, "claude-code", start)
        assert answer["hookSpecificOutput"]["updatedInput"] == {"safe": True}
        end = claude("PostToolUse", tool_name="Bash", tool_use_id="t1", tool_response={"stdout": "a secret"})
        answer = await hook(second, "claude-code", end)
        assert answer["hookSpecificOutput"]["updatedToolOutput"] == {"stdout": "a ***"}
        await hook(first, "claude-code", claude("SessionEnd"))
    check_lifecycles(captured.events)


async def test_codex_calls_are_one_event_across_replicas(captured: CapturedEvents) -> None:
    ids = {"session_id": "s", "thread_id": "s", "request_id": "r", "model": "m"}
    async with two() as (first, second):
        await hook(first, "codex", {**ids, "hook_event_name": "PreModelRequest"})
        body = b'{"id":"resp_1","object":"response","output":[]}'
        provider = RawProvider(response(body))
        await provider.start()
        second._origins["openai"] = second._origins["anthropic"]._replace(port=provider.port)
        await send(second.port, request(b'{"model":"m"}', b"session-id: s", target=b"/v1/responses"))
        shared = first._shared
        assert shared is not None
        await eventually(lambda: shared._open["codex", "s"].record().response_ids == ["resp_1"])
        done = {**ids, "hook_event_name": "PostModelRequest", "status": "completed", "response_id": "resp_1"}
        await hook(first, "codex", done)
        await provider.close()
    assert [name for name, _ in tree(captured)] == ["codex", "openai.responses"]


async def test_a_state_that_does_not_answer_stops_nobody(captured: CapturedEvents) -> None:
    async with two(Broken()) as (first, _):
        for payload in TURN[:2]:
            assert await hook(first, "claude-code", payload) == {}
        await ask(first)
        assert await hook(first, "claude-code", TURN[-1]) == {}
        assert first._shared is not None
        assert first._shared.unavailable > 0
    check_lifecycles(captured.events)
    assert [name for name, _ in tree(captured)] == ["claude-code", "claude-code-turn", "anthropic.messages"]


async def test_what_a_session_is_written_down_as_is_json() -> None:
    state = MemoryState()
    async with two(state) as (first, _):
        for payload in TURN[:6]:
            await hook(first, "claude-code", payload)
        raw = await state.get("session:claude-code:s-1")
    assert raw is not None
    record = json.loads(raw)
    assert sorted(record["agents"]) == ["a1"]
    assert record["tools"]["t2"]["agent"] == "a1"
    assert record["turns"] == 1
