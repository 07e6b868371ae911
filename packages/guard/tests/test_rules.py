# SPDX-License-Identifier: Apache-2.0
"""Rules on tools and models: allow, deny, ask, rewrite, redact."""

from __future__ import annotations

from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, llm, scope, tools
from nemo_relay.codecs import OpenAIChatCodec
from nemo_relay.errors import GuardrailRejected

from .conftest import Json, guarded

NO_RM: Json = {
    "name": "no-rm",
    "on": "tool",
    "tools": ["bash", "exec*"],
    "where": [{"path": "/command", "regex": r"\brm\s+-rf\b"}],
    "verdict": "deny",
    "reason": "deleting trees is not allowed here",
}
CARD = "4111 1111 1111 1111"
REQUEST: Json = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"pay with {CARD}"}]}


async def test_a_call_that_a_rule_matches_is_refused_with_its_reason() -> None:
    async with guarded(NO_RM) as seen:
        for name, command in (("bash", "rm  -rf /"), ("exec_shell", ["sh", "-c", "rm -rf ."])):
            with pytest.raises(GuardrailRejected) as refused:
                await tools.execute(name, {"command": command}, lambda args: pytest.fail("it ran"))
            assert refused.value.guardrail == "guard:no-rm" and refused.value.kind == "tool"
            assert refused.value.reason == "deleting trees is not allowed here"
        assert await tools.execute("bash", {"command": "ls"}, lambda args: "fine") == "fine"
        assert await tools.execute("python", {"command": "rm -rf /"}, lambda args: "other") == "other"
        with pytest.raises(GuardrailRejected):
            tools.execute_sync("bash", {"command": "rm -rf /"}, lambda args: pytest.fail("it ran"))
    assert [verdict for _, verdict in seen.verdicts()] == ["deny", "deny", "allow", "deny"]


async def test_the_arguments_pass_by_identity_where_nothing_is_rewritten() -> None:
    arguments = {"command": "ls"}
    async with guarded(NO_RM, {"name": "r", "on": "tool", "verdict": "redact", "detectors": ["email"]}):
        assert await tools.execute("bash", arguments, lambda args: args) is arguments


async def test_observe_records_and_stops_nothing() -> None:
    async with guarded(NO_RM, mode="observe") as seen:
        assert await tools.execute("bash", {"command": "rm -rf /"}, lambda args: "ran") == "ran"
    assert seen.verdicts() == [("guard:no-rm", "deny")]


async def test_the_first_that_allows_ends_the_matter_and_the_default_may_deny() -> None:
    allow = {"name": "ls", "on": "tool", "where": [{"path": "/command", "glob": "ls*"}], "verdict": "allow"}
    async with guarded(allow, default="deny"):
        assert await tools.execute("bash", {"command": "ls -la"}, lambda args: 1) == 1
        with pytest.raises(GuardrailRejected, match="no rule allows it"):
            await tools.execute("bash", {"command": "cat x"}, lambda args: 1)
        with pytest.raises(GuardrailRejected, match="no rule allows it"):
            await llm.execute("openai", LLMRequest({}, REQUEST), lambda request: {})
    async with guarded({**allow, "where": []}, NO_RM):
        assert await tools.execute("bash", {"command": "rm -rf /"}, lambda args: 1) == 1


async def test_rewrite_and_redact_apply_and_go_on() -> None:
    rules = [
        {
            "name": "cap",
            "on": "tool",
            "verdict": "rewrite",
            "set": {"/limit": 10, "/opts/dry": True},
            "remove": ["/force"],
        },
        {"name": "mail", "on": "tool", "verdict": "redact", "detectors": ["email"], "replacement": "<{name}>"},
        {"name": "after", "on": "tool", "where": [{"path": "/to", "contains": "@"}], "verdict": "deny"},
    ]
    given = {"to": "jane@example.com", "force": True, "limit": 99}
    async with guarded(*rules) as seen:
        got = await tools.execute("send", given, lambda args: args)
    assert got == {"to": "<email>", "limit": 10, "opts": {"dry": True}} and given["limit"] == 99
    assert seen.verdicts() == [("guard:cap", "rewrite"), ("guard:mail", "redact"), ("guard:after", "allow")]


