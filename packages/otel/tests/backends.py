# SPDX-License-Identifier: Apache-2.0
"""Back ends in venvs of their own, under ``.build/backends``, and servers started from them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[3] / ".build" / "backends"


def python_with(package: str, version: str) -> Path:
    """An interpreter that has the package; the test is skipped where it cannot be installed."""
    folder = BUILD / f"{package}-{version}"
    python, done = folder / "bin" / "python", folder / ".installed"
    if not done.exists():
        base: str = getattr(sys, "_base_executable", sys.executable)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{package}=={version}"]
        for command in ([base, "-m", "venv", str(folder)], install):
            run = subprocess.run(command, capture_output=True, text=True, timeout=900)
            if run.returncode:
                reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
                pytest.skip(f"{package} {version} cannot be installed: {reason}")
        done.touch()
    return python


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


@contextmanager
def server(command: list[str], url: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Runs a server until the block ends; it is ready when ``url`` answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment})
    try:
        until = time.monotonic() + 240
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{command[0]} did not come up:\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
