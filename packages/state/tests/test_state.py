# SPDX-License-Identifier: Apache-2.0
"""One behaviour in memory and on a real redis-server."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from nemo_relay_state import InvalidState, MemoryState, State, StateUnavailable, opened


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server on PATH")
    folder: Path = tmp_path_factory.mktemp("redis")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@pytest_asyncio.fixture(params=["memory", "redis"])
async def state(request: pytest.FixtureRequest) -> AsyncIterator[State]:
    if request.param == "memory":
        yield MemoryState()
        return
    made = opened({"kind": "redis", "url": request.getfixturevalue("redis_url"), "key_prefix": f"{id(request)}:"})
    async with asyncio.timeout(20):
        while True:
            try:
                await made.get("x")
                break
            except StateUnavailable:
                await asyncio.sleep(0.05)
    yield made
    await made.close()


async def gone(state: State, key: str) -> None:
    async with asyncio.timeout(20):
        while await state.get(key) is not None:  # noqa: ASYNC110 - time passes elsewhere
            await asyncio.sleep(0.01)


async def test_values_come_and_go(state: State) -> None:
    assert await state.get("a") is None
    await state.put("a", b"\x00\xff")
    assert await state.get("a") == b"\x00\xff"
    await state.put("a", b"", seconds=60)
    assert await state.get("a") == b""
    await state.remove("a")
    await state.remove("a")
    assert await state.get("a") is None
    await state.put("b", b"1", seconds=0.02)
    await gone(state, "b")


async def test_one_of_many_gets_what_it_claims(state: State) -> None:
    standing = await asyncio.gather(*(state.claim("owner", b"%d" % number, seconds=60) for number in range(50)))
    (winner,) = set(standing)
    assert await state.get("owner") == winner
    assert await state.claim("owner", b"x", instead_of=b"nobody") == winner
    assert await state.claim("owner", b"x", instead_of=winner) == b"x"
    assert await state.claim("owner", b"x") == b"x"


async def test_counters_add_up_and_begin_anew(state: State) -> None:
    sums = await asyncio.gather(*(state.add("spent", 0.25, seconds=60) for _ in range(40)))
    assert max(sums) == 10
    assert await state.add("spent", -10) == 0
    assert await state.add("soon", 1, seconds=0.01) == 1
    await asyncio.sleep(0.1)
    assert await state.add("soon", 1, seconds=60) == 1
    await state.remove("spent")
    assert await state.add("spent", 1e-9) == pytest.approx(1e-9)


async def test_each_message_has_one_receiver(state: State) -> None:
    assert await state.receive("box", seconds=0.02) is None
    receivers = [asyncio.create_task(state.receive("box", seconds=20)) for _ in range(5)]
    for number in range(7):
        await state.send("box", b"%d" % number, seconds=60)
    got = [*await asyncio.gather(*receivers), *[await state.receive("box", seconds=1) for _ in range(2)]]
    assert sorted(got) == [b"%d" % number for number in range(7)]  # type: ignore[type-var]
    assert await state.receive("box", seconds=0.02) is None


async def test_memory_is_bounded() -> None:
    state = MemoryState(max_bytes=100)
    await state.put("old", b"x" * 40)
    await state.put("used", b"x" * 40)
    await state.get("old")
    await state.put("new", b"x" * 40)
    assert await state.get("used") is None
    assert await state.get("old") is not None
    await state.put("huge", b"x" * 101)
    assert await state.get("huge") is None


async def test_a_server_that_is_gone_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    state = opened({"kind": "redis", "url": f"redis://user:canary-word@127.0.0.1:{port}/0"})
    for asked in (state.get("a"), state.put("a", b""), state.add("a", 1), state.receive("a", seconds=0.01)):
        with pytest.raises(StateUnavailable, match=f"Redis at 127.0.0.1:{port}") as caught:
            await asked
        assert "canary-word" not in str(caught.value)
    await state.close()


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"kind": "disk"}, "disk"),
        ({"kind": 7}, "7"),
        ({"kind": "redis"}, "url"),
        ({"kind": "redis", "url": "http://canary-word"}, "redis://"),
        ({"kind": "redis", "url": 7}, "url"),
        ({"kind": "memory", "url": "redis://x"}, "url"),
        ({"kind": "memory", "max_bytes": True}, "max_bytes"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict[str, object], names: str) -> None:
    with pytest.raises(InvalidState, match=names) as caught:
        opened(settings)
    assert "canary-word" not in str(caught.value)
