# SPDX-License-Identifier: Apache-2.0
"""`nemo-relay gateway serve` as a process: alone, as replicas on one Redis, ended and killed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import COMMAND

PLUGINS = """\
version = 1
[[components]]
kind = "observability"
[components.config]
version = 4
[components.config.atof]
enabled = true
[[components.config.atof.sinks]]
type = "file"
output_directory = "records"
filename = "${env:REPLICA}.jsonl"
mode = "append"
"""
TOKEN = "t" * 32
CHUNK = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
END = b"data: [DONE]\n\n"


class Provider:
    """Streams a chunk, waits until it may go on, and ends the stream."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.seen = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length: ")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                self.seen += 1
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                writer.write(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
                await self.go_on.wait()
                for piece in (CHUNK, END):
                    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def providing() -> AsyncIterator[tuple[Provider, str]]:
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    async with server:
        yield provider, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server on PATH")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class Replica:
    """A process that serves."""

    def __init__(self, root: Path, name: str, process: subprocess.Popen[bytes], port: int) -> None:
        self.root, self.name, self.process, self.port = root, name, process, port

    def events(self) -> list[dict[str, Any]]:
        """What it has recorded; every line is whole."""
        text = (self.root / "records" / f"{self.name}.jsonl").read_text()
        assert text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]

    async def get(self, path: str) -> tuple[int, str]:
        return await exchange(self.port, "GET", path, b"", ())

    async def ready(self) -> None:
        """Wait until it answers; the test's own time limit ends what never does."""
        while True:
            assert self.process.poll() is None, (self.root / f"{self.name}.err").read_text()
            try:
                if (await self.get("/readyz"))[0] == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.05)


@contextmanager
def replica(root: Path, name: str, upstream: str, *words: str, **more: str) -> Iterator[Replica]:
    """Start one; it is killed at the end if it still runs."""
    root.mkdir(exist_ok=True)
    (root / "plugins.toml").write_text(PLUGINS)
    port = free_port()
    environment = {
        "HOME": str(root),
        "PATH": os.environ["PATH"],
        "REPLICA": name,
        "NEMO_RELAY_OPENAI_BASE_URL": upstream,
        "NEMO_RELAY_GATEWAY_TOKEN": TOKEN,
        **more,
    }
    plugins = [] if "--published" in words else ["--plugins", "plugins.toml"]
    given = [word for word in words if word != "--published"]
    command = [*COMMAND, "gateway", "serve", "--bind", f"127.0.0.1:{port}", *plugins, *given]
    with (root / f"{name}.err").open("wb") as errors:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=errors, stderr=errors)
        try:
            yield Replica(root, name, process, port)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


async def exchange(port: int, method: str, path: str, body: bytes, headers: tuple[str, ...]) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Content-Length: {len(body)}"]
    writer.write("\r\n".join((*lines, *headers, "", "")).encode() + body)
    head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split(b" ")[1]), rest.decode()


PROOF = f"x-nemo-relay-proxy-token: {TOKEN}"
ASKED = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}'


async def stream(port: int, session: str) -> str:
    headers = (PROOF, f"x-claude-code-session-id: {session}")
    return (await exchange(port, "POST", "/v1/chat/completions", ASKED, headers))[1]


async def hook(port: int, name: str, session: str) -> int:
    payload = json.dumps({"hook_event_name": name, "session_id": session, "prompt": "x"}).encode()
    return (await exchange(port, "POST", "/hooks/claude-code", payload, (PROOF,)))[0]


def whole(text: str) -> bool:
    return text.endswith("\r\n0\r\n\r\n") and "[DONE]" in text and text.count('"content":"x"') == 2


