# SPDX-License-Identifier: Apache-2.0
"""One payload after another: what the processes and the machine tell, in the units that the configuration asks for.

A collector remembers its last sample, for rates. Polling and ``collect()`` have one each, so that neither shortens the
other's intervals.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from time import monotonic
from typing import Any, NamedTuple

from nemo_relay_resources import cgroup, processes, system
from nemo_relay_resources.cgroup import Environment
from nemo_relay_resources.config import Settings
from nemo_relay_resources.processes import ProcessSample
from nemo_relay_resources.system import Traffic, rate
from nemo_relay_resources.units import CountUnit, Payload, counted, measured

_PROCESS_GROUPS = {"cpu", "memory", "process", "disk"}


class _Baseline(NamedTuple):
    at: float
    processes: ProcessSample
    network: dict[str, Traffic]


class Collector:
    """Samples as ``settings`` say; safe to call from any thread, one at a time."""

    def __init__(self, settings: Settings, psutil: Any) -> None:
        self._settings = settings
        self._psutil = psutil
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._before: _Baseline | None = None

    def collect(self) -> Payload:
        """One snapshot as JSON. Reads files; takes milliseconds."""
        if self._pid != os.getpid():  # a forked child has its parent's baseline, and the lock as it was at the fork
            self._renew()
        with self._lock:
            return self._collect()

    def _collect(self) -> Payload:
        settings, groups = self._settings, self._settings.groups
        scope = settings.measurement_scope
        asked = bool(groups & _PROCESS_GROUPS)
        sample = ProcessSample()
        if asked:
            disk = "disk" in groups and settings.process_io
            sample = processes.sample(self._psutil, scope, memory="memory" in groups, disk=disk)
        network = system.network(self._psutil) if "network" in groups else {}
        now = _Baseline(monotonic(), sample, network)
        before, self._before = self._before, now
        limits = cgroup.machine() if scope == "global" else cgroup.own_group(sample.pids)
        return {
            "timestamp": datetime.now(UTC).isoformat(),
            "operating_system": system.operating_system(),
            "measurement_scope": scope,
            "process_sampling": _sampling(scope, sample, before) if asked else None,
            "cpu": _cpu(settings, now, before, limits) if "cpu" in groups else None,
            "memory": _memory(settings, self._psutil, sample, limits) if "memory" in groups else None,
            "process": _process(scope, sample, limits) if "process" in groups else None,
            "disk": _disk(settings, now, before) if "disk" in groups else None,
            # Nothing here reads accelerators: not measured, which is not the same as none there.
            "gpu": {"device_metrics": None, "process_metrics": None} if "gpu" in groups else None,
            "network": _network(settings, now, before) if "network" in groups else None,
        }


def _sampling(scope: str, sample: ProcessSample, before: _Baseline | None) -> Payload:
    return {
        "visible_processes": sample.visible,
        "sampled_processes": len(sample.by_process),
        "field_sampled_processes": sample.described(scope, is_first=before is None),
    }


def _per_second(now: _Baseline, before: _Baseline | None, name: str) -> float | None:
    if before is None:
        return None
    return rate(now.processes.since(before.processes, name), 0, now.at - before.at)


def _events(limits: Environment, resource: str) -> list[Payload]:
    return [
        {"resource": kind, "event": event, "count": counted(count, CountUnit.EVENTS)}
        for kind, event, count in limits.events
        if kind == resource
    ]


def _cpu(settings: Settings, now: _Baseline, before: _Baseline | None, limits: Environment) -> Payload:
    units = settings.units["cpu"]
    used = _per_second(now, before, "cpu.total_time")
    values: dict[str, float | None] = {
        "user_time": now.processes.total("cpu.user_time"),
        "system_time": now.processes.total("cpu.system_time"),
        "total_time": now.processes.total("cpu.total_time"),
        "consumption_rate": None if used is None else used / processes.MICROSECONDS,
        "throttled_time": limits.throttled_time,
        "effective_limit": limits.effective_limit,
        "some_pressure_stall_time": limits.stalls.get("cpu.some"),
        "full_pressure_stall_time": limits.stalls.get("cpu.full"),
    }
    return {**_measured(values, units), "limit_events": _events(limits, "cpu")}


def _memory(settings: Settings, psutil: Any, sample: ProcessSample, limits: Environment) -> Payload:
    used, total, available = system.memory(psutil)
    alone = settings.measurement_scope == "application_process"
    values: dict[str, float | None] = {
        "system_used": used,
        "system_total": total,
        "system_available": available,
        "resident": sample.total("memory.resident"),
        "private": sample.total("memory.private"),
        "physical_footprint": None,
        "virtual_memory": sample.total("memory.virtual_memory"),
        "peak_resident": system.peak_resident() if alone else None,
        "limit": limits.memory_limit,
        "environment_accounted": limits.memory_accounted,
        "some_pressure_stall_time": limits.stalls.get("memory.some"),
        "full_pressure_stall_time": limits.stalls.get("memory.full"),
    }
    return {
        **_measured(values, settings.units["memory"]),
        "out_of_memory_event_count": counted(limits.out_of_memory, CountUnit.EVENTS),
        "limit_events": _events(limits, "memory"),
    }


def _process(scope: str, sample: ProcessSample, limits: Environment) -> Payload:
    descriptors = sample.total("process.open_file_descriptor_count")
    return {
        "active_count": counted(sample.visible, CountUnit.PROCESSES),
        "descendant_count": None if scope == "global" else counted(sample.visible - 1, CountUnit.PROCESSES),
        "thread_count": counted(sample.total("process.thread_count"), CountUnit.THREADS),
        "lifetime_creation_count": None,
        "open_file_descriptor_count": counted(descriptors, CountUnit.FILE_DESCRIPTORS),
        "windows_handle_count": counted(sample.total("process.windows_handle_count"), CountUnit.HANDLES),
        "limit_events": _events(limits, "processes"),
    }


def _disk(settings: Settings, now: _Baseline, before: _Baseline | None) -> Payload:
    units, sample = settings.units["disk"], now.processes
    values: dict[str, float | None] = {
        "read_data": sample.total("disk.read_data"),
        "write_data": sample.total("disk.write_data"),
        "read_throughput": _per_second(now, before, "disk.read_data"),
        "write_throughput": _per_second(now, before, "disk.write_data"),
    }
    return {
        **_measured(values, units),
        "read_operations": counted(sample.total("disk.read_operations"), CountUnit.OPERATIONS),
        "write_operations": counted(sample.total("disk.write_operations"), CountUnit.OPERATIONS),
        "filesystems": [_filesystem(path, units) for path in settings.filesystem_paths],
    }


def _filesystem(path: str, units: dict[str, str]) -> Payload:
    total, available, free = system.filesystem(path) or (None, None, None)
    return {
        "path": path,
        "total_capacity": measured(total, units["filesystem_total_capacity"]),
        "available_capacity": measured(available, units["filesystem_available_capacity"]),
        "free_capacity": measured(free, units["filesystem_free_capacity"]),
    }


def _network(settings: Settings, now: _Baseline, before: _Baseline | None) -> Payload:
    known = {} if before is None else before.network
    seconds = 0.0 if before is None else now.at - before.at
    names = settings.interfaces or sorted(now.network)
    return {
        "measurement_scope": "global",
        "system": _traffic(
            system.together(now.network),
            system.together(known) if known else None,
            seconds,
            settings.units["network.system"],
        ),
        "interfaces": [
            {
                "name": name,
                "traffic": _traffic(now.network[name], known.get(name), seconds, settings.units["network.interface"]),
            }
            for name in names
            if name in now.network
        ],
    }


def _traffic(now: Traffic, before: Traffic | None, seconds: float, units: dict[str, str]) -> Payload:
    then = before or {}
    values: dict[str, float | None] = {
        "received_data": now["received_data"],
        "transmitted_data": now["transmitted_data"],
        "receive_throughput": rate(now["received_data"], then.get("received_data"), seconds),
        "transmit_throughput": rate(now["transmitted_data"], then.get("transmitted_data"), seconds),
    }
    return {
        **_measured(values, units),
        "received_packets": counted(now["received_packets"], CountUnit.PACKETS),
        "transmitted_packets": counted(now["transmitted_packets"], CountUnit.PACKETS),
        "receive_errors": counted(now["receive_errors"], CountUnit.ERRORS),
        "transmit_errors": counted(now["transmit_errors"], CountUnit.ERRORS),
    }


def _measured(values: dict[str, float | None], units: dict[str, str]) -> Payload:
    return {name: measured(value, units[name]) for name, value in values.items()}
