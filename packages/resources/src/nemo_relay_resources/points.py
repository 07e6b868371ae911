# SPDX-License-Identifier: Apache-2.0
"""A payload as the measurements of a metric mark. What was not measured makes no measurement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nemo_relay_resources.units import Payload

PREFIX = "nemo.relay.resource."
ATTRIBUTE = "nemo_relay.resource."
MARK = "nemo.relay.resource_metrics"

# Per group: the field of the payload, the metric's name, what it says.
_CPU = (
    ("user_time", "cpu.user_time", "Processor time in user mode, all processes in scope"),
    ("system_time", "cpu.system_time", "Processor time in the kernel, all processes in scope"),
    ("total_time", "cpu.total_time", "Processor time, all processes in scope"),
    ("consumption_rate", "cpu.consumption_rate", "Processors kept busy since the sample before"),
    ("throttled_time", "cpu.throttled_time", "Time during which the control group was held back"),
    ("effective_limit", "cpu.effective_limit", "Processors that the control group may use"),
    ("some_pressure_stall_time", "cpu.pressure.some_stall_time", "Time some task waited for a processor"),
    ("full_pressure_stall_time", "cpu.pressure.full_stall_time", "Time all tasks waited for a processor"),
)
_MEMORY = (
    ("system_used", "memory.system.used", "Memory of the machine that is not available"),
    ("system_total", "memory.system.total", "Memory of the machine"),
    ("system_available", "memory.system.available", "Memory of the machine that can be had"),
    ("resident", "memory.resident", "Memory held by the processes in scope, shared parts included"),
    ("private", "memory.private", "Memory that the processes in scope share with nobody"),
    ("physical_footprint", "memory.physical_footprint", "Memory charged to the processes in scope"),
    ("virtual_memory", "memory.virtual", "Address space of the processes in scope"),
    ("peak_resident", "memory.peak_resident", "The most memory this process has held"),
    ("limit", "memory.limit", "Memory that the control group may use"),
    ("environment_accounted", "memory.environment_accounted", "Memory charged to the control group"),
    ("some_pressure_stall_time", "memory.pressure.some_stall_time", "Time some task waited for memory"),
    ("full_pressure_stall_time", "memory.pressure.full_stall_time", "Time all tasks waited for memory"),
    ("out_of_memory_event_count", "memory.out_of_memory_event_count", "How often the control group ran out"),
)
_PROCESS = (
    ("active_count", "process.active_count", "Processes in scope"),
    ("descendant_count", "process.descendant_count", "Processes below this one"),
    ("lifetime_creation_count", "process.lifetime_creation_count", "Processes ever started"),
    ("open_file_descriptor_count", "process.open_file_descriptor_count", "Open file descriptors"),
    ("windows_handle_count", "process.windows_handle_count", "Open handles"),
    ("thread_count", "thread.count", "Threads of the processes in scope"),
)
_DISK = (
    ("read_data", "disk.read_data", "Data that the processes in scope had read from disks"),
    ("write_data", "disk.write_data", "Data that the processes in scope had written to disks"),
    ("read_throughput", "disk.read_throughput", "Data read per second since the sample before"),
    ("write_throughput", "disk.write_throughput", "Data written per second since the sample before"),
    ("read_operations", "disk.read.operations", "Read calls of the processes in scope"),
    ("write_operations", "disk.write.operations", "Write calls of the processes in scope"),
)
_FILESYSTEM = (
    ("total_capacity", "disk.filesystem.total_capacity", "Size of the file system"),
    ("available_capacity", "disk.filesystem.available_capacity", "What an ordinary user may still write"),
    ("free_capacity", "disk.filesystem.free_capacity", "What nothing occupies"),
)
_TRAFFIC = (
    ("received_data", "received_data", "Data received"),
    ("transmitted_data", "transmitted_data", "Data sent"),
    ("received_packets", "received_packets", "Packets received"),
    ("transmitted_packets", "transmitted_packets", "Packets sent"),
    ("receive_errors", "receive_errors", "Failures to receive"),
    ("transmit_errors", "transmit_errors", "Failures to send"),
    ("receive_throughput", "receive_throughput", "Data received per second since the sample before"),
    ("transmit_throughput", "transmit_throughput", "Data sent per second since the sample before"),
)
Rows = tuple[tuple[str, str, str], ...]


class Points:
    """Turns payloads into measurements. ``all_interfaces`` keeps those that nothing has ever gone over."""

    def __init__(self, *, all_interfaces: bool) -> None:
        self._all_interfaces = all_interfaces

    def of(self, payload: Payload) -> list[Payload]:
        """The measurements of one payload, in their wire form."""
        base = {
            f"{ATTRIBUTE}measurement_scope": payload["measurement_scope"],
            f"{ATTRIBUTE}operating_system": payload["operating_system"],
        }
        return [
            _point("sample_count", "Samples taken for this mark", {"value": 1, "unit": "events"}, base),
            *self._groups(payload, base),
        ]

    def _groups(self, payload: Payload, base: Payload) -> Iterator[Payload]:
        for group, rows in (("cpu", _CPU), ("memory", _MEMORY), ("process", _PROCESS), ("disk", _DISK)):
            values = payload[group]
            if values is not None:
                yield from _rows(rows, values, base)
                yield from _limit_events(values.get("limit_events", ()), base)
        for one in (payload["disk"] or {}).get("filesystems", ()):
            yield from _rows(_FILESYSTEM, one, {**base, f"{ATTRIBUTE}disk.filesystem_path": one["path"]})
        if payload["network"] is not None:
            yield from self._network(payload["network"], base)
        if payload["process_sampling"] is not None:
            yield from _sampling(payload["process_sampling"], base)

    def _network(self, network: Payload, base: Payload) -> Iterator[Payload]:
        base = {**base, f"{ATTRIBUTE}measurement_scope": network["measurement_scope"]}
        yield from _rows(_TRAFFIC, network["system"], base, "network.system.")
        for one in network["interfaces"]:
            if self._all_interfaces or _is_used(one["traffic"]):
                named = {**base, f"{ATTRIBUTE}network.interface_name": one["name"]}
                yield from _rows(_TRAFFIC, one["traffic"], named, "network.interface.")


def _is_used(traffic: Payload) -> bool:
    return any(one is not None and one["value"] for one in traffic.values())


def _rows(rows: Rows, values: Payload, attributes: Payload, prefix: str = "") -> Iterator[Payload]:
    for name, metric, text in rows:
        if values[name] is not None:
            yield _point(prefix + metric, text, values[name], attributes)


def _limit_events(events: Any, base: Payload) -> Iterator[Payload]:
    for one in events:
        where = {f"{ATTRIBUTE}limit.resource": one["resource"], f"{ATTRIBUTE}limit.event": one["event"]}
        yield _point("limit.event_count", "How often a limit was felt", one["count"], {**base, **where})


def _sampling(sampling: Payload, base: Payload) -> Iterator[Payload]:
    def processes(number: int) -> Payload:
        return {"value": number, "unit": "processes"}

    visible, sampled = sampling["visible_processes"], sampling["sampled_processes"]
    yield _point("process_sampling.visible_count", "Processes that were seen", processes(visible), base)
    yield _point("process_sampling.sampled_count", "Processes that could be asked", processes(sampled), base)
    for name, number in sampling["field_sampled_processes"].items():
        attributes = {**base, f"{ATTRIBUTE}field": name}
        text = "Processes that told the field"
        yield _point("process_sampling.field_sampled_count", text, processes(number), attributes)


def _point(name: str, description: str, measured: Payload, attributes: Payload) -> Payload:
    value = measured["value"]
    return {
        "name": PREFIX + name,
        "kind": "gauge",
        "value_type": "f64" if isinstance(value, float) else "u64",
        "value": value,
        "unit": measured["unit"],
        "description": description,
        "attributes": attributes,
        "boundaries": None,
    }
