# SPDX-License-Identifier: Apache-2.0
"""Numbers in units, and payloads as dataclasses."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from nemo_relay import resource_metrics as rm
from nemo_relay_resources.units import measured


@pytest.mark.parametrize(
    ("base", "unit", "value"),
    [
        (90_000, "milliseconds", 90),
        (1_500, "milliseconds", 1.5),
        (120_000_000, "minutes", 2),
        (34_914_304, "megabytes", 34.914304),
        (2_048, "kibibytes", 2),
        (1_000, "bits_per_second", 8_000.0),
        (250_000.0, "megabits_per_second", 2.0),
        (0.5, "millicores", 500.0),
        (0, "bytes", 0),
    ],
)
def test_a_number_is_whole_where_that_is_exact(base: float, unit: str, value: float) -> None:
    made = measured(base, unit)
    assert made == {"value": value, "unit": unit}
    assert type(made["value"]) is type(value)


def test_what_was_not_measured_is_none() -> None:
    assert measured(None, "bytes") is None
    assert rm._measurement(None, rm.DataUnit) is None


def test_a_measurement_checks_its_unit() -> None:
    assert rm._measurement({"value": 1, "unit": "bytes"}, rm.DataUnit) == rm.ResourceMeasurement(1, rm.DataUnit.BYTES)
    with pytest.raises(ValueError, match="'threads' is not a valid DataUnit"):
        rm._measurement({"value": 1, "unit": "threads"}, rm.DataUnit)


def payload(**groups: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("process_sampling", "cpu", "memory", "process", "disk", "gpu", "network"))
    return {
        "timestamp": "2026-11-22T14:23:24.937267806Z",
        "operating_system": "linux",
        "measurement_scope": "global",
        **nothing,
        **groups,
    }


def test_a_snapshot_of_groups_switched_off() -> None:
    snapshot = rm._snapshot(payload())
    assert snapshot.timestamp == datetime(2026, 11, 22, 14, 23, 24, 937267, UTC)
    assert (snapshot.cpu, snapshot.network, snapshot.process_sampling) == (None, None, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.cpu = None  # type: ignore[misc]


def test_limit_events_are_typed() -> None:
    event = {"resource": "cpu", "event": "throttled", "count": {"value": 3, "unit": "events"}}
    snapshot = rm._snapshot(
        payload(cpu={"effective_limit": {"value": 0.5, "unit": "logical_processors"}, "limit_events": [event]})
    )
    assert snapshot.cpu is not None
    assert snapshot.cpu.effective_limit == rm.ResourceMeasurement(0.5, rm.CpuUnit.LOGICAL_PROCESSORS)
    assert snapshot.cpu.limit_events == [
        rm.ResourceLimitEventCount("cpu", "throttled", rm.ResourceMeasurement(3, rm.CountUnit.EVENTS))
    ]
    assert snapshot.cpu.user_time is None


FIELDS = {
    "CpuMetrics": "user_time system_time total_time consumption_rate throttled_time effective_limit "
    "some_pressure_stall_time full_pressure_stall_time limit_events",
    "MemoryMetrics": "system_used system_total system_available resident private physical_footprint virtual_memory "
    "peak_resident limit environment_accounted some_pressure_stall_time full_pressure_stall_time "
    "out_of_memory_event_count limit_events",
    "ProcessMetrics": "active_count descendant_count thread_count lifetime_creation_count open_file_descriptor_count "
    "windows_handle_count limit_events",
    "DiskMetrics": "read_data write_data read_throughput write_throughput read_operations write_operations filesystems",
    "NetworkTrafficMetrics": "received_data transmitted_data receive_throughput transmit_throughput received_packets "
    "transmitted_packets receive_errors transmit_errors",
    "ResourceMetricsSnapshot": "timestamp operating_system measurement_scope process_sampling cpu memory process disk "
    "gpu network",
    "AcceleratorProcessMetrics": "vendor device_identifier device_index process_id memory_used compute_utilization",
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_order_of_fields_is_published(name: str) -> None:
    assert [field.name for field in dataclasses.fields(getattr(rm, name))] == FIELDS[name].split()
