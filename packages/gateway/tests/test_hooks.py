# SPDX-License-Identifier: Apache-2.0
"""Hooks of hosts: payloads to scopes, verdicts to the hosts' own answers, and one call is one event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nemo_relay import guardrails, intercepts, subscribers
from nemo_relay.testing import CapturedEvents, check_lifecycles
from nemo_relay_gateway import Gateway
from nemo_relay_otel import to_exporter

from .conftest import RawProvider, between, chunked, request, response, send

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
ENDPOINTS = {"claude": "claude-code", "gemini": "gemini-cli"}


async def hook(gateway: Gateway, host: str, payload: dict[str, Any]) -> Any:
    """Post one payload; the answer."""
    answer = await send(gateway.port, request(json.dumps(payload).encode(), target=f"/hooks/{host}".encode()))
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def claude(name: str, **more: Any) -> dict[str, Any]:
    return {"session_id": "s-1", "hook_event_name": name, **more}


def tree(captured: CapturedEvents) -> list[tuple[str, str | None]]:
    """Starts in their order, each with the name of its parent."""
    starts = [event for event in captured.events if event.kind == "scope" and event.scope_category == "start"]
    names = {event.uuid: event.name for event in starts}
    return [(event.name, names.get(event.parent_uuid or "")) for event in starts]


async def test_a_turn_of_claude_code(captured: CapturedEvents) -> None:
    provider = RawProvider(response(b'{"id": "m", "type": "message", "content": []}'))
    async with between(provider) as gateway:
        for payload in (
            claude("SessionStart", source="startup"),
            claude("UserPromptSubmit", prompt="List"),
            claude("PreToolUse", tool_name="Bash", tool_input={"command": "ls"}, tool_use_id="t1"),
            claude("PreToolUse", tool_name="Read", tool_input={"path": "x"}, tool_use_id="t2"),
            claude("PostToolUse", tool_name="Read", tool_use_id="t2", tool_response="text"),
            claude("PostToolUse", tool_name="Bash", tool_use_id="t1", tool_response={"stdout": "a"}),
            claude("SubagentStart", agent_id="a1", agent_type="explore"),
        ):
            assert await hook(gateway, "claude-code", payload) == {}
        ids = (b"x-claude-code-session-id: s-1", b"x-claude-code-agent-id: a1")
        await send(gateway.port, request(b'{"model":"m","messages":[]}', *ids, target=b"/v1/messages"))
        for payload in (
            claude("PreToolUse", tool_name="Grep", tool_input={}, tool_use_id="t3", agent_id="a1"),
            claude("SubagentStop", agent_id="a1", last_assistant_message="found"),
            claude("Stop", last_assistant_message="Done."),
            claude("SessionEnd", reason="other"),
        ):
            assert await hook(gateway, "claude-code", payload) == {}
        assert len(gateway.sessions) == 0
    check_lifecycles(captured.events)
    assert tree(captured) == [
        ("claude-code", None),
        ("claude-code-turn", "claude-code"),
        ("Bash", "claude-code-turn"),
        ("Read", "claude-code-turn"),
        ("subagent:explore", "claude-code-turn"),
        ("anthropic.messages", "subagent:explore"),
        ("Grep", "subagent:explore"),
    ]
    ends = {event.name: event for event in captured.events if event.kind == "scope" and event.scope_category == "end"}
    assert ends["claude-code-turn"].data == "Done."
    assert ends["Bash"].data == {"stdout": "a"}
    assert ends["Grep"].metadata["otel.status_description"] == "closed_by_turn_end"


@pytest.mark.parametrize(
    ("host", "start", "denial"),
    [
        (
            "claude-code",
            claude("PreToolUse", tool_name="rm", tool_input={"path": "/"}, tool_use_id="t"),
            {
                "hookSpecificOutput": {
                    "hookEventName": "PreToolUse",
                    "permissionDecision": "deny",
                    "permissionDecisionReason": "guardrail rejected: not that",
                }
            },
        ),
        (
            "cursor",
            {"hook_event_name": "preToolUse", "conversation_id": "c", "tool_name": "rm", "tool_use_id": "t"},
            {
                "permission": "deny",
                "user_message": "guardrail rejected: not that",
                "agent_message": "guardrail rejected: not that",
            },
        ),
        (
            "hermes",
            {"hook_event_name": "pre_tool_call", "session_id": "h", "tool_name": "rm", "extra": {"tool_call_id": "t"}},
            {"decision": "block", "reason": "guardrail rejected: not that"},
        ),
        (
            "gemini-cli",
            {"hook_event_name": "BeforeTool", "session_id": "g", "tool_name": "rm"},
            {"decision": "deny", "reason": "guardrail rejected: not that"},
        ),
        (
            "copilot/preToolUse",
            {"sessionId": "p", "toolName": "rm"},
            {"permissionDecision": "deny", "permissionDecisionReason": "guardrail rejected: not that"},
        ),
    ],
)
async def test_a_refused_tool_is_answered_in_the_host_s_words(
    captured: CapturedEvents, host: str, start: dict[str, Any], denial: dict[str, Any]
) -> None:
    guardrails.register_tool_conditional_execution("no", 1, lambda name, args: "not that" if name == "rm" else None)
    async with between(RawProvider(b"")) as gateway:
        assert await hook(gateway, host, start) == denial
    check_lifecycles(captured.events)


async def test_w01_observing_never_grants_a_permission() -> None:
    guardrails.register_tool_conditional_execution("all", 1, lambda name, args: None)
    async with between(RawProvider(b"")) as gateway:
        for name in ("PreToolUse", "PermissionRequest", "PostToolUse", "Notification", "WorktreeCreate"):
            assert await hook(gateway, "claude-code", claude(name, tool_name="Bash", tool_use_id="t")) == {}
            assert await hook(gateway, "codex", claude(name, tool_name="Bash", tool_use_id="t")) == {}


async def test_arguments_are_rewritten_and_results_redacted_where_a_policy_says_so(captured: CapturedEvents) -> None:
    async def careful(name: str, args: Any, proceed: Any) -> Any:
        result = await proceed({**args, "command": "ls -1"})
        return {"stdout": result["stdout"].replace("secret", "***")}

    intercepts.register_tool_execution("careful", 1, careful)
    async with between(RawProvider(b"")) as gateway:
        start = claude("PreToolUse", tool_name="Bash", tool_input={"command": "ls"}, tool_use_id="t")
        answer = await hook(gateway, "claude-code", start)
        assert answer["hookSpecificOutput"]["updatedInput"] == {"command": "ls -1"}
        end = claude("PostToolUse", tool_name="Bash", tool_use_id="t", tool_response={"stdout": "a secret"})
        answer = await hook(gateway, "claude-code", end)
        assert answer["hookSpecificOutput"]["updatedToolOutput"] == {"stdout": "a ***"}
    check_lifecycles(captured.events)


async def test_codex_model_calls_are_one_event_with_or_without_the_gateway(captured: CapturedEvents) -> None:
    frames = b'data: {"type":"response.completed","response":{"id":"resp_1","object":"response","output":[]}}\n\n'
    ids = {"session_id": "s", "thread_id": "s", "request_id": "r"}
    usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    async with between(RawProvider(chunked(frames))) as gateway:
        for passes in (True, False):
            await hook(gateway, "codex", {**ids, "hook_event_name": "PreModelRequest", "model": "m"})
            if passes:
                head = b'x-codex-turn-metadata: {"session_id":"s","thread_id":"s","turn_id":"t"}'
                await send(gateway.port, request(b'{"model":"m","stream":true}', head, target=b"/v1/responses"))
            done = {"status": "completed", "response_id": "resp_1" if passes else "resp_2", "token_usage": usage}
            await hook(gateway, "codex", {**ids, "hook_event_name": "PostModelRequest", "model": "m", **done})
    assert [name for name, _ in tree(captured)] == ["codex", "openai.responses", "codex.model"]
    ends = [event for event in captured.events if event.name == "codex.model"]
    assert ends[1].category_profile["annotated_response"]["usage"]["prompt_tokens"] == 7
    check_lifecycles(captured.events)


async def test_hermes_subagents_are_sessions_of_their_own(captured: CapturedEvents) -> None:
    async with between(RawProvider(b"")) as gateway:
        for session, name, extra in (
            ("p", "on_session_start", {}),
            ("p", "pre_llm_call", {"user_message": "Hi"}),
            ("p", "subagent_start", {"child_session_id": "c", "child_role": "leaf"}),
            ("c", "on_session_start", {}),
            ("c", "pre_api_request", {"api_request_id": "a", "model": "m"}),
            ("c", "post_api_request", {"api_request_id": "a", "usage": {"prompt_tokens": 3, "output_tokens": 1}}),
            ("c", "on_session_finalize", {}),
            ("p", "on_session_end", {}),
            ("p", "on_session_finalize", {}),
        ):
            await hook(gateway, "hermes", {"hook_event_name": name, "session_id": session, "extra": extra})
        assert len(gateway.sessions) == 0
    assert tree(captured) == [
        ("hermes", None),
        ("hermes-turn", "hermes"),
        ("subagent:leaf", "hermes-turn"),
        ("hermes.model", "subagent:leaf"),
    ]
    check_lifecycles(captured.events)


async def test_gemini_s_chunks_are_one_call(captured: CapturedEvents) -> None:
    ask = {"llm_request": {"model": "g", "messages": []}}
    async with between(RawProvider(b"")) as gateway:
        for name, more in (
            ("BeforeAgent", {"prompt": "Hi"}),
            ("BeforeModel", ask),
            ("AfterModel", {**ask, "llm_response": {"text": "He"}}),
            ("AfterModel", {**ask, "llm_response": {"text": "llo", "usageMetadata": {"promptTokenCount": 5}}}),
            ("BeforeTool", {"tool_name": "ls", "tool_input": {"a": 1}}),
            ("AfterTool", {"tool_name": "ls", "tool_input": {"a": 1}, "tool_response": {"llmContent": "x"}}),
            ("AfterAgent", {"prompt_response": "Hello"}),
        ):
            await hook(gateway, "gemini-cli", {"session_id": "g", "hook_event_name": name, **more})
    assert [name for name, _ in tree(captured)] == ["gemini-cli", "gemini-cli-turn", "gemini-cli.model", "ls"]
    end = next(event for event in captured.events if event.name == "gemini-cli.model" and event.scope_category == "end")
    assert [part["text"] for part in end.data] == ["He", "llo"]
    assert end.category_profile["annotated_response"]["usage"]["prompt_tokens"] == 5
    check_lifecycles(captured.events)


@pytest.mark.parametrize("body", [b"", b"[1]", b"null", b'"x"', b"{", b'{"session_id": [1]}', b"{}"])
async def test_an_odd_payload_is_answered_and_breaks_nothing(body: bytes) -> None:
    async with between(RawProvider(b"")) as gateway:
        for host in ("claude-code", "codex", "hermes", "cursor", "gemini-cli", "copilot/x", "qwen", "compatible"):
            answer = await send(gateway.port, request(body, target=f"/hooks/{host}".encode()))
            assert answer.status in (200, 400)
        assert (await send(gateway.port, request(body, target=b"/hooks/nobody"))).status == 404


def _payloads() -> Iterator[Any]:
    for folder in ("hook-payloads", "hook-payloads-2026-11-29"):
        for host in ("claude", "codex", "hermes", "cursor", "gemini", "copilot", "qwen"):
            for path in sorted((SHARED / folder / host).glob("*.json")):
                yield pytest.param(host, path.stem, json.loads(path.read_text()), id=f"{host}-{path.stem}")


CAPTURED = list(_payloads())


@pytest.mark.skipif(not CAPTURED, reason="the captured payloads are not beside this checkout")
@pytest.mark.parametrize(("host", "name", "recorded"), CAPTURED or [("", "", {})])
async def test_captured_payloads_of_real_hosts_lose_nothing(
    captured: CapturedEvents, host: str, name: str, recorded: dict[str, Any]
) -> None:
    async with between(RawProvider(b"")) as gateway:
        for example in recorded["examples"]:
            endpoint = ENDPOINTS.get(host, host)
            address = f"{endpoint}/{name}" if host == "copilot" else endpoint
            payload = {**example["payload"], "unheard_of": "kept"}
            assert await hook(gateway, address, payload) in ({}, None)
    check_lifecycles(captured.events)
    told = set(leaves([event.to_dict() for event in captured.events]))
    assert "kept" in told
    for example in recorded["examples"]:
        payload = {key: value for key, value in example["payload"].items() if key not in PRIVATE}
        assert [leaf for leaf in leaves(payload) if leaf not in told] == []


PRIVATE = ("user_email",)


def leaves(value: Any) -> Iterator[Any]:
    """Every value in a value that is neither an object nor a list, and what JSON in a text says, too."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif value is not None:
        yield value
        if isinstance(value, str) and value[:1] in ("{", "["):
            with suppress(ValueError):
                yield from leaves(json.loads(value))


