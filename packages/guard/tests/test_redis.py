# SPDX-License-Identifier: Apache-2.0
"""Budgets in a real Redis: one that processes share, and one that goes away in the middle."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import tools
from nemo_relay_guard import BudgetExceeded
from nemo_relay_guard.models import Backend
from nemo_relay_guard.stores import store_of

from .conftest import guarded
from .test_budgets import PROGRAM, budget

pytestmark = [
    pytest.mark.backends,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]


class Server:
    """A Redis on loopback that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, "--appendonly", "yes"], stdout=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.stop()


def test_the_store_counts_what_is_spent_and_under_way(server: Server) -> None:
    store = store_of(Backend.model_validate({"kind": "redis", "url": server.url}))
    limits = {"calls": 2.0, "tokens": 10.0}
    try:
        assert store.take("k", {"calls": 1, "tokens": 4}, limits, 60) is None
        assert store.take("k", {"calls": 1, "tokens": 7}, limits, 60) == ("tokens", 4)
        store.settle("k", {"calls": 1, "tokens": 4}, {"calls": 1, "tokens": 9}, 60)
        assert store.fits("k", {"calls": 1}, limits) is None
        assert store.fits("k", {"calls": 1, "tokens": 2}, limits) == ("tokens", 9)
        store.settle("k", {"calls": 5}, {}, 60)
        assert store.take("k", {"calls": 1}, limits, 60) is None
        assert store.take("k", {"calls": 1}, limits, 60) == ("calls", 2)
    finally:
        store.close()


def test_processes_share_a_budget(server: Server, tmp_path: Path) -> None:
    backend = {"kind": "redis", "url": server.url}
    config = {"budgets": [budget(tool_calls=50, per="tenant", backend=backend)]}
    document = {"components": [{"kind": "guard", "config": config}]}
    command = [sys.executable, "-W", "error", "-c", PROGRAM, json.dumps(document)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(2)]
    ran = [int(one.communicate(timeout=120)[0]) for one in running]
    assert sum(ran) == 50


@pytest.mark.allow_blocking
async def test_a_server_that_goes_away_and_comes_back(server: Server) -> None:
    backend = {"kind": "redis", "url": server.url}

    async def call() -> Any:
        return await tools.execute("t", {}, lambda args: "ran")

    async with guarded(budgets=[budget(tool_calls=2, per="tenant", backend=backend)]):
        assert await call() == "ran"
        server.stop()
        with pytest.raises(BudgetExceeded, match="cannot be counted"):
            await call()
        server.start()
        assert await call() == "ran"  # what was spent before is still known, and so is that there is one left
        with pytest.raises(BudgetExceeded, match="2 are spent"):
            await call()
