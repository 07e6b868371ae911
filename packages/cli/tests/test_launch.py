# SPDX-License-Identifier: Apache-2.0
"""Launching: what the process is given, what is left when it ends, what its exit code becomes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nemo_relay_provider import ScriptedProvider

from .conftest import RECORDED, Home


def program(home: Home, text: str) -> list[str]:
    path = home.project / "program.py"
    path.write_text(textwrap.dedent(text))
    return ["run", "--", sys.executable, str(path)]


ASK = """
    import anthropic, openai
    messages = [{"role": "user", "content": "Hi"}]
    print(openai.OpenAI(api_key="k").chat.completions.create(model="m", messages=messages).choices[0].message.content)
    client = anthropic.Anthropic(api_key="k")
    print(client.messages.create(model="c", max_tokens=9, messages=messages).content[0].text)
"""


def test_a_program_is_recorded_without_a_change(home: Home) -> None:
    with ScriptedProvider(["One.", "Two."]) as provider:
        env = {"NEMO_RELAY_OPENAI_BASE_URL": provider.openai_url, "NEMO_RELAY_ANTHROPIC_BASE_URL": provider.url}
        done = home.run(*program(home, ASK), recorded=True, env=env)
    assert (done.returncode, done.stdout.split()) == (0, ["One.", "Two."]), done.stderr
    names = [event["name"] for event in home.events()]
    assert names == ["openai.chat_completions"] * 2 + ["anthropic.messages"] * 2


@pytest.mark.parametrize(("text", "code"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 15)", 143)])
def test_w25_the_exit_code_is_the_programs(home: Home, text: str, code: int) -> None:
    assert home.run(*program(home, text)).returncode == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_reaches_the_program_and_its_records_are_whole(home: Home, number: int) -> None:
    text = """
        import signal, sys, time
        for number in (1, 2, 15):
            signal.signal(number, lambda n, f: sys.exit(40 + n))
        print("ready", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", RECORDED, str(home.records), *program(home, text)]
    with home.popen(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(60) == 40 + number


def test_w19_a_killed_gateway_leaves_no_process_behind(home: Home) -> None:
    text = "import time; print('ready', flush=True); time.sleep(300)"
    command = [sys.executable, "-m", "nemo_relay_cli", *program(home, text)]
    with home.popen(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.wait()
        assert process.stdout.read() == ""  # its end of the pipe is closed: the program has ended


def test_what_cannot_be_started_is_named(home: Home) -> None:
    done = home.run("run", "--", "no-such-program")
    assert (done.returncode, done.stdout) == (1, "")
    assert "launcher error: 'no-such-program' is not on PATH" in done.stderr
    assert "npm install" in home.run("codex", env={"PATH": "/usr/bin:/bin"}).stderr
    assert home.run("run").returncode == 1


def test_the_plan_is_shown_without_a_secret(home: Home) -> None:
    done = home.run("run", "--dry-run", "--", sys.executable, "-c", "pass")
    assert done.returncode == 0
    assert "env.OPENAI_BASE_URL = <redacted>" in done.stdout
    assert "nrp_" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "copilot", "qwen", "cursor", "hermes"])
def test_a_plan_touches_nothing_and_tells_no_secret(home: Home, tmp_path: Path, name: str) -> None:
    host = tmp_path / {"cursor": "cursor-agent"}.get(name, name)
    host.write_text("#!/bin/sh\ntouch ran\n")
    host.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "COPILOT_PROVIDER_BASE_URL": "http://127.0.0.1:9/v1"}
    done = home.run(name, "--dry-run", "--", "-p", "Hi", env={**env, "GEMINI_API_KEY": "sk-mine"})
    assert done.returncode == 0, done.stderr
    assert f"agent = {name}\n" in done.stdout
    assert "nrp_" not in done.stdout + done.stderr
    assert "sk-mine" not in done.stdout + done.stderr
    assert not any((*home.home.iterdir(), *home.project.iterdir()))
    inferred = home.run("run", "--dry-run", "--", str(host), env=env)
    assert f"agent = {name}\n" in inferred.stdout, inferred.stderr


