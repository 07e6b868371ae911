# SPDX-License-Identifier: Apache-2.0
"""Kills, and secrets: what was announced is on the disk whole, nobody is left behind, no secret stands anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

import pytest

from nemo_relay_provider import ScriptedProvider

from .conftest import RECORDED, Home
from .test_launch import program
from .test_serve import PROOF, TOKEN, exchange, providing, replica

CALL = """
import os, signal, sys
import openai
client = openai.OpenAI(api_key="k", max_retries=0)
client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
print("called", flush=True)
"""


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def command_lines() -> list[bytes]:
    """What a process list shows. Processes come and go meanwhile."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return found


def recording(home: Home, text: str) -> list[str]:
    return [sys.executable, "-c", RECORDED, str(home.records), *program(home, text)]


def test_a_killed_gateway_leaves_whole_lines_and_no_process(home: Home) -> None:
    with ScriptedProvider(["One."]) as provider:
        home.environment["NEMO_RELAY_OPENAI_BASE_URL"] = provider.openai_url
        with home.popen(recording(home, CALL + "import time\ntime.sleep(300)\n")) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "called\n"
            process.kill()
            process.wait()
            assert process.stdout.read() == ""  # the program has ended, too: its end of the pipe is closed
    names = [(event["name"], event["scope_category"]) for event in home.events()]
    assert names[0] == ("openai.chat_completions", "start")
    text = (home.records / "atof" / "events.jsonl").read_text()
    assert text.endswith("\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_host_ends_its_run_and_its_code_is_ours(home: Home, number: int) -> None:
    with ScriptedProvider(["One."]) as provider:
        home.environment["NEMO_RELAY_OPENAI_BASE_URL"] = provider.openai_url
        done = home.run(*program(home, CALL + f"os.kill(os.getpid(), {int(number)})\n"), recorded=True)
    assert done.returncode == 128 + number, done.stderr
    assert [event["scope_category"] for event in home.events()] == ["start", "end"]


def test_a_gateway_that_was_killed_is_told_by_the_client_s_own_error(home: Home) -> None:
    text = """
        import os, signal, openai
        parent = os.getppid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # outlives its gateway
        os.kill(parent, signal.SIGKILL)
        while os.getppid() == parent:
            pass
        try:
            openai.OpenAI(api_key="k", max_retries=0).models.list()
        except openai.APIConnectionError as error:
            open("told", "w").write(f"{type(error.__cause__).__name__}: {error.__cause__}")
    """
    with home.popen([sys.executable, "-m", "nemo_relay_cli", *program(home, text)]) as process:
        assert process.stdout is not None
        process.stdout.read()
        process.wait()
    assert "onnect" in (home.project / "told").read_text()


@pytest.mark.timeout(120)
async def test_canaries_stand_in_no_file_no_log_and_no_process_list(tmp_path: Path) -> None:
    root = tmp_path / "r"
    root.mkdir()
    printer = root / "print-key"
    printer.write_text("#!/bin/sh\necho sk-canary-printed-0123456789\n")
    printer.chmod(0o700)
    async with providing() as (provider, url):
        provider.go_on.set()
        config = tmp_path / "config.toml"
        config.write_text(f'[upstream]\nopenai_key_command = ["{printer}"]\n')
        secrets = {"NEMO_RELAY_ANTHROPIC_AUTH_HEADER": "Bearer canary-configured-0123456789"}
        with replica(root, "f", url, "--config", str(config), **secrets) as serving:
            await serving.ready()
            for extra in ((), ("Authorization: Bearer sk-canary-own-0123456789",), ("x-api-key: canary-api-key",)):
                body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"sk-canary-text-0123456789"}]}'
                status, _ = await exchange(serving.port, "POST", "/v1/chat/completions", body, (PROOF, *extra))
                assert status == 200
            hook = {"hook_event_name": "PreToolUse", "session_id": "../../../canary", "tool_name": "Bash"}
            hook |= {"tool_use_id": "t", "tool_input": {"command": "curl -H 'Authorization: Bearer canary-in-hook-1'"}}  # type: ignore[dict-item]
            await exchange(serving.port, "POST", "/hooks/claude-code", json.dumps(hook).encode(), (PROOF,))
            await exchange(serving.port, "POST", f"/run/{'w' * 32}/v1/messages", b"{}", ("x-api-key: canary-refused",))
            listed = command_lines()
            metrics = (await serving.get("/metrics"))[1]
            serving.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(serving.process.wait, 60)
            assert len(serving.events()) >= 8
    seen = {path: text for path, text in files(root).items() if path != printer}
    for word in (b"canary-printed", b"canary-configured", b"canary-own", b"canary-api-key", b"canary-text", b"in-hook",
                 b"canary-refused", TOKEN.encode()):  # fmt: skip
        assert not [path for path, text in seen.items() if word in text], word
        assert not any(word in text for text in listed), word
        assert word.decode() not in metrics


SESSIONS = ["../../escaped", "TMP/escaped", "a/../../escaped", "..", "x" * 3000, "\u202eescaped"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("session", SESSIONS)
async def test_a_session_s_name_leads_out_of_no_folder(tmp_path: Path, session: str) -> None:
    root = tmp_path / "deep" / "r"
    root.mkdir(parents=True)
    atif = (
        'atif = { enabled = true, output_directory = "out/atif", filename_template = "trajectory-{session_id}.json" }'
    )
    document = f'version = 1\n[[components]]\nkind = "observability"\n[components.config]\nversion = 4\n{atif}\n'
    (root / "own.toml").write_text(document)
    async with providing() as (provider, url):
        provider.go_on.set()
        with replica(root, "g", url, "--published", "--plugins", "own.toml") as serving:
            await serving.ready()
            for name in ("UserPromptSubmit", "Stop", "SessionEnd"):
                said = {"session_id": session.replace("TMP", str(tmp_path)), "prompt": "x"}
                payload = json.dumps({"hook_event_name": name, **said}).encode()
                status, _ = await exchange(serving.port, "POST", "/hooks/claude-code", payload, (PROOF,))
                assert status == 200
            serving.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(serving.process.wait, 60) == 0
    outside = [path for path in files(tmp_path) if root / "out" / "atif" not in path.parents]
    assert {path.name for path in outside} == {"own.toml", "plugins.toml", "g.err"}


def test_c10_w04_exporters_that_fail_change_no_exit_code_and_tell_no_secret(home: Home) -> None:
    (home.project / "taken").write_text("a file, where a folder should be")
    (home.project / "own.toml").write_text(
        """
        version = 1
        [[components]]
        kind = "observability"
        [components.config]
        version = 4
        [components.config.atof]
        enabled = true
        sinks = [{ type = "file", output_directory = "records", filename = "e.jsonl" }]
        [components.config.atif]
        enabled = true
        output_directory = "taken/atif"
        [components.config.opentelemetry]
        enabled = true
        [[components.config.opentelemetry.endpoints]]
        type = "full"
        endpoint = "http://127.0.0.1:9/v1/traces"
        headers = { authorization = "Bearer canary-otlp-0123456789" }
        """
    )
    with ScriptedProvider(["One."]) as provider:
        env = {"NEMO_RELAY_OPENAI_BASE_URL": provider.openai_url}
        run, *rest = program(home, CALL)
        done = home.run(run, "--plugins", "own.toml", *rest, env=env)
    assert (done.returncode, done.stdout) == (0, "called\n"), done.stderr
    records = (home.project / "records" / "e.jsonl").read_text()
    assert len(records.splitlines()) == 2
    assert "canary-otlp" not in records + done.stderr
