# SPDX-License-Identifier: Apache-2.0
"""Who may come in, what is refused, and that no request is two."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_relay.testing import CapturedEvents
from nemo_relay_gateway import Gateway, GatewayConfig, InvalidGatewayConfig

from .conftest import RawProvider, between, eventually, request, response, send

TOKEN = "t" * 32
PROOF = b"x-nemo-relay-proxy-token: " + TOKEN.encode()


async def test_a_request_needs_the_token_of_the_run(captured: CapturedEvents) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider, token=TOKEN) as gateway:
        for headers in ((), (b"x-nemo-relay-proxy-token: wrong",), (b"x-nemo-relay-proxy-token: ",)):
            for target in (b"/v1/chat/completions", b"/hooks/claude-code", b"/run/wrong/v1/models", b"/run//v1/models"):
                assert (await send(gateway.port, request(b"{}", *headers, target=target))).status == 401
        right = b"x-nemo-relay-proxy-token: " + TOKEN.encode()
        assert (await send(gateway.port, request(b"{}", right))).status == 200
        by_path = b"/run/" + TOKEN.encode() + b"/openai/v1/chat/completions"
        assert (await send(gateway.port, request(b"{}", target=by_path))).status == 200
        assert (await send(gateway.port, request(b"", target=b"/healthz", method=b"GET"))).status == 200
    assert TOKEN.encode() not in b"".join(provider.requests)
    assert TOKEN not in repr([event.to_dict() for event in captured.events])
    assert TOKEN not in repr(gateway.config)


@pytest.mark.parametrize("host", [b"evil.example", b"127.0.0.1.evil.example", b"192.0.2.1", b"", b"localhost.evil:80"])
async def test_a_page_of_another_site_cannot_reach_it(host: bytes) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider) as gateway:
        sent = request(b"{}").replace(b"Host: 127.0.0.1", b"Host: " + host)
        assert (await send(gateway.port, sent)).status == 403
    assert provider.requests == []


HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        HEAD + b"Content-Length: 4, 4\r\n\r\nabcd",
        HEAD + b"Content-Length: +4\r\n\r\nabcd",
        HEAD + b"Content-Length: 0x4\r\n\r\nabcd",
        HEAD + b"Content-Length : 4\r\n\r\nabcd",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n",
        HEAD + b"X-A: b\r\n folded: c\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
        HEAD.replace(b"1.1", b"9.9") + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /v1/models HTTP/1.1\nHost: localhost\n\n" * 2,
    ],
)
async def test_what_two_readers_could_read_differently_is_refused(sent: bytes) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider) as gateway:
        answer = await send(gateway.port, sent)
        assert answer.status == 400, answer.head
    assert provider.requests == []


async def test_limits() -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider, max_body_bytes=1000, max_hook_bytes=100) as gateway:
        assert (await send(gateway.port, request(b"x" * 1001))).status == 413
        assert (await send(gateway.port, request(b"x" * 101, target=b"/hooks/codex"))).status == 413
        big = b"1000\r\n" + b"y" * 4096 + b"\r\n0\r\n\r\n"
        head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await send(gateway.port, head + big)).status == 413
        assert (await send(gateway.port, request(b"", b"X: " + b"y" * 70_000))).status == 431
        assert (await send(gateway.port, request(b"x" * 1000))).status == 200
        expecting = request(b"x" * 2000, b"Expect: 100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        assert (await send(gateway.port, expecting)).status == 413
    assert gateway.refusals == {413: 4, 431: 1}


async def test_a_base_url_that_points_back_is_refused_not_followed() -> None:
    async with Gateway(GatewayConfig()) as first:
        port = first.port
    async with Gateway(GatewayConfig(port=port, base_urls={"openai": f"http://localhost:{port}/v1"})) as gateway:
        assert (await send(gateway.port, request(b"{}"))).status == 508


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("host", "0.0.0.0"),
        ("host", "localhost"),
        ("port", 70_000),
        ("token", "short"),
        ("token", "with space and more of it"),
        ("base_urls", {"openai": "ftp://x"}),
        ("base_urls", {"nobody": "http://x"}),
        ("base_urls", {"openai": "http://user:secret-word@x/v1"}),
        ("auth_headers", {"openai": "Bearer a\r\nX: y"}),
        ("key_commands", {"openai": []}),
        ("key_commands", {"openai": "print-key"}),
        ("key_commands", {"nobody": ["print-key"]}),
        ("max_body_bytes", 0),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(setting: str, value: object) -> None:
    with pytest.raises(InvalidGatewayConfig) as caught:
        GatewayConfig(**{setting: value})  # type: ignore[arg-type]
    assert caught.value.setting == setting
    assert "secret-word" not in str(caught.value)


async def test_a_credential_goes_only_to_its_own_provider_and_only_where_none_was_sent() -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider, token=TOKEN, auth_headers={"openai": "Bearer configured"}) as gateway:
        await send(gateway.port, request(b"{}", PROOF))
        await send(gateway.port, request(b"{}", PROOF, b"Authorization: Bearer own"))
        await send(gateway.port, request(b"{}", PROOF, target=b"/v1/messages"))
    with_ours = [b"configured" in sent for sent in provider.requests]
    assert with_ours == [True, False, False]


async def test_closing_lets_answers_end() -> None:
    gate = asyncio.Event()

    async def answer(_: bytes) -> bytes:
        await gate.wait()
        return response(b"{}")

    provider = RawProvider(answer)
    async with between(provider) as gateway:
        asked = asyncio.create_task(send(gateway.port, request(b"{}")))
        await eventually(lambda: provider.requests)
        closing = asyncio.create_task(gateway.close())
        await asyncio.sleep(0)
        gate.set()
        assert (await asked).status == 200
        await closing


@pytest.mark.parametrize("adds", [{"auth_headers": {"openai": "Bearer k"}}, {"key_commands": {"openai": ["k"]}}])
def test_w05_a_gateway_that_adds_credentials_has_a_token(adds: dict[str, Any]) -> None:
    with pytest.raises(InvalidGatewayConfig, match="token"):
        GatewayConfig(**adds)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"https://evil.example", 403),
        (b"http://127.0.0.1.evil.example:80", 403),
        (b"null", 403),
        (b"", 200),
        (b"http://localhost:5173", 200),
        (b"http://[::1]:3000", 200),
        (b"vscode-webview://x", 200),
    ],
)
async def test_a_page_of_the_web_may_not_use_a_gateway_without_a_token(origin: bytes, status: int) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider) as gateway:
        assert (await send(gateway.port, request(b"{}", b"Origin: " + origin))).status == status
        assert (await send(gateway.port, request(b"{}", b"Origin: " + origin, target=b"/hooks/codex"))).status == status
    async with between(RawProvider(response(b"{}")), token=TOKEN) as gateway:
        assert (await send(gateway.port, request(b"{}", PROOF, b"Origin: " + origin))).status == 200


def printing(path: Path, text: str, code: int = 0) -> list[str]:
    """A command that prints a key, counts its calls, and complains of something secret."""
    script = f"import sys; open({str(path)!r}, 'a').write('x'); sys.stderr.write('canary-err'); print({text!r}, end='')"
    return [sys.executable, "-I", "-S", "-c", f"{script}; sys.exit({code})"]


async def test_a_command_prints_the_key_of_its_provider(tmp_path: Path, captured: CapturedEvents) -> None:
    calls = tmp_path / "calls"
    commands = {
        "openai": printing(calls, "sk-canary-openai\n"),
        "anthropic": printing(calls, "sk-canary-anthropic"),
        "gemini": printing(calls, "Bearer canary-gemini"),
    }
    provider = RawProvider(response(b"{}"))
    async with between(provider, token=TOKEN, key_commands=commands) as gateway:
        await asyncio.gather(*(send(gateway.port, request(b"{}", PROOF)) for _ in range(8)))
        assert calls.read_text() == "x"
        await send(gateway.port, request(b"{}", PROOF, target=b"/v1/messages"))
        await send(gateway.port, request(b"{}", PROOF, target=b"/v1beta/models/g:generateContent"))
        await send(gateway.port, request(b"{}", PROOF, b"x-api-key: own", target=b"/v1/messages"))
        assert calls.read_text() == "xxx"
        sent = [each.partition(b"\r\n\r\n")[0].split(b"\r\n") for each in provider.requests]
        assert all(b"Authorization: Bearer sk-canary-openai" in each for each in sent[:8])
        assert b"x-api-key: sk-canary-anthropic" in sent[8]
        assert b"Authorization: Bearer canary-gemini" in sent[9]
        assert b"x-api-key: own" in sent[10]
        assert not any(b"canary" in line for line in sent[10])
        provider.answer = response(b"{}", status=b"401 Unauthorized")
        await send(gateway.port, request(b"{}", PROOF))  # refused: the next request asks anew
        provider.answer = response(b"{}")
        await send(gateway.port, request(b"{}", PROOF))
        assert calls.read_text() == "xxxx"
    assert "canary" not in repr([event.to_dict() for event in captured.events])
    assert "canary" not in repr(gateway.config).replace(repr(commands), "")


@pytest.mark.parametrize("text", ["", "two\nlines", "caf\u00e9", "x" * 20_000])
async def test_what_is_no_key_goes_nowhere(tmp_path: Path, text: str) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider, token=TOKEN, key_commands={"openai": printing(tmp_path / "c", text)}) as gateway:
        answer = await send(gateway.port, request(b"{}", PROOF))
        assert answer.status == 502
        assert b"no credential for 'openai'" in answer.body
        assert b"canary" not in answer.body
    assert provider.requests == []


@pytest.mark.parametrize("command", [["no-such-program-here"], printing(Path(os.devnull), "sk-canary", 3)])
async def test_a_command_that_fails_is_told_without_what_it_printed(command: list[str]) -> None:
    provider = RawProvider(response(b"{}"))
    async with between(provider, token=TOKEN, key_commands={"openai": command}) as gateway:
        answer = await send(gateway.port, request(b"{}", PROOF))
        assert answer.status == 502
        assert b"canary" not in answer.body
    assert provider.requests == []
