# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay install`` and ``uninstall``: shown first, reversible to the byte, and it works with the real host."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from nemo_relay_provider import ScriptedProvider

from .conftest import COMMAND, Home
from .terminal import ENTER, Terminal
from .test_host_scenarios import Host
from .test_real_hosts import Hosts, tree

MINE = '{"type":"command","command":"mine"}'
FILES = {
    "claude": (".claude/settings.json", f'{{"model":"m",  "hooks":{{"Stop":[{{"hooks":[{MINE}]}}]}}}}'),
    "codex": (".codex/config.toml", '# mine\nmodel = "m"\n[[hooks.Stop]]\nhooks = [{type="command",command="mine"}]\n'),
    "gemini": (".gemini/settings.json", '{"ui": {"theme": "GitHub"}} // this one\n'),
    "copilot": (".copilot/hooks/nemo-relay.json", None),
    "qwen": (".qwen/settings.json", "{}"),
    "cursor": (".cursor/hooks.json", '{"version":1,"hooks":{"stop":[{"command":"mine"}]}}'),
}


def placed(home: Home, host: str) -> tuple[Path, str | None]:
    name, text = FILES[host]
    path = home.home / name
    if text is not None:
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return path, text


def content(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize("host", FILES)
def test_c13_a_host_is_installed_and_put_back_to_the_byte(home: Home, host: str) -> None:
    path, text = placed(home, host)
    shown = home.run("install", host, "--dry-run")
    assert (shown.returncode, content(path)) == (0, text), shown.stderr
    assert "nothing was changed" in shown.stdout  # W24
    assert "forward.py" in shown.stdout
    done = home.run("install", host, "--yes")
    assert done.returncode == 0, done.stderr
    made = path.read_text()
    assert "forward.py" in made
    assert text is None or "mine" not in text or "mine" in made
    (tomllib if path.suffix == ".toml" else json).loads(made)
    assert "installed already" in home.run("install", host, "--yes").stdout
    assert path.read_text() == made
    assert str(path) in home.run("uninstall", host, "--dry-run").stdout
    assert path.read_text() == made
    assert home.run("uninstall", host).returncode == 0
    assert content(path) == text
    assert "nothing is installed" in home.run("uninstall", host).stdout


@pytest.mark.parametrize("host", ["claude", "codex", "cursor"])
def test_what_was_written_since_stays(home: Home, host: str) -> None:
    path, text = placed(home, host)
    assert text is not None
    before = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    home.run("install", host, "--yes")
    if path.suffix == ".toml":
        path.write_text('added = "theirs"\n' + path.read_text())
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"added": "theirs"}))
    assert home.run("uninstall", host).returncode == 0
    after = tomllib.loads(path.read_text()) if path.suffix == ".toml" else json.loads(path.read_text())
    assert after.pop("added") == "theirs"
    after.pop("features", None)
    assert after == before
    assert "forward.py" not in path.read_text()


def test_nothing_is_changed_unasked(home: Home) -> None:
    path, text = placed(home, "cursor")
    done = home.run("install", "cursor")
    assert (done.returncode, "say --yes" in done.stderr, content(path)) == (1, True, text)
    terminal = Terminal([*COMMAND, "install", "cursor"], home.project, home.environment)
    try:
        terminal.until("Change this?")
        terminal.press("n", ENTER)
        assert terminal.wait() == 1
    finally:
        terminal.close()
    assert content(path) == text
    assert home.run("install", "hermes").returncode == 2


def test_an_installed_hook_costs_nothing_without_a_gateway_and_stands_aside_in_a_launched_run(home: Home) -> None:
    home.run("install", "cursor", "--yes", "--url", "http://127.0.0.1:9")
    hooks = json.loads((home.home / ".cursor" / "hooks.json").read_text())["hooks"]
    command = hooks["preToolUse"][0]["command"]
    for env in ({}, {"NEMO_RELAY_HOOK_ID": "x"}):
        environment = {**home.environment, **env}
        done = subprocess.run(command, shell=True, input="{}", env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "")
        assert bool(done.stderr) is not bool(env)


@pytest.mark.hosts
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("hosts")
@pytest.mark.parametrize("name", ["claude", "codex"])
def test_an_installed_host_is_recorded_however_it_is_started(home: Home, hosts: Hosts, name: str) -> None:
    host = Host(name, hosts, home)
    for key, value in (("output_directory", str(home.records / "atof")), ("filename", "events.jsonl")):
        home.run("plugins", "set", f"observability.atof.{key}", value)
    serve = [*COMMAND, "gateway", "serve", "--bind", "127.0.0.1:0"]
    with ScriptedProvider(host.script(host.shell("ls"))) as provider:
        with home.popen(serve, stderr=subprocess.PIPE) as gateway:
            assert gateway.stderr is not None
            url = gateway.stderr.readline().split()[-1]
            assert home.run("install", name, "--yes", "--url", url).returncode == 0
            words = host.words("Look around")
            if not host.is_claude:
                base = {"name": "s", "base_url": provider.openai_url, "wire_api": "responses"}
                own = "{" + ",".join(f'{key}="{value}"' for key, value in base.items()) + "}"
                words[3:3] = ["-c", f"model_providers.s={own}", "-c", 'model_provider="s"']
            env = {**home.environment, **host.env, "ANTHROPIC_BASE_URL": provider.url}
            command = [words[0], *words[2:]]
            ended = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": 120}
            done = subprocess.run(command, cwd=home.project, env=env, **ended)
            gateway.terminate()
            gateway.stderr.read()
    assert done.returncode == 0, done.stderr
    found = tree(home.events())
    assert ("tool", "Bash", host.turn) in found
    assert home.run("uninstall", name).returncode == 0
    assert not list(home.home.glob(".codex/config.toml"))
