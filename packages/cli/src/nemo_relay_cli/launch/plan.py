# SPDX-License-Identifier: Apache-2.0
"""What a process is started with; made without touching the disk, so that it can be shown first."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from nemo_relay_cli.edits import Edit
from nemo_relay_cli.errors import LaunchError
from nemo_relay_gateway import forward

TOKEN_HEADER = "x-nemo-relay-proxy-token"
_SECRET = ("TOKEN", "HOOK_ID", "CREDENTIAL", "HEADERS", "KEY")


@dataclass
class Plan:
    """One launch.

    Args:
        agent: the host's name; ``program`` for any other program.
        argv: the command line, its program first.
        environment: variables that are set for the process, and for it alone.
        files: private files by name, written into the run's own folder; ``{run}`` in ``argv`` is that folder.
        notes: what the user should know.
        edits: changes of other files, taken back when the process ends.
    """

    agent: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The plan in words, secrets left out."""
        shown = [f"agent = {self.agent}", f"argv = {' '.join(self.argv)}"]
        for name, value in sorted(self.environment.items()):
            secret = any(part in name for part in _SECRET) or "/run/" in value
            shown.append(f"env.{name} = {'<redacted>' if secret else value}")
        edited = [f"edit = {edit.path}" for edit in self.edits]
        return [*shown, *edited, *(f"note = {note}" for note in self.notes)]


@dataclass(frozen=True)
class Run:
    """What is particular to one run: the gateway's address, its token, and who forwards hooks to it."""

    url: str
    token: str = field(repr=False)
    directory: str = "{run}"

    @classmethod
    def fresh(cls, url: str) -> Run:
        """A run with a token of its own."""
        return cls(url, f"nrp_{secrets.token_hex(32)}")

    def base(self, provider: str) -> str:
        """Where a provider is for this run, by the token in the path: not every SDK sends a header of ours."""
        return f"{self.url}/run/{self.token}/{provider}"

    def hook_environment(self) -> dict[str, str]:
        """What the forwarder reads."""
        return {
            "NEMO_RELAY_GATEWAY_URL": self.url,
            "NEMO_RELAY_HOOK_ID": self.token,
            "NEMO_RELAY_RUN_DIR": self.directory,
        }


def forwarder() -> list[str]:
    """The words of the command that forwards a hook; the host's name follows."""
    return [sys.executable, "-I", "-S", str(Path(forward.__file__).resolve())]


def from_environment(names: dict[str, str]) -> dict[str, str]:
    """The base URLs that the user's own environment names.

    Args:
        names: the provider that each variable is about; of two for one provider, the first goes.
    """
    found = {provider: url for name, provider in reversed(names.items()) if (url := os.environ.get(name))}
    return found


def executable(command: str, install: str) -> str:
    """The program that a command names.

    Args:
        command: a name on ``PATH``, or a path.
        install: how to install it, for the error.

    Raises:
        LaunchError: it is not there.
    """
    found = shutil.which(command)
    if found is None:
        raise LaunchError(f"{command!r} is not on PATH; {install}")
    return found
