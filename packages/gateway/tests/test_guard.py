# SPDX-License-Identifier: Apache-2.0
"""The component ``guard`` on what passes through the gateway: tools by a host's hooks, models by their requests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nemo_relay import plugin
from nemo_relay.testing import CapturedEvents, check_lifecycles
from nemo_relay_gateway import Gateway

from .conftest import RawProvider, between, request, response, send

pytest.importorskip("nemo_relay_guard", reason="nemo-relay-guard is not installed")

Json = dict[str, Any]
ANSWER = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "key sk-abcdefgh12345678"}],
    "usage": {"input_tokens": 60, "output_tokens": 40},
}
ASKED = json.dumps(
    {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "pay 4111 1111 1111 1111"}]}
)


@asynccontextmanager
async def guarded(*rules: Json, budgets: tuple[Json, ...] = ()) -> AsyncIterator[None]:
    config = {"rules": list(rules), "budgets": list(budgets)}
    async with plugin.activate({"components": [{"kind": "guard", "config": config}]}):
        yield


async def hook(gateway: Gateway, name: str, **more: Any) -> Json:
    payload = {"session_id": "s-1", "hook_event_name": name, **more}
    answer = await send(gateway.port, request(json.dumps(payload).encode(), target=b"/hooks/claude-code"))
    assert answer.status == 200, answer.body
    found: Json = json.loads(answer.body)
    return found.get("hookSpecificOutput", {})


def tool(command: str, key: str = "t1") -> Json:
    return {"tool_name": "Bash", "tool_input": {"command": command}, "tool_use_id": key}


RULE: Json = {
    "name": "rm",
    "on": "tool",
    "tools": ["Bash"],
    "where": [{"path": "/command", "regex": r"\brm\b"}],
    "verdict": "deny",
    "reason": "not here",
}


async def test_a_host_s_tool_is_refused_rewritten_and_counted(captured: CapturedEvents) -> None:
    rewrite = {
        "name": "quiet",
        "on": "tool",
        "where": [{"path": "/command", "glob": "make*"}],
        "verdict": "rewrite",
        "set": {"/command": "make -s"},
    }
    budget = {"name": "two", "limit": {"tool_calls": 2}, "per": "session"}
    async with guarded(RULE, rewrite, budgets=(budget,)), between(RawProvider(b"")) as gateway:
        refused = await hook(gateway, "PreToolUse", **tool("rm x"))
        assert refused["permissionDecision"] == "deny" and "not here" in refused["permissionDecisionReason"]
        assert (await hook(gateway, "PreToolUse", **tool("make all", "t2")))["updatedInput"] == {"command": "make -s"}
        assert await hook(gateway, "PostToolUse", **tool("make -s", "t2"), tool_response="ok") == {}
        assert await hook(gateway, "PreToolUse", **tool("ls", "t3")) == {}
        assert await hook(gateway, "PostToolUse", **tool("ls", "t3"), tool_response="ok") == {}
        broken = await hook(gateway, "PreToolUse", **tool("ls", "t4"))
        assert broken["permissionDecision"] == "deny" and "budget 'two'" in broken["permissionDecisionReason"]
        await hook(gateway, "SessionEnd", reason="other")
    check_lifecycles(captured.events)


@pytest.mark.parametrize("agreed", [True, False])
async def test_claude_code_asks_its_user(captured: CapturedEvents, agreed: bool) -> None:
    ask = {**RULE, "verdict": "ask", "reason": "deletes files"}
    async with guarded(ask), between(RawProvider(b"")) as gateway:
        asked = await hook(gateway, "PreToolUse", **tool("rm x"))
        assert asked["permissionDecision"] == "ask" and asked["permissionDecisionReason"] == "deletes files"
        if agreed:
            assert await hook(gateway, "PostToolUse", **tool("rm x"), tool_response="gone") == {}
        else:
            assert await hook(gateway, "PermissionDenied", **tool("rm x")) == {}
        await hook(gateway, "SessionEnd", reason="other")
    check_lifecycles(captured.events)
    [end] = [e for e in captured.events if e.kind == "scope" and e.name == "Bash" and e.scope_category == "end"]
    assert (end.data == "gone") is agreed
    assert end.metadata["otel.status_code"] == ("OK" if agreed else "ERROR")


async def test_a_rule_behind_the_one_that_asks_still_denies(captured: CapturedEvents) -> None:
    other = {**RULE, "name": "all", "where": [], "verdict": "deny", "reason": "nothing at all"}
    ask = {**RULE, "verdict": "ask"}
    async with guarded(other, ask), between(RawProvider(b"")) as gateway:
        refused = await hook(gateway, "PreToolUse", **tool("rm x"))
        assert refused["permissionDecision"] == "deny"


async def test_a_model_behind_the_gateway_sees_and_says_what_rules_let_through(captured: CapturedEvents) -> None:
    rules = (
        {"name": "cards", "on": "llm", "verdict": "redact", "detectors": ["credit_card"]},
        {"name": "keys", "on": "llm_response", "verdict": "redact", "detectors": ["api_key"]},
    )
    budget = {"name": "tokens", "limit": {"llm_calls": 1}, "per": "process"}
    provider = RawProvider(response(json.dumps(ANSWER).encode()))
    async with guarded(*rules, budgets=(budget,)), between(provider) as gateway:
        answer = await send(gateway.port, request(ASKED.encode(), target=b"/v1/messages"))
        assert answer.status == 200 and b"sk-abc" not in answer.body and b"key [REDACTED]" in answer.body
        refused = await send(gateway.port, request(ASKED.encode(), target=b"/v1/messages"))
        assert refused.status == 403 and b"tokens" in refused.body
    sent = b"".join(provider.requests) if isinstance(provider.requests, list) else provider.requests
    assert b"4111" not in sent and b"[REDACTED]" in sent
