# SPDX-License-Identifier: Apache-2.0
"""Brokers and servers on loopback, each with a folder of its own and gone at the end of its test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_relay_sinks import Sink, open_sink


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Broker:
    """A server program that can be stopped and started again on the same port and files."""

    def __init__(self, command: Callable[[int, Path], list[str]], folder: Path) -> None:
        self.port = free_port()
        self._command = command(self.port, folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, "the broker has ended"
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    made: list[Broker] = []

    def start(program: str, command: Callable[[int, Path], list[str]]) -> Broker:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; on Debian: apt-get install {program}")
        folder = tmp_path / "broker"
        folder.mkdir(exist_ok=True)
        made.append(Broker(command, folder))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., Sink]]:
    """Opens sinks with a spool of the test's own."""
    made: list[Sink] = []

    def opened(**settings: Any) -> Sink:
        made.append(open_sink({"spool": {"directory": str(tmp_path / "spool")}, **settings}))
        return made[-1]

    yield opened
    for one in made:
        one.shutdown(1)


def lines(count: int, session: str = "s", first: int = 0) -> list[bytes]:
    """Marks of one session."""
    return [
        f'{{"kind":"mark","name":"n","parent_uuid":"{session}","uuid":"{session}-{number}"}}\n'.encode()
        for number in range(first, first + count)
    ]
