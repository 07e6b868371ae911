# SPDX-License-Identifier: Apache-2.0
"""What the published command's pages promise and it does not keep, by the number of each weakness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nemo_relay_gateway import forward
from nemo_relay_provider import ScriptedProvider

from .conftest import COMMAND, Home

FLAT = """
[[components]]
kind = "observability"
[components.config.atof]
output_directory = ".nemo-relay/atof"
filename = "events.jsonl"
mode = "overwrite"
[components.config.atif]
output_directory = ".nemo-relay/atif"
filename_template = "trajectory-{session_id}.json"
"""
SINKS = """
[[components]]
kind = "observability"
[components.config]
version = VERSION
[components.config.atof]
enabled = true
[[components.config.atof.sinks]]
type = "file"
output_directory = ".nemo-relay/atof"
filename = "events.jsonl"
"""
ASK_TWICE = """
import sys
from openai import OpenAI
client = OpenAI(api_key="any")
for word in ("before", "after"):
    client.chat.completions.create(model=sys.argv[1] + word, messages=[{"role": "user", "content": "Hi"}])
    print(word, flush=True)
    if word == "before":
        sys.stdin.readline()
"""


def configured(home: Home, text: str) -> Path:
    path = home.project / ".nemo-relay" / "plugins.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path.parent


@contextmanager
def served(home: Home) -> Iterator[str]:
    """A gateway that runs by itself; its address."""
    command = [*COMMAND, "gateway", "serve", "--bind", "127.0.0.1:0"]
    with home.popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().split()[-1]
        finally:
            process.terminate()
            process.stderr.read()


def test_w07_a_plugins_toml_is_enough_and_nothing_is_asked(home: Home, tmp_path: Path) -> None:
    folder = configured(home, FLAT)
    host = tmp_path / "codex"
    host.write_text("#!/bin/sh\necho ran\nexit 3\n")
    host.chmod(0o755)
    done = home.run("codex", "--", "exec", "Hi", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout) == (3, "ran\n"), done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["atof", "plugins.toml"]
    assert not (home.home / ".config").exists()


@pytest.mark.parametrize("text", [FLAT, *(SINKS.replace("VERSION", number) for number in "234")])
def test_w08_every_version_of_the_configuration_is_read(home: Home, text: str) -> None:
    folder = configured(home, text)
    with ScriptedProvider(["One.", "Two."]) as provider:
        env = {"NEMO_RELAY_OPENAI_BASE_URL": provider.openai_url}
        words = ("run", "--", sys.executable, "-c", ASK_TWICE, "m-")
        done = home.run(*words, env=env)
    assert done.returncode == 0, done.stderr
    assert len((folder / "atof" / "events.jsonl").read_text().splitlines()) == 4


def test_w09_what_the_pages_name_is_there(home: Home) -> None:
    shown = home.run("--help").stdout
    for name in ("claude", "codex", "cursor", "hermes", "run", "config", "plugins", "install", "model-pricing"):
        assert f"\n  {name} " in shown
    assert "--project" in home.run("plugins", "edit", "--help").stdout


def test_w10_a_second_run_does_not_destroy_what_a_first_one_writes(home: Home) -> None:
    folder = configured(home, FLAT)
    with ScriptedProvider(lambda body: "Hi.") as provider:
        home.environment["NEMO_RELAY_OPENAI_BASE_URL"] = provider.openai_url
        command = [*COMMAND, "run", "--", sys.executable, "-c", ASK_TWICE]
        with home.popen([*command, "first-"], stdin=subprocess.PIPE) as first:
            assert first.stdout is not None and first.stdin is not None
            assert first.stdout.readline() == "before\n"
            assert home.run(*command[len(COMMAND) :], "second-").returncode == 0
            first.stdin.write("\n")
            first.stdin.flush()
            assert first.wait(60) == 0
    lines = [line for file in (folder / "atof").glob("*.jsonl") for line in file.read_bytes().splitlines()]
    events = [json.loads(line) for line in lines]  # no torn line, no hole
    models = [event["category_profile"]["model_name"] for event in events if event.get("scope_category") == "start"]
    assert sorted(models) == ["first-after", "first-before", "second-after", "second-before"]


def test_w11_a_session_of_two_turns_is_one_trajectory(home: Home) -> None:
    folder = configured(home, FLAT)
    with served(home) as url:
        for payload in (
            {"hook_event_name": "SessionStart"},
            {"hook_event_name": "UserPromptSubmit", "prompt": "One"},
            {"hook_event_name": "Stop"},
            {"hook_event_name": "UserPromptSubmit", "prompt": "Two"},
            {"hook_event_name": "Stop"},
            {"hook_event_name": "SessionEnd"},
        ):
            body = json.dumps({"session_id": "s-1", **payload}).encode()
            request = urllib.request.Request(f"{url}/hooks/claude-code", body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request).close()
    assert len(list((folder / "atif").glob("*.json"))) == 1


def test_w18_a_hook_finds_its_gateway_by_the_address_alone(home: Home) -> None:
    configured(home, FLAT)
    with served(home) as url:
        done = subprocess.run(
            [sys.executable, "-I", "-S", forward.__file__, "claude-code"],
            input=json.dumps({"session_id": "s-1", "hook_event_name": "SessionStart"}),
            env={"NEMO_RELAY_GATEWAY_URL": url, "HOME": "/nowhere"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}", "")


def test_w24_nothing_is_said_to_be_done_that_was_not(home: Home) -> None:
    done = home.run("install", "cursor", "--dry-run")
    assert done.stdout.endswith("nothing was changed\n")
    assert not list(home.home.glob(".cursor/*"))
