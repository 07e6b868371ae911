# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay agents`` and ``nemo-relay doctor``: what is here, what is wrong, and which command mends it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from nemo_relay import plugin
from nemo_relay.errors import RelayError
from nemo_relay_cli import settings as configuration
from nemo_relay_cli.errors import CommandError
from nemo_relay_cli.launch.known import HOSTS

_SYMBOLS = {"pass": "✓", "warn": "!", "fail": "✗", "info": "·"}
_SECONDS = 10


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, how it is, and what would mend it."""

    name: str
    status: str
    details: str


@dataclass(frozen=True)
class Agent:
    """A host, as far as it is here."""

    name: str
    status: str
    configured: bool
    command: str
    path: str | None
    version: str | None
    annotation: str


def found_agents(settings: configuration.Settings) -> Iterator[Agent]:
    """Every host that can be launched, installed or not."""
    for host in HOSTS.values():
        section = settings.agents.get(host.AGENT)
        command = (section.command if section else None) or host.COMMAND
        path = shutil.which(command.split()[0])
        shown = None if path is None else _version(path)
        status = "warn" if path is None else "pass"
        note = host.INSTALL if path is None else f"record it with: nemo-relay {host.AGENT}"
        yield Agent(host.AGENT, status, section is not None, command, path, shown, note)


def _version(path: str) -> str | None:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0] if lines else None


@click.command("agents")
@click.option("--json", "as_json", is_flag=True, help="For a machine.")
def agents_command(as_json: bool) -> None:
    """List the hosts that can be recorded, and whether they are installed."""
    agents = list(found_agents(configuration.load()))
    if as_json:
        click.echo(json.dumps([asdict(agent) for agent in agents]))
        return
    for agent in agents:
        click.echo(f"{_SYMBOLS[agent.status]} {agent.name:<8} {agent.version or 'not installed'}  ({agent.annotation})")


@click.command("doctor")
@click.argument("agent", required=False)
@click.option("--json", "as_json", is_flag=True, help="For a machine.")
@click.pass_context
def doctor_command(ctx: click.Context, agent: str | None, as_json: bool) -> None:
    """Say what is wrong here and what mends it. Nothing is changed; exit code 1 when something has failed."""
    settings = configuration.load()
    sections: dict[str, list[Finding]] = {
        "configuration": list(_configuration()),
        "observability": list(_observability()),
        "agents": list(_agents(settings, agent)),
    }
    failed = any(finding.status == "fail" for findings in sections.values() for finding in findings)
    if as_json:
        environment = {"os": platform.system().lower(), "arch": platform.machine(), "shell": os.environ.get("SHELL")}
        document: dict[str, Any] = {"schema_version": 2, "binary_version": version("nemo-relay-cli")}
        document |= {"target_agent": agent, "environment": environment}
        click.echo(json.dumps(document | {name: [asdict(one) for one in found] for name, found in sections.items()}))
    else:
        _print(sections, failed=failed)
    ctx.exit(1 if failed else 0)


def _print(sections: dict[str, list[Finding]], *, failed: bool) -> None:
    for name, findings in sections.items():
        click.echo(name.capitalize())
        for finding in findings:
            click.echo(f"  {_SYMBOLS[finding.status]} {finding.name}: {finding.details}")
    warned = any(finding.status == "warn" for findings in sections.values() for finding in findings)
    passed = "Nothing has failed; see the warnings." if warned else "All checks passed."
    click.echo("Some checks FAILED." if failed else passed)


def _configuration() -> Iterator[Finding]:
    for path in configuration.layers():
        yield Finding(str(path), "pass" if path.is_file() else "info", "read" if path.is_file() else "not present")


def _observability() -> Iterator[Finding]:
    try:
        report: Any = plugin.validate({})
    except (RelayError, OSError) as error:
        yield Finding("plugins.toml", "fail", f"{error}; mend the file, or see `nemo-relay plugins validate`")
        return
    for path in report["config_paths"]:
        yield Finding(str(path), "pass", "read")
    if not report["config_paths"]:
        text = "none was found: nothing is recorded; `nemo-relay plugins set` makes one"
        yield Finding("plugins.toml", "warn", text)
    for found in report["config"]["diagnostics"]:
        yield Finding(found["code"], "fail" if found["level"] == "error" else "warn", found["message"])
    for component in report["resolved_config"].get("components", []):
        if component["kind"] == "observability" and component.get("enabled", True):
            yield from _folders(component.get("config", {}))


def _folders(config: dict[str, Any]) -> Iterator[Finding]:
    for section in ("atof", "atif"):
        named = config.get(section)
        folder = named.get("output_directory") if isinstance(named, dict) else None
        if not isinstance(folder, str):
            continue
        path = Path(folder)
        if not path.exists():
            yield Finding(f"{section} folder {folder}", "info", "will be made")
        elif os.access(path, os.W_OK):
            yield Finding(f"{section} folder {folder}", "pass", "can be written")
        else:
            yield Finding(f"{section} folder {folder}", "fail", f"cannot be written; try: chmod u+w {folder}")


def _agents(settings: configuration.Settings, wanted: str | None) -> Iterator[Finding]:
    agents = {agent.name: agent for agent in found_agents(settings)}
    if wanted is not None and wanted not in agents:
        raise CommandError(f"no agent is named {wanted!r}; known are {', '.join(agents)}")
    for agent in agents.values():
        if wanted in (None, agent.name):
            status = "fail" if agent.path is None and wanted else agent.status
            yield Finding(agent.name, status, agent.version or f"{agent.command!r} is not on PATH; {agent.annotation}")
