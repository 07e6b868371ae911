# SPDX-License-Identifier: Apache-2.0
"""What the environment allows and counts: Linux control groups (version 2) and pressure stall information.

The numbers of a control group are those of everything in it. They are told only when that is exactly the processes in
scope; else they would blame this program for its neighbours.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
PRESSURE = Path("/proc/pressure")


@dataclass
class Environment:
    """Times in microseconds, sizes in bytes, capacity in logical processors. What is unknown is None."""

    throttled_time: int | None = None
    effective_limit: float | None = None
    memory_limit: int | None = None
    memory_accounted: int | None = None
    out_of_memory: int | None = None
    stalls: dict[str, int] = field(default_factory=dict)  # "cpu.some", "cpu.full", "memory.some", "memory.full"
    events: list[tuple[str, str, int]] = field(default_factory=list)  # resource, event, count


def own_group(pids: AbstractSet[int], root: Path = ROOT, membership: Path = MEMBERSHIP) -> Environment:
    """The limits and counts of this process's control group, if ``pids`` are all that is in it."""
    folder = _folder(root, membership)
    members = None if folder is None else _numbers(folder / "cgroup.procs")
    if folder is None or not members or not set(members) <= pids:
        return Environment()
    cpu, memory = _table(folder / "cpu.stat"), _table(folder / "memory.events")
    found = Environment(
        throttled_time=cpu.get("throttled_usec"),
        effective_limit=_cpu_limit(folder / "cpu.max"),
        memory_limit=_limit(folder / "memory.max"),
        memory_accounted=_limit(folder / "memory.current"),
        out_of_memory=memory.get("oom"),
        stalls={**_stalls("cpu", folder / "cpu.pressure"), **_stalls("memory", folder / "memory.pressure")},
    )
    processes = _table(folder / "pids.events")
    for resource, event, table, key in (
        ("cpu", "throttled", cpu, "nr_throttled"),
        ("memory", "high", memory, "high"),
        ("memory", "maximum", memory, "max"),
        ("memory", "out_of_memory", memory, "oom"),
        ("memory", "terminated", memory, "oom_kill"),
        ("processes", "maximum", processes, "max"),
    ):
        if key in table:
            found.events.append((resource, event, table[key]))
    return found


def machine(folder: Path = PRESSURE) -> Environment:
    """The stall times of the whole machine."""
    return Environment(stalls={**_stalls("cpu", folder / "cpu"), **_stalls("memory", folder / "memory")})


def _folder(root: Path, membership: Path) -> Path | None:
    for line in _text(membership).splitlines():
        if line.startswith("0::"):
            folder = root / line[3:].lstrip("/")
            return folder if os.path.exists(folder / "cgroup.procs") else None
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _numbers(path: Path) -> list[int]:
    return [int(word) for word in _text(path).split() if word.isdigit()]


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _limit(path: Path) -> int | None:
    numbers = _numbers(path)
    return numbers[0] if numbers else None  # "max" is no number: there is no limit


def _cpu_limit(path: Path) -> float | None:
    numbers = _numbers(path)
    return numbers[0] / numbers[1] if len(numbers) == 2 and numbers[1] else None


def _stalls(resource: str, path: Path) -> dict[str, int]:
    """``some avg10=0.00 avg60=0.00 avg300=0.00 total=286808``, and a line that begins with ``full``."""
    found: dict[str, int] = {}
    for line in _text(path).splitlines():
        kind, _, rest = line.partition(" ")
        total = rest.rpartition("total=")[2]
        if kind in ("some", "full") and total.isdigit():
            found[f"{resource}.{kind}"] = int(total)
    return found
