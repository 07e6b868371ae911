# SPDX-License-Identifier: Apache-2.0
"""What other gateways get wrong with real hosts, by number; what has a better place is tested there.

C-01 W1 `test_hooks`; C-04 C-05 W13 `test_passing`; C-06 `test_replicas`, `test_hooks`; W2 W17 W18 `test_forward`;
W5 `test_security`; W12 `test_faults`; W15 `test_routes`.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from nemo_relay import guardrails, intercepts
from nemo_relay.testing import CapturedEvents, check_lifecycles

from .conftest import RawProvider, between, chunked, request, response, send
from .test_hooks import claude, hook, tree

INTERNAL = (b"x-nemo-relay", b"x-dynamo", b"traceparent", b"tracestate")


def frames(*events: dict[str, Any]) -> bytes:
    """A stream of Anthropic's or of OpenAI's Responses."""
    return chunked(
        *(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events)
    )


@pytest.mark.parametrize("managed", [False, True])
async def test_c07_w03_nothing_of_ours_reaches_a_provider(captured: CapturedEvents, managed: bool) -> None:
    if managed:

        async def passing(name: str, call: Any, context: Any, proceed: Any) -> Any:
            return await proceed(call)

        intercepts.register_llm_execution("look", 1, passing)
    own = (b"x-nemo-relay-session-id: s", b"x-nemo-relay-subagent-id: a", b"x-nemo-relay-proxy-token: " + b"t" * 32)
    provider = RawProvider(response(b"{}"))
    async with between(provider, token="t" * 32) as gateway:
        for target in (b"/v1/chat/completions", b"/v1/messages", b"/v1/responses", b"/v1/embeddings"):
            assert (await send(gateway.port, request(b'{"model":"m"}', *own, target=target))).status == 200
    fields = [line.lower() for sent in provider.requests for line in sent.partition(b"\r\n\r\n")[0].split(b"\r\n")]
    assert [line for line in fields if line.startswith(INTERNAL)] == []
    if managed:
        intercepts.deregister_llm_execution("look")
    check_lifecycles(captured.events)


THINKING = (
    {"type": "message_start", "message": {"id": "msg", "type": "message", "role": "assistant", "model": "c",
     "content": [], "usage": {"input_tokens": 7, "cache_read_input_tokens": 20_000,
                              "cache_creation_input_tokens": 1_500, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "First "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "this."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Done."}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
)  # fmt: skip


async def test_c08_c09_w14_streamed_thinking_and_usage_are_recorded_whole(captured: CapturedEvents) -> None:
    async with between(RawProvider(frames(*THINKING))) as gateway:
        await send(gateway.port, request(b'{"model":"c","stream":true}', target=b"/v1/messages"))
    end = captured.events[1]
    assert end.data["content"][0] == {"type": "thinking", "thinking": "First this.", "signature": "c2ln"}
    usage = end.category_profile["annotated_response"]["usage"]
    assert usage["cache_read_tokens"] == 20_000
    assert usage["cache_write_tokens"] == 1_500
    assert usage["completion_tokens"] == 5
    assert end.data["usage"]["input_tokens"] == 7


@pytest.mark.parametrize("kind", ["response.failed", "error"])
async def test_c14_a_stream_that_ends_in_failure_is_an_error(captured: CapturedEvents, kind: str) -> None:
    failed = {
        "id": "r",
        "object": "response",
        "status": "failed",
        "error": {"code": "x", "message": "boom"},
        "output": [],
    }
    last = {"type": kind, "response": failed} if kind == "response.failed" else {"type": kind, "message": "boom"}
    async with between(RawProvider(frames({"type": "response.created", "response": failed}, last))) as gateway:
        await send(gateway.port, request(b'{"model":"m","stream":true}', target=b"/v1/responses"))
    assert captured.events[1].metadata["otel.status_code"] == "ERROR"


async def test_c16_w16_a_probe_is_no_error(caplog: pytest.LogCaptureFixture, captured: CapturedEvents) -> None:
    with caplog.at_level(logging.DEBUG, logger="nemo_relay_gateway"):
        async with between(RawProvider(b"")) as gateway:
            for method in (b"HEAD", b"GET"):
                assert (await send(gateway.port, request(b"", target=b"/", method=method))).status == 404
    assert caplog.records == []
    assert captured.events == []


async def test_w04_no_configuration_stands_in_an_event(captured: CapturedEvents) -> None:
    config = {"token": "t" * 32, "auth_headers": {"openai": "Bearer canary-header"}}
    provider = RawProvider(response(b"{}"))
    async with between(provider, **config) as gateway:
        proof = b"x-nemo-relay-proxy-token: " + b"t" * 32
        await send(gateway.port, request(b'{"model":"m"}', proof))
        payload = json.dumps(claude("UserPromptSubmit", prompt="x")).encode()
        await send(gateway.port, request(payload, proof, target=b"/hooks/claude-code"))
    text = repr([event.to_dict() for event in captured.events])
    assert "canary-header" not in text
    assert "t" * 32 not in text
    assert "components" not in text


async def test_w06_a_refused_tool_is_on_the_timeline(captured: CapturedEvents) -> None:
    guardrails.register_tool_conditional_execution(
        "no", 1, lambda name, args: "too dangerous" if name == "rm" else None
    )
    async with between(RawProvider(b"")) as gateway:
        await hook(gateway, "claude-code", claude("UserPromptSubmit", prompt="x"))
        await hook(gateway, "claude-code", claude("PreToolUse", tool_name="rm", tool_input={"p": "/"}, tool_use_id="t"))
        await hook(gateway, "claude-code", claude("Stop"))
    check_lifecycles(captured.events)
    start, end = [event for event in captured.events if event.category == "tool"]
    assert (start.name, start.data) == ("rm", {"p": "/"})
    assert end.metadata["otel.status_description"] == "guardrail rejected: too dangerous"
    assert end.metadata["rejected"] is True


async def test_w20_what_stands_on_top_has_no_parent(captured: CapturedEvents) -> None:
    async with between(RawProvider(response(b"{}"))) as gateway:
        await send(gateway.port, request(b'{"model":"m"}'))
        await hook(gateway, "claude-code", claude("UserPromptSubmit", prompt="x"))
    known = {event.uuid for event in captured.events}
    assert [event.name for event in captured.events if event.parent_uuid not in known] == [
        *("openai.chat_completions",) * 2,
        *("claude-code",) * 2,
    ]
    check_lifecycles(captured.events)


async def test_w21_w22_a_turn_ends_whatever_is_open_and_subagents_keep_their_own(captured: CapturedEvents) -> None:
    provider = RawProvider(response(b'{"id": "m", "type": "message", "content": []}'))
    async with between(provider) as gateway:
        for payload in (
            claude("UserPromptSubmit", prompt="x"),
            claude("PreToolUse", tool_name="Denied", tool_use_id="t0"),  # the user says no: nothing more is heard of it
            claude("SubagentStart", agent_id="a", agent_type="one"),
            claude("SubagentStart", agent_id="b", agent_type="two"),
        ):
            await hook(gateway, "claude-code", payload)
        for agent in (b"b", b"a", b"b"):
            ids = (b"x-claude-code-session-id: s-1", b"x-claude-code-agent-id: " + agent)
            await send(gateway.port, request(b'{"model":"m"}', *ids, target=b"/v1/messages"))
        for payload in (
            claude("SubagentStop", agent_id="a"),
            claude("PreToolUse", tool_name="Later", tool_use_id="t1"),
            claude("Stop", last_assistant_message="Done."),
        ):
            await hook(gateway, "claude-code", payload)
        ends = [
            event for event in captured.events if event.name == "claude-code-turn" and event.scope_category == "end"
        ]
        assert [event.data for event in ends] == ["Done."]
    check_lifecycles(captured.events)
    assert tree(captured)[2:] == [
        ("Denied", "claude-code-turn"),
        ("subagent:one", "claude-code-turn"),
        ("subagent:two", "claude-code-turn"),
        ("anthropic.messages", "subagent:two"),
        ("anthropic.messages", "subagent:one"),
        ("anthropic.messages", "subagent:two"),
        ("Later", "claude-code-turn"),
    ]
