# SPDX-License-Identifier: Apache-2.0
"""The server itself: recording, scripts, bounds, closing."""

import gc
import json
import socket
import threading
import time
from typing import Any

import pytest

from nemo_relay_provider import Reply, ScriptedProvider

ASK = {"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}
CHAT = "/v1/chat/completions"


def message(raw: bytes) -> str:
    return str(json.loads(raw)["error"]["message"])


def test_requests_are_recorded_as_they_came(send: Any) -> None:
    raw = b'{ "model": "m-1",  "messages": [{"role":"user","content":"\xc3\xa9"}] }'
    with ScriptedProvider(["x"]) as provider:
        send(provider, CHAT, raw, X_Trace="t-1")
        (request,) = provider.requests
    assert (request.method, request.path, request.body) == ("POST", CHAT, raw)
    assert request.headers["x-trace"] == request.headers["X-TRACE"] == "t-1"
    assert request.json["messages"][0]["content"] == "é"
    assert request.outcome == "sent"


def test_only_the_newest_requests_are_kept(send: Any) -> None:
    with ScriptedProvider(lambda body: "x", keep_requests=2) as provider:
        for n in range(5):
            send(provider, CHAT, {**ASK, "seed": n})
        assert [request.json["seed"] for request in provider.requests] == [3, 4]
        assert provider.request_count == 5


def test_a_function_sees_each_body(send: Any) -> None:
    with ScriptedProvider(lambda body: Reply(f"seed {body['seed']}")) as provider:
        answers = [json.loads(send(provider, CHAT, {**ASK, "seed": n})[2]) for n in (7, 8)]
    assert [a["choices"][0]["message"]["content"] for a in answers] == ["seed 7", "seed 8"]


def test_an_exhausted_script_says_so(send: Any) -> None:
    with ScriptedProvider(["one"]) as provider:
        assert send(provider, CHAT, ASK)[0] == 200
        status, _, raw = send(provider, CHAT, ASK)
    assert status == 400
    assert "request 2 came, but the script has 1 replies" in message(raw)


def test_a_script_that_raises_or_returns_nonsense_says_so(send: Any) -> None:
    def script(body: dict[str, Any]) -> Any:
        return 42 if body.get("seed") else 1 / 0

    with ScriptedProvider(script) as provider:
        assert "ZeroDivisionError" in message(send(provider, CHAT, ASK)[2])
        assert "got 42" in message(send(provider, CHAT, {**ASK, "seed": 1})[2])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "could not parse the JSON body"),
        (b"[]", "could not parse the JSON body"),
        ({"messages": ASK["messages"]}, "must provide a model"),
        ({"model": "m", "messages": []}, "Missing required parameter"),
        ({"model": "m", "messages": [{"role": "boss", "content": "x"}]}, "Invalid value: 'boss'"),
        ({**ASK, "n": 2}, "leave 'n' out"),
    ],
)
def test_what_a_real_endpoint_refuses(send: Any, body: Any, text: str) -> None:
    with ScriptedProvider(["never"]) as provider:
        status, _, raw = send(provider, CHAT, body)
    assert status == 400
    assert text in message(raw)


def test_bodies_are_bounded(send: Any) -> None:
    with ScriptedProvider(["never"], max_body_bytes=1000) as provider:
        status, _, raw = send(provider, CHAT, b"x" * 5000)
        assert (status, provider.requests[0].body) == (413, b"")
    assert "1000 bytes" in message(raw)


def test_an_unknown_route(send: Any) -> None:
    with ScriptedProvider([]) as provider:
        status, _, raw = send(provider, "/v1/nothing", method="GET")
    assert (status, message(raw)) == (404, "Invalid URL (GET /v1/nothing)")


@pytest.mark.parametrize("script", ["text", 5, None])
def test_something_else_is_no_script(script: Any) -> None:
    with pytest.raises(TypeError, match="put a single reply in a list"):
        ScriptedProvider(script)


def test_the_url_of_a_server_that_is_not_running() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = ScriptedProvider([]).url


def test_starting_twice_is_a_mistake() -> None:
    with ScriptedProvider([]) as provider, pytest.raises(RuntimeError, match="already running"):
        provider.start()


def test_closing_does_not_wait_for_a_slow_answer_and_leaves_nothing() -> None:
    before = threading.active_count()
    with ScriptedProvider([Reply("late", delay=3600)]) as provider:
        host, port = provider.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=50) as wire:
            body = json.dumps(ASK).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            wire.sendall(head.encode() + body)
            _until(lambda: provider.request_count == 1)
            provider.close()
            assert wire.recv(100) == b""
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=50)
    gc.collect()  # an unclosed transport would be a ResourceWarning here, which is an error


def test_a_client_that_leaves_ends_its_answer() -> None:
    with ScriptedProvider([Reply("a b c d", chunk_delay=3600)]) as provider:
        host, port = provider.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=50) as wire:
            body = json.dumps({**ASK, "stream": True}).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            wire.sendall(head.encode() + body)
            assert wire.recv(10)
        _until(lambda: provider.requests[0].outcome == "gone")


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def test_ids_can_follow_from_what_was_asked(send: Any) -> None:
    def ids(seeds: list[int], **options: Any) -> dict[int, str]:
        with ScriptedProvider(lambda body: "x", **options) as provider:
            return {seed: json.loads(send(provider, CHAT, {**ASK, "seed": seed})[2])["id"] for seed in seeds}

    assert ids([1, 2]) != ids([2, 1])
    by_content = ids([1, 2], numbering="content")
    assert by_content == ids([2, 1], numbering="content")
    assert by_content[1] != by_content[2]
    with pytest.raises(ValueError, match="numbering is 'arrival' or 'content', got 'time'"):
        ScriptedProvider([], numbering="time")
