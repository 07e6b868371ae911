# SPDX-License-Identifier: Apache-2.0
"""Control groups and pressure, read from folders that look like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_relay_resources import cgroup
from nemo_relay_resources.cgroup import Environment

FILES = {
    "cgroup.procs": "10\n11\n",
    "cpu.stat": "usage_usec 5000\nnr_periods 9\nnr_throttled 4\nthrottled_usec 1234\n",
    "cpu.max": "150000 100000\n",
    "cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
    "memory.max": "1048576\n",
    "memory.current": "4096\n",
    "memory.events": "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n",
    "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=8\n",
    "pids.events": "max 6\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A group at ``/app`` that this process is in."""
    (tmp_path / "app").mkdir()
    for name, text in FILES.items():
        (tmp_path / "app" / name).write_text(text)
    (tmp_path / "membership").write_text("4:memory:/old\n0::/app\n")
    return tmp_path


def read(tree: Path, pids: set[int]) -> Environment:
    return cgroup.own_group(pids, tree, tree / "membership")


def test_a_group_of_our_own(tree: Path) -> None:
    assert read(tree, {10, 11, 12}) == Environment(
        throttled_time=1234,
        effective_limit=1.5,
        memory_limit=1048576,
        memory_accounted=4096,
        out_of_memory=3,
        stalls={"cpu.some": 77, "cpu.full": 5, "memory.some": 8},
        events=[
            ("cpu", "throttled", 4),
            ("memory", "high", 1),
            ("memory", "maximum", 2),
            ("memory", "out_of_memory", 3),
            ("memory", "terminated", 4),
            ("processes", "maximum", 6),
        ],
    )


def test_the_numbers_of_neighbours_are_not_ours(tree: Path) -> None:
    assert read(tree, {10}) == Environment()


def test_no_limit_is_not_a_limit_of_zero(tree: Path) -> None:
    (tree / "app" / "memory.max").write_text("max\n")
    (tree / "app" / "cpu.max").write_text("max 100000\n")
    found = read(tree, {10, 11})
    assert (found.memory_limit, found.effective_limit) == (None, None)


@pytest.mark.parametrize("membership", ["", "4:memory:/old\n", "0::/gone\n"])
def test_without_version_two_nothing_is_known(tree: Path, membership: str) -> None:
    (tree / "membership").write_text(membership)
    assert read(tree, {10, 11}) == Environment()


def test_the_machines_pressure(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=286808\nnonsense\n")
    assert cgroup.machine(tmp_path) == Environment(stalls={"cpu.some": 286808})
