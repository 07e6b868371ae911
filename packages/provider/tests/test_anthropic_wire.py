# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages over raw HTTP."""

import json
from typing import Any

import pytest

from nemo_relay_provider import Failure, Reply, ScriptedProvider, ToolCall, Usage

ASK = {"model": "claude-x", "max_tokens": 64, "messages": [{"role": "user", "content": "Weather?"}]}
REPLY = Reply(
    "Let me look.",
    tool_calls=[ToolCall("get_weather", {"city": "Paris"}), ToolCall("get_time", {"zone": "Europe/Paris"})],
    usage=Usage(20, 7, cached=5),
)


def events(raw: bytes) -> list[tuple[str, Any]]:
    frames = [frame.split("\n") for frame in raw.decode().split("\n\n") if frame]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]


def test_a_whole_answer(send: Any) -> None:
    with ScriptedProvider([REPLY]) as provider:
        status, headers, raw = send(provider, "/v1/messages", ASK)
    answer = json.loads(raw)
    assert (status, headers["request-id"]) == (200, "req_000001")
    assert [block["type"] for block in answer["content"]] == ["text", "tool_use", "tool_use"]
    assert answer["content"][1]["input"] == {"city": "Paris"}
    assert (answer["stop_reason"], answer["role"], answer["type"]) == ("tool_use", "assistant", "message")
    assert answer["usage"]["input_tokens"] == 15
    assert answer["usage"]["cache_read_input_tokens"] == 5


def test_a_stream_assembles_to_the_whole_answer(send: Any) -> None:
    with ScriptedProvider([REPLY, REPLY]) as provider:
        whole = json.loads(send(provider, "/v1/messages", ASK)[2])
        _, headers, raw = send(provider, "/v1/messages", {**ASK, "stream": True})
    seen = events(raw)
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert all(name == data["type"] for name, data in seen)
    assert [seen[0][0], seen[-2][0], seen[-1][0]] == ["message_start", "message_delta", "message_stop"]
    texts = [d["delta"]["text"] for _, d in seen if d.get("delta", {}).get("type") == "text_delta"]
    assert len(texts) == 3
    assert "".join(texts) == whole["content"][0]["text"]
    for index in (1, 2):
        pieces = [d["delta"]["partial_json"] for n, d in seen if n == "content_block_delta" and d["index"] == index]
        assert len(pieces) > 2
        assert json.loads("".join(pieces)) == whole["content"][index]["input"]
    assert seen[-2][1]["delta"]["stop_reason"] == whole["stop_reason"]
    assert seen[-2][1]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error")])
def test_errors(send: Any, status: int, kind: str) -> None:
    with ScriptedProvider([Failure(status, "Busy.")]) as provider:
        got, _, raw = send(provider, "/v1/messages", ASK)
    assert got == status
    expected = {"type": "error", "error": {"type": kind, "message": "Busy."}, "request_id": "req_000001"}
    assert json.loads(raw) == expected


@pytest.mark.parametrize("missing", ["model", "max_tokens", "messages"])
def test_a_request_without_a_required_field_is_refused(send: Any, missing: str) -> None:
    with ScriptedProvider(["never"]) as provider:
        body = {name: value for name, value in ASK.items() if name != missing}
        status, _, raw = send(provider, "/v1/messages", body)
    assert status == 400
    assert json.loads(raw)["error"]["message"] == f"{missing}: Field required"


def test_the_key_comes_in_x_api_key(send: Any) -> None:
    with ScriptedProvider(["ok", "ok"], api_key="right") as provider:
        assert send(provider, "/v1/messages", ASK, x_api_key="wrong")[0] == 401
        assert send(provider, "/v1/messages", ASK, x_api_key="right")[0] == 200