@pytest.mark.timeout(180)
async def test_one_of_two_replicas_is_killed_under_200_streams(tmp_path: Path, redis_url: str) -> None:
    async with providing() as (provider, url):
        with (
            replica(tmp_path / "r", "a", url, NEMO_RELAY_STATE_URL=redis_url) as first,
            replica(tmp_path / "r", "b", url, NEMO_RELAY_STATE_URL=redis_url) as second,
        ):
            await first.ready()
            await second.ready()
            for number in range(4):
                assert await hook(first.port, "UserPromptSubmit", f"s{number}") == 200
            lost = [asyncio.create_task(stream(first.port, f"s{number % 4}")) for number in range(100)]
            kept = [asyncio.create_task(stream(second.port, f"s{number % 4}")) for number in range(100)]
            while provider.seen < 200:  # noqa: ASYNC110 - it happens in other processes
                await asyncio.sleep(0.02)
            first.process.kill()
            first.process.wait()
            provider.go_on.set()
            answers = await asyncio.gather(*kept)
            assert all(whole(text) for text in answers)
            broken = await asyncio.gather(*lost, return_exceptions=True)
            assert not any(isinstance(text, str) and whole(text) for text in broken)
            for number in range(4):  # the sessions of the first go on at the second
                assert await hook(second.port, "Stop", f"s{number}") == 200
                assert await hook(second.port, "SessionEnd", f"s{number}") == 200
            second.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(second.process.wait, 60) == 0
            events = [*first.events(), *second.events()]
    kinds = Counter((event["name"], event["scope_category"]) for event in events if event["kind"] == "scope")
    assert kinds["claude-code", "start"] == kinds["claude-code", "end"] == 4
    assert kinds["claude-code-turn", "start"] == kinds["claude-code-turn", "end"] == 4
    assert kinds["openai.chat_completions", "start"] == 200
    assert kinds["openai.chat_completions", "end"] == 100
    turns = {event["uuid"] for event in events if event["name"] == "claude-code-turn"}
    calls = [event for event in events if event["name"] == "openai.chat_completions"]
    assert {event["parent_uuid"] for event in calls} == turns


@pytest.mark.timeout(120)
async def test_what_is_published_is_what_replicas_start_with(tmp_path: Path, redis_url: str) -> None:
    root = tmp_path / "r"
    root.mkdir()
    (root / "plugins.toml").write_text(PLUGINS)
    async with providing() as (provider, url):
        provider.go_on.set()
        (root / "config.toml").write_text(f'[upstream]\nopenai_base_url = "{url}"\n')
        environment = {"HOME": str(root), "PATH": os.environ["PATH"], "NEMO_RELAY_STATE_URL": redis_url}
        words = ["gateway", "publish", "--config", "config.toml", "--plugins", "plugins.toml"]
        done = await asyncio.to_thread(
            subprocess.run, [*COMMAND, *words], cwd=root, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        with replica(root, "c", "", "--published", NEMO_RELAY_STATE_URL=redis_url) as serving:
            await serving.ready()
            assert whole(await stream(serving.port, "s"))
            assert len(serving.events()) >= 3


@pytest.mark.timeout(120)
async def test_sigterm_lets_streams_end_and_says_so_before(tmp_path: Path) -> None:
    async with providing() as (provider, url):
        with replica(tmp_path / "r", "d", url, "--leave", "1") as serving:
            await serving.ready()
            asked = asyncio.create_task(stream(serving.port, "s"))
            while not provider.seen:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            status, text = await serving.get("/metrics")
            assert status == 200
            assert 'nemo_relay_gateway_requests_total{provider="openai",surface="openai.chat_completions"} 1' in text
            assert "nemo_relay_gateway_requests_in_flight 2" in text
            serving.process.send_signal(signal.SIGTERM)
            while (await serving.get("/readyz"))[0] != 503:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            provider.go_on.set()
            assert whole(await asked)
            assert await asyncio.to_thread(serving.process.wait, 60) == 0
            events = serving.events()
    ends = [event["name"] for event in events if event.get("scope_category") == "end"]
    assert sorted(ends) == ["claude-code", "openai.chat_completions"]


async def test_a_state_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    for url, says in (
        (f"redis://:canary-word@127.0.0.1:{free_port()}/0", "Redis at 127.0.0.1"),
        ("ftp://x", "redis://"),
    ):
        with replica(tmp_path / "r", "e", "http://127.0.0.1:9/v1", NEMO_RELAY_STATE_URL=url) as serving:
            assert await asyncio.to_thread(serving.process.wait, 60) != 0
            text = (serving.root / "e.err").read_text()
        assert says in text
        assert "Traceback" not in text
        assert "canary-word" not in text
