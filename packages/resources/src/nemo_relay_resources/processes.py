# SPDX-License-Identifier: Apache-2.0
"""The processes in scope: their counters now, summed, and what they used since the sample before.

Rates compare process by process, known by pid and start time: a process that ended does not make a rate negative,
and one that is new counts from zero.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Key = tuple[int, float]
Counters = dict[str, int]
MICROSECONDS = 1_000_000

_TIMES = ("cpu.user_time", "cpu.system_time", "cpu.total_time")
_DISK = ("disk.read_data", "disk.write_data", "disk.read_operations", "disk.write_operations")
# No system that we read tells a physical footprint; the list of fields names it all the same.
_MEMORY = ("memory.resident", "memory.virtual_memory", "memory.private", "memory.physical_footprint")
_COUNTS = ("process.thread_count", "process.open_file_descriptor_count", "process.windows_handle_count")


@dataclass
class ProcessSample:
    """What the processes said. ``visible`` were there, ``by_process`` holds those that could be asked."""

    visible: int = 0
    pids: set[int] = field(default_factory=set)
    by_process: dict[Key, Counters] = field(default_factory=dict)

    def total(self, name: str) -> int | None:
        """The sum of a field; None when nobody told it."""
        values = [counters[name] for counters in self.by_process.values() if name in counters]
        return sum(values) if values else None

    def since(self, before: ProcessSample, name: str) -> int | None:
        """How much the field grew; None when a counter ran backwards or nobody told it."""
        grown = 0
        described = False
        for key, counters in self.by_process.items():
            if name not in counters:
                continue
            described = True
            grew = counters[name] - before.by_process.get(key, {}).get(name, 0)
            if grew < 0:
                return None
            grown += grew
        return grown if described else None

    def described(self, scope: str, *, is_first: bool) -> dict[str, int]:
        """How many processes told each field; a throughput needs a sample before."""
        names = [*_TIMES, *_DISK, *_COUNTS, *(_MEMORY if scope != "global" else ())]
        counts = {name: sum(name in one for one in self.by_process.values()) for name in names}
        for way in ("read", "write"):
            counts[f"disk.{way}_throughput"] = 0 if is_first else counts[f"disk.{way}_data"]
        if scope == "application_process":
            counts["memory.peak_resident"] = counts["memory.resident"]
        return dict(sorted(counts.items()))


def sample(psutil: Any, scope: str, *, memory: bool, disk: bool) -> ProcessSample:
    """Ask every process in ``scope`` (``global``, ``application_process`` or ``process_tree``)."""
    made = ProcessSample()
    for process in _in_scope(psutil, scope):
        made.visible += 1
        made.pids.add(process.pid)
        counters = _ask(psutil, process, memory=memory and scope != "global", disk=disk)
        if counters is not None:
            made.by_process[counters[0]] = counters[1]
    return made


def _in_scope(psutil: Any, scope: str) -> Iterator[Any]:
    if scope == "global":
        yield from psutil.process_iter()
        return
    own = psutil.Process()
    yield own
    if scope == "process_tree":
        yield from own.children(recursive=True)


def _ask(psutil: Any, process: Any, *, memory: bool, disk: bool) -> tuple[Key, Counters] | None:
    """The counters of one process; None when it ended or may not be asked."""
    counters: Counters = {}
    try:
        with process.oneshot():
            key = (process.pid, process.create_time())
            times = process.cpu_times()
            counters["cpu.user_time"] = round(times.user * MICROSECONDS)
            counters["cpu.system_time"] = round(times.system * MICROSECONDS)
            counters["cpu.total_time"] = counters["cpu.user_time"] + counters["cpu.system_time"]
            counters["process.thread_count"] = process.num_threads()
            for read in (_descriptors, _memory if memory else None, _disk if disk else None):
                if read is not None:
                    _optional(psutil, read, process, counters)
    except (psutil.Error, OSError):
        return None
    return key, counters


def _optional(psutil: Any, read: Callable[[Any, Counters], None], process: Any, counters: Counters) -> None:
    """A field that the system may not have, or may keep to itself, is left out."""
    try:
        read(process, counters)
    except (psutil.Error, OSError, AttributeError, NotImplementedError):
        return


def _descriptors(process: Any, counters: Counters) -> None:
    if sys.platform == "win32":
        counters["process.windows_handle_count"] = process.num_handles()
    else:
        counters["process.open_file_descriptor_count"] = process.num_fds()


def _memory(process: Any, counters: Counters) -> None:
    basic = process.memory_info()
    counters["memory.resident"] = basic.rss
    counters["memory.virtual_memory"] = basic.vms
    counters["memory.private"] = process.memory_full_info().uss


def _disk(process: Any, counters: Counters) -> None:
    io = process.io_counters()
    counters["disk.read_data"] = io.read_bytes
    counters["disk.write_data"] = io.write_bytes
    counters["disk.read_operations"] = io.read_count
    counters["disk.write_operations"] = io.write_count
