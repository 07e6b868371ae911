# SPDX-License-Identifier: Apache-2.0
"""From a payload (JSON) to the dataclasses of a snapshot."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from nemo_relay_resources import snapshot as types
from nemo_relay_resources.snapshot import ResourceMeasurement, ResourceMetricsSnapshot
from nemo_relay_resources.units import BandwidthUnit, CapacityUnit, CountUnit, CpuUnit, DataUnit, DurationUnit

Payload = dict[str, Any]
Group = TypeVar("Group")

# Which unit family the fields of a group have; what is not named here is a count.
_CPU = {
    "user_time": DurationUnit,
    "system_time": DurationUnit,
    "total_time": DurationUnit,
    "throttled_time": DurationUnit,
    "some_pressure_stall_time": DurationUnit,
    "full_pressure_stall_time": DurationUnit,
    "consumption_rate": CpuUnit,
    "effective_limit": CpuUnit,
}
_MEMORY = {
    **dict.fromkeys(("system_used", "system_total", "system_available", "resident", "private"), CapacityUnit),
    **dict.fromkeys(("physical_footprint", "virtual_memory", "peak_resident", "limit"), CapacityUnit),
    "environment_accounted": CapacityUnit,
    "some_pressure_stall_time": DurationUnit,
    "full_pressure_stall_time": DurationUnit,
}
_TRANSFER = {
    **dict.fromkeys(("read_data", "write_data", "received_data", "transmitted_data"), DataUnit),
    **dict.fromkeys(("read_throughput", "write_throughput"), BandwidthUnit),
    **dict.fromkeys(("receive_throughput", "transmit_throughput"), BandwidthUnit),
}


def measurement(value: Any, unit_type: Any) -> Any:
    """``{"value", "unit"}`` as a ResourceMeasurement; None stays None.

    Raises:
        ValueError: the unit is none of ``unit_type``.
    """
    return None if value is None else ResourceMeasurement(value["value"], unit_type(value["unit"]))


def snapshot(payload: Payload) -> ResourceMetricsSnapshot:
    """The whole payload."""
    network = payload.get("network")
    sampling = payload.get("process_sampling")
    return ResourceMetricsSnapshot(
        timestamp=datetime.fromisoformat(payload["timestamp"]),
        operating_system=payload["operating_system"],
        measurement_scope=payload["measurement_scope"],
        process_sampling=None if sampling is None else types.ProcessSamplingMetadata(**sampling),
        cpu=_limited(types.CpuMetrics, payload.get("cpu"), _CPU),
        memory=_limited(types.MemoryMetrics, payload.get("memory"), _MEMORY),
        process=_limited(types.ProcessMetrics, payload.get("process"), {}),
        disk=_disk(payload.get("disk")),
        gpu=None if payload.get("gpu") is None else types.GpuMetrics(**payload["gpu"]),
        network=None if network is None else _network(network),
    )


def _numbers(kind: type[Any], payload: Payload, units: dict[str, Any], **others: Any) -> Any:
    numbers = {
        one.name: measurement(payload.get(one.name), units.get(one.name, CountUnit))
        for one in fields(kind)
        if one.name not in others
    }
    return kind(**numbers, **others)


def _limited(kind: type[Group], payload: Payload | None, units: dict[str, Any]) -> Group | None:
    if payload is None:
        return None
    events = [
        types.ResourceLimitEventCount(one["resource"], one["event"], measurement(one["count"], CountUnit))
        for one in payload["limit_events"]
    ]
    made: Group = _numbers(kind, payload, units, limit_events=events)
    return made


def _disk(payload: Payload | None) -> types.DiskMetrics | None:
    if payload is None:
        return None
    capacities = ("total_capacity", "available_capacity", "free_capacity")
    systems = [
        types.FilesystemCapacityMetrics(one["path"], *(measurement(one[name], CapacityUnit) for name in capacities))
        for one in payload["filesystems"]
    ]
    made: types.DiskMetrics = _numbers(types.DiskMetrics, payload, _TRANSFER, filesystems=systems)
    return made


def _network(payload: Payload) -> types.NetworkMetrics:
    def traffic(one: Payload) -> types.NetworkTrafficMetrics:
        made: types.NetworkTrafficMetrics = _numbers(types.NetworkTrafficMetrics, one, _TRANSFER)
        return made

    return types.NetworkMetrics(
        payload["measurement_scope"],
        traffic(payload["system"]),
        [types.NetworkInterfaceMetrics(one["name"], traffic(one["traffic"])) for one in payload["interfaces"]],
    )