def spans(event: Any) -> str:
    """The span id that an event's parent has in a W3C trace."""
    return str(event.parent_uuid).replace("-", "")[16:]


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


Traces = Callable[[], Awaitable[list[int]]]


@pytest.fixture
def traces() -> Iterator[Traces]:
    """The traces of the spans that OpenTelemetry is given."""
    memory = InMemorySpanExporter()
    exporters = to_exporter(memory)
    exporters.register("memory")

    async def read() -> list[int]:
        assert await asyncio.to_thread(exporters.force_flush, 10)
        return [span.context.trace_id for span in memory.get_finished_spans() if span.context]

    yield read
    subscribers.deregister("memory")
    exporters.shutdown(10)


async def test_a_launcher_s_trace_continues(captured: CapturedEvents, traces: Traces) -> None:
    provider = RawProvider(response(b'{"id": "m", "type": "message", "content": []}'))
    async with between(provider, traceparent=TRACE) as gateway:
        await hook(gateway, "claude-code", claude("UserPromptSubmit", prompt="x"))
        await hook(gateway, "claude-code", claude("SessionEnd"))
    assert spans(captured.events[0]) == "b7ad6b7169203331"
    assert await traces() == [int(TRACE.split("-")[1], 16)] * 2


@pytest.mark.parametrize(
    ("said", "continues"),
    [(TRACE, True), ("00-" + "0" * 32 + "-b7ad6b7169203331-01", False), ("nonsense", False), ("ff" + TRACE[2:], False)],
)
async def test_a_request_s_own_trace_continues(
    captured: CapturedEvents, traces: Traces, said: str, continues: bool
) -> None:
    provider = RawProvider(response(b'{"id": "m"}'))
    async with between(provider) as gateway:
        await send(gateway.port, request(b'{"model":"m"}', b"traceparent: " + said.encode()))
    assert f"traceparent: {said}".encode() in provider.requests[0]  # it is the client's own: it passes
    start = captured.events[0]
    assert (spans(start) == "b7ad6b7169203331") is continues
    assert (await traces() == [int(TRACE.split("-")[1], 16)]) is continues
