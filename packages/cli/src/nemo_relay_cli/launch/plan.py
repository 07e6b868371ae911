# SPDX-License-Identifier: Apache-2.0
"""What a process is started with; made without touching the disk, so that it can be shown first."""

from __future__ import annotations

import secrets
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

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
    """

    agent: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The plan in words, secrets left out."""
        shown = [f"agent = {self.agent}", f"argv = {' '.join(self.argv)}"]
        for name, value in sorted(self.environment.items()):
            secret = any(part in name for part in _SECRET) or "/run/" in value
            shown.append(f"env.{name} = {'<redacted>' if secret else value}")
        return [*shown, *(f"note = {note}" for note in self.notes)]


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

    @property
    def forwarder(self) -> list[str]:
        """The words of the command that forwards a hook; the host's name follows."""
        return [sys.executable, "-I", "-S", str(Path(forward.__file__).resolve())]

    def hook_environment(self) -> dict[str, str]:
        """What the forwarder reads."""
        return {
            "NEMO_RELAY_GATEWAY_URL": self.url,
            "NEMO_RELAY_HOOK_ID": self.token,
            "NEMO_RELAY_RUN_DIR": self.directory,
        }


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