@pytest.mark.parametrize("codec", [None, OpenAIChatCodec()])
async def test_what_the_model_sees_is_redacted_and_rewritten(codec: Any) -> None:
    rules = [
        {"name": "cards", "on": "llm", "models": ["gpt-*"], "verdict": "redact", "detectors": ["credit_card"]},
        {"name": "cheap", "on": "llm", "providers": ["open*"], "verdict": "rewrite", "set": {"/max_tokens": 5}},
    ]
    sent: list[Any] = []

    def provider(request: LLMRequest) -> Json:
        sent.append(request.content)
        return {"choices": []}

    async with guarded(*rules):
        await llm.execute("openai", LLMRequest({}, REQUEST), provider, codec=codec)
        await llm.execute("other", LLMRequest({}, {**REQUEST, "model": "m"}), provider, codec=codec)
    assert sent[0]["messages"][0]["content"] == "pay with [REDACTED]" and sent[0]["max_tokens"] == 5
    assert sent[1]["messages"] == REQUEST["messages"] and "max_tokens" not in sent[1]


async def test_results_and_answers_are_looked_at() -> None:
    secret = "key sk-abcdefgh12345678"
    rules = [
        {"name": "out", "on": "tool_result", "verdict": "redact", "detectors": ["api_key"]},
        {"name": "size", "on": "tool_result", "where": [{"longer_than": 40}], "verdict": "deny", "reason": "too long"},
        {"name": "answer", "on": "llm_response", "verdict": "redact", "detectors": ["api_key"]},
    ]
    async with guarded(*rules) as seen:
        assert await tools.execute("t", {}, lambda args: {"v": secret}) == {"v": "key [REDACTED]"}
        with pytest.raises(GuardrailRejected, match="too long"):
            await tools.execute("t", {}, lambda args: "x" * 50)
        answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": secret}}]}
        got = await llm.execute("openai", LLMRequest({}, REQUEST), lambda request: answer)
    assert got["choices"][0]["message"]["content"] == "key [REDACTED]"
    assert ("guard:size", "deny") in seen.verdicts() and ("guard:answer", "redact") in seen.verdicts()


async def test_agents_are_those_that_the_call_runs_in() -> None:
    rule = {"name": "intern", "on": "tool", "agents": ["intern*"], "verdict": "deny"}
    async with guarded(rule):
        with scope.scope("boss", ScopeType.Agent):
            assert await tools.execute("t", {}, lambda args: 1) == 1
            with scope.scope("intern-1", ScopeType.Agent), scope.scope("step", ScopeType.Function):
                with pytest.raises(GuardrailRejected):
                    await tools.execute("t", {}, lambda args: 1)


async def test_where_nobody_can_be_asked_it_is_a_refusal() -> None:
    async with guarded({"name": "pay", "on": "tool", "verdict": "ask", "reason": "a human must see this"}) as seen:
        with pytest.raises(GuardrailRejected) as refused:
            await tools.execute("pay", {"sum": 100}, lambda args: 1)
    assert refused.value.reason.asks  # type: ignore[attr-defined]
    assert seen.verdicts() == [("guard:pay", "ask")]


async def test_a_rule_that_fails_denies_or_lets_pass_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"name": "r", "on": "tool", "where": [{"path": "/a", "path_within": ["/"]}], "verdict": "deny"}
    monkeypatch.setattr("nemo_relay_guard.conditions._real", lambda path: 1 / 0)
    for on_error, ran in (("deny", False), ("allow", True)):
        async with guarded(rule, on_error=on_error, canary="off"):
            call = tools.execute("t", {"a": "/x"}, lambda args: "ran")
            if ran:
                assert await call == "ran"
            else:
                with pytest.raises(GuardrailRejected, match="failed"):
                    await call


async def test_a_rule_that_cannot_look_at_a_call_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"name": "r", "on": "tool", "where": [{"path": "/path", "path_within": ["/"]}], "verdict": "deny"}
    monkeypatch.setattr("nemo_relay_guard.conditions._real", lambda path: 1 / 0)
    with pytest.raises(RuntimeError, match="cannot look at a call"):
        async with guarded(rule):
            pass
    async with guarded(rule, canary="warn"):
        pass
