# SPDX-License-Identifier: Apache-2.0
"""The example of a team's gateway: what its container starts exists, and its documents are valid."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
import yaml

from nemo_relay_cli.commands.gateway import serve_command
from nemo_relay_cli.settings import Settings, StateSection

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "team-gateway"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="the example is not beside this distribution")


def words(name: str) -> list[str]:
    """The words of an instruction in the container file."""
    found = re.search(rf"^{name} (\[.*\])$", (EXAMPLE / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    parsed: list[str] = json.loads(found[1])
    return parsed


def test_the_container_starts_a_command_that_there_is() -> None:
    command = words("ENTRYPOINT") + words("CMD")
    assert command[:3] == ["nemo-relay", "gateway", "serve"]
    with serve_command.make_context("serve", command[3:]) as context:
        assert context.params["allow_remote"]
        wait = context.params["leave"] + context.params["grace"]
    compose = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())
    assert int(compose["services"]["gateway"]["stop_grace_period"].rstrip("s")) > wait


def test_the_replicas_share_the_redis_of_the_compose_file() -> None:
    services = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())["services"]
    url = services["gateway"]["environment"]["NEMO_RELAY_STATE_URL"]
    assert StateSection(url=url).described() == {"kind": "redis", "url": "redis://redis:6379/0"}
    assert "redis" in services
    assert services["gateway"]["deploy"]["replicas"] == 2


def test_the_documents_are_valid() -> None:
    settings = msgspec.convert(tomllib.loads((EXAMPLE / "config.toml").read_text()), Settings)
    assert settings.upstream.openai_key_command is not None
    settings.gateway_config(token="t" * 32)
    plugins = tomllib.loads((EXAMPLE / "plugins.toml").read_text())
    assert plugins["components"][0]["config"]["atof"]["sinks"][0]["filename"] == "${env:HOSTNAME}.jsonl"
