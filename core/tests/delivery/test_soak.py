# SPDX-License-Identifier: Apache-2.0
"""The soak in short; `benchmarks/soak.py` without arguments is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "soak.py"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the size of a process from /proc")
def test_a_process_keeps_its_size() -> None:
    # One new arena of the allocator is a slope of 500 in so few runs; a leak of an event per run is 4,000 and more.
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--runs", "5000", "--slope", "1500"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "events: 40000 of 40000" in done.stdout