def test_a_user_s_own_settings_are_kept_and_nothing_secret_stands_in_argv(home: Home, tmp_path: Path) -> None:
    host = tmp_path / "claude"
    host.write_text('#!/bin/sh\nfor word in "$@"; do printf \'%s\\0\' "$word"; done\n')
    host.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    own = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "mine"}]}]}, "model": "m"}
    done = home.run("claude", "--", "-p", "hi", "--settings", json.dumps(own), env=env)
    words = done.stdout.split("\0")[:-1]
    assert [word for word in words if not word.startswith("{")] == ["--settings", "-p", "hi"]
    settings = json.loads(next(word for word in words if word.startswith("{")))
    assert settings["model"] == "m"
    assert [group["hooks"][0]["type"] for group in settings["hooks"]["Stop"]] == ["command", "http"]
    assert "nrp_" not in done.stdout
    assert settings["env"]["ANTHROPIC_BASE_URL"].startswith("http://127.0.0.1:")


def test_a_program_s_own_provider_stays_its_provider(home: Home) -> None:
    """What the user's environment says of the provider holds, and a credential of ours does not follow to it."""
    config = home.home / ".config" / "nemo-relay" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[upstream]\nopenai_auth_header = "Bearer of-the-usual-provider"\n')
    with ScriptedProvider(["One.", "Two."]) as provider:
        env = {"OPENAI_BASE_URL": provider.openai_url, "ANTHROPIC_BASE_URL": provider.url}
        done = home.run(*program(home, ASK), recorded=True, env=env)
        headers = [str(dict(request.headers)) for request in provider.requests]
    assert (done.returncode, done.stdout.split()) == (0, ["One.", "Two."]), done.stderr
    assert len(headers) == 2
    assert "of-the-usual-provider" not in str(headers)


@pytest.mark.parametrize("where", ["environment", "settings", "arguments"])
def test_claude_code_s_own_provider_stays_its_provider(home: Home, tmp_path: Path, where: str) -> None:
    host = tmp_path / "claude"
    text = """\
        #!{0}
        import json, sys, urllib.request
        settings = json.loads(sys.argv[sys.argv.index("--settings") + 1])
        import os
        token = os.environ["ANTHROPIC_CUSTOM_HEADERS"].partition(": ")[2]
        body = json.dumps({{"model": "m", "max_tokens": 9, "messages": [{{"role": "user", "content": "Hi"}}]}}).encode()
        request = urllib.request.Request(settings["env"]["ANTHROPIC_BASE_URL"] + "/v1/messages", body)
        request.add_header("x-nemo-relay-proxy-token", token)
        print(json.loads(urllib.request.urlopen(request).read())["content"][0]["text"])
        """
    host.write_text(textwrap.dedent(text).format(sys.executable))
    host.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with ScriptedProvider(["Mine."]) as provider:
        own = {"ANTHROPIC_BASE_URL": provider.url}
        words = ["--settings", json.dumps({"env": own})] if where == "arguments" else []
        if where == "settings":
            (home.home / ".claude").mkdir()
            (home.home / ".claude" / "settings.json").write_text(json.dumps({"env": own}))
            env["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
        elif where == "environment":
            env |= own
        done = home.run("claude", "--", *words, env=env)
    assert (done.returncode, done.stdout) == (0, "Mine.\n"), done.stderr


def test_codex_s_own_provider_keeps_all_but_its_address(home: Home, tmp_path: Path) -> None:
    host = tmp_path / "codex"
    host.write_text('#!/bin/sh\nfor word in "$@"; do printf \'%s\\0\' "$word"; done\n')
    host.chmod(0o755)
    (home.home / ".codex").mkdir()
    (home.home / ".codex" / "config.toml").write_text(
        'model_provider = "mine"\n[model_providers.mine]\nname = "Mine"\nbase_url = "http://127.0.0.1:9/v1"\n'
        'env_key = "MINE_KEY"\nwire_api = "responses"\nenv_http_headers = { x-team = "TEAM" }\n'
    )
    done = home.run("codex", "--", "exec", "Hi", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    (said,) = (word for word in done.stdout.split("\0") if word.startswith("model_providers.nemo-relay="))
    assert '"env_key"="MINE_KEY"' in said
    assert '"x-team"="TEAM"' in said
    assert '"name"="Mine"' in said
    assert "127.0.0.1:9/" not in said


def test_a_launch_loads_nothing_that_it_does_not_use(home: Home) -> None:
    program = "import sys, nemo_relay_cli.commands.launch\nprint(*{'textual', 'tomlkit', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
