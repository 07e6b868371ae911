# SPDX-License-Identifier: Apache-2.0
"""The hook command: it loads next to nothing, asks a dead gateway once, and lets the host go on unless told not to."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_relay import guardrails
from nemo_relay.testing import CapturedEvents
from nemo_relay_gateway import forward

from .conftest import RawProvider, between
from .test_hooks import claude

TOKEN = "t" * 32
COMMAND = [sys.executable, "-I", "-S", str(Path(forward.__file__))]
LOADED = f"""
import sys
before = set(sys.modules)
sys.argv = ["forward.py", "codex"]
import runpy
bare = set(sys.modules)
code = compile(open({str(Path(forward.__file__))!r}).read(), "forward.py", "exec")
try:
    exec(code, {{"__name__": "__main__"}})
except SystemExit:
    pass
print(sorted(set(sys.modules) - bare), file=sys.stderr)
"""


def run(host: str, payload: object, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Forward one hook."""
    return subprocess.run(
        [*COMMAND, host, *words],
        input=payload if isinstance(payload, str) else json.dumps(payload),
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"http://127.0.0.1:{found.getsockname()[1]}"


async def test_a_hook_reaches_the_gateway_and_its_answer_the_host(captured: CapturedEvents) -> None:
    guardrails.register_tool_conditional_execution("no", 1, lambda name, args: "not that" if name == "rm" else None)
    async with between(RawProvider(b""), token=TOKEN) as gateway:
        known = {"NEMO_RELAY_GATEWAY_URL": gateway.url, "NEMO_RELAY_HOOK_ID": TOKEN}
        done = await asyncio.to_thread(run, "codex", claude("UserPromptSubmit", prompt="é"), **known)
        assert (done.returncode, done.stdout, done.stderr) == (0, "{}", "")
        denied = await asyncio.to_thread(run, "codex", claude("PreToolUse", tool_name="rm", tool_use_id="t"), **known)
        assert json.loads(denied.stdout)["hookSpecificOutput"]["permissionDecision"] == "deny"
        wrong = {**known, "NEMO_RELAY_HOOK_ID": "w" * 32}
        done = await asyncio.to_thread(run, "codex", "", "--fail-closed", **wrong)
        assert done.returncode == 2
        assert "status 401" in done.stderr
        assert "w" * 32 not in done.stderr
    assert captured.events[1].name == "codex-turn"
    assert captured.events[1].data == {"prompt": "é"}


async def test_it_speaks_ipv6_too() -> None:
    async with between(RawProvider(b""), host="::1") as gateway:
        done = await asyncio.to_thread(run, "codex", "{}", NEMO_RELAY_GATEWAY_URL=gateway.url)
        assert (done.returncode, done.stdout) == (0, "{}")


def test_it_loads_nothing_that_takes_time() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOADED],
        env={"NEMO_RELAY_GATEWAY_URL": nobody()},
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded = done.stderr.splitlines()[-1]
    assert json.loads(loaded.replace("'", '"')) == ["_socket"], done.stderr


def test_w02_exit_codes(tmp_path: Path) -> None:
    gone = {"NEMO_RELAY_GATEWAY_URL": nobody(), "NEMO_RELAY_RUN_DIR": str(tmp_path)}
    assert run("codex", "{}", **gone).returncode == 0
    closed = run("codex", "{}", "--fail-closed", **gone)
    assert (closed.returncode, closed.stdout) == (2, "")  # 1 would let the tool run
    for url in ("nonsense", "http://127.0.0.1:x", "http://"):
        assert run("codex", "{}", "--fail-closed", NEMO_RELAY_GATEWAY_URL=url).returncode == 2
    assert run("codex", "{}").returncode == 0


def test_w17_a_dead_gateway_is_asked_once(tmp_path: Path) -> None:
    gone = {"NEMO_RELAY_GATEWAY_URL": nobody(), "NEMO_RELAY_RUN_DIR": str(tmp_path)}
    assert "refused" in run("codex", "{}", **gone).stderr
    mark = tmp_path / "gateway-gone"
    assert mark.stat().st_mode & 0o777 == 0o600
    assert "the gateway is gone" in run("codex", "{}", **gone).stderr
    os.utime(mark, (0, 0))  # long ago: it is asked again
    assert "refused" in run("codex", "{}", **gone).stderr


def test_an_address_that_swallows_packets_costs_no_more_than_the_time_to_connect() -> None:
    assert 0 < forward._CONNECT_SECONDS < 0.5
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        held = []
        for _ in range(8):  # its queue is full: who comes now is not answered
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            held.append(one)
        done = run("codex", "{}", NEMO_RELAY_GATEWAY_URL=f"http://127.0.0.1:{full.getsockname()[1]}")
        assert done.returncode == 0
        assert "timed out" in done.stderr
        for one in held:
            one.close()


@pytest.mark.parametrize("link", [True, False])
def test_a_mark_is_no_way_to_write_elsewhere(tmp_path: Path, link: bool) -> None:
    target = tmp_path / "target"
    if link:
        (tmp_path / "gateway-gone").symlink_to(target)
    run("codex", "{}", NEMO_RELAY_GATEWAY_URL=nobody(), NEMO_RELAY_RUN_DIR=str(tmp_path))
    assert not target.exists()


async def test_an_installed_hook_has_its_own_gateway_and_stands_aside_in_a_launched_run() -> None:
    async with between(RawProvider(b"")) as gateway:
        word = f"--installed={gateway.url}"
        assert (await asyncio.to_thread(run, "codex", "{}", word)).stdout == "{}"
        known = {"NEMO_RELAY_GATEWAY_URL": gateway.url, "NEMO_RELAY_HOOK_ID": TOKEN}
        assert (await asyncio.to_thread(run, "codex", "{}", word, **known)).stdout == ""
