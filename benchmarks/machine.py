# SPDX-License-Identifier: Apache-2.0
"""What a measurement was made on: numbers without it mean little."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path


def describe() -> str:
    """One line: processor, cores, system, Python."""
    release = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{_processor()}, {os.cpu_count()} cores, {release}, {sys.implementation.name} {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
