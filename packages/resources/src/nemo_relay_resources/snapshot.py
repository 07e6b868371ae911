# SPDX-License-Identifier: Apache-2.0
"""A snapshot as dataclasses. What could not be measured is None, never zero."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypeVar

from nemo_relay_resources.units import (
    BandwidthUnit,
    CapacityUnit,
    CountUnit,
    CpuUnit,
    DataUnit,
    DurationUnit,
    UtilizationUnit,
)

OperatingSystem: TypeAlias = Literal["linux", "macos", "windows", "unsupported"]
MeasurementScope: TypeAlias = Literal["global", "application_process", "process_tree"]
ResourceLimitResource: TypeAlias = Literal["cpu", "memory", "processes"]
ResourceLimitEventKind: TypeAlias = Literal["throttled", "high", "maximum", "out_of_memory", "terminated"]
AcceleratorVendor: TypeAlias = Literal["nvidia", "amd", "intel", "apple", "other"]

MeasurementValue = TypeVar("MeasurementValue", int, float, int | float)
UnitType = TypeVar("UnitType", DurationUnit, CapacityUnit, DataUnit, BandwidthUnit, CpuUnit, UtilizationUnit, CountUnit)


@dataclass(frozen=True)
class ResourceMeasurement(Generic[MeasurementValue, UnitType]):
    """A number and its unit."""

    value: MeasurementValue
    unit: UnitType


Number: TypeAlias = int | float
Duration: TypeAlias = ResourceMeasurement[Number, DurationUnit] | None
Capacity: TypeAlias = ResourceMeasurement[Number, CapacityUnit] | None
Data: TypeAlias = ResourceMeasurement[Number, DataUnit] | None
Bandwidth: TypeAlias = ResourceMeasurement[Number, BandwidthUnit] | None
Cpu: TypeAlias = ResourceMeasurement[Number, CpuUnit] | None
Utilization: TypeAlias = ResourceMeasurement[Number, UtilizationUnit] | None
Count: TypeAlias = ResourceMeasurement[Number, CountUnit] | None


@dataclass(frozen=True)
class ResourceLimitEventCount:
    """How often the environment's limit on a resource was felt."""

    resource: ResourceLimitResource
    event: ResourceLimitEventKind
    count: Count


@dataclass(frozen=True)
class AcceleratorDeviceMetrics:
    """One accelerator."""

    vendor: AcceleratorVendor
    device_identifier: str
    device_index: int | None
    memory_used: Capacity
    compute_utilization: Utilization


@dataclass(frozen=True)
class AcceleratorProcessMetrics:
    """One process on one accelerator."""

    vendor: AcceleratorVendor
    device_identifier: str
    device_index: int | None
    process_id: int
    memory_used: Capacity
    compute_utilization: Utilization


@dataclass(frozen=True)
class FilesystemCapacityMetrics:
    """One file system. ``available`` is what an ordinary user may still write."""

    path: str
    total_capacity: Capacity
    available_capacity: Capacity
    free_capacity: Capacity


@dataclass(frozen=True)
class CpuMetrics:
    """Processor time of the processes in scope, and the limits on it."""

    user_time: Duration
    system_time: Duration
    total_time: Duration
    consumption_rate: Cpu
    throttled_time: Duration
    effective_limit: Cpu
    some_pressure_stall_time: Duration
    full_pressure_stall_time: Duration
    limit_events: list[ResourceLimitEventCount]


@dataclass(frozen=True)
class MemoryMetrics:
    """Memory of the machine and of the processes in scope, and the limits on it."""

    system_used: Capacity
    system_total: Capacity
    system_available: Capacity
    resident: Capacity
    private: Capacity
    physical_footprint: Capacity
    virtual_memory: Capacity
    peak_resident: Capacity
    limit: Capacity
    environment_accounted: Capacity
    some_pressure_stall_time: Duration
    full_pressure_stall_time: Duration
    out_of_memory_event_count: Count
    limit_events: list[ResourceLimitEventCount]


@dataclass(frozen=True)
class ProcessMetrics:
    """How many processes, threads and open files there are."""

    active_count: Count
    descendant_count: Count
    thread_count: Count
    lifetime_creation_count: Count
    open_file_descriptor_count: Count
    windows_handle_count: Count
    limit_events: list[ResourceLimitEventCount]


@dataclass(frozen=True)
class DiskMetrics:
    """What the processes in scope read and wrote, and how full file systems are."""

    read_data: Data
    write_data: Data
    read_throughput: Bandwidth
    write_throughput: Bandwidth
    read_operations: Count
    write_operations: Count
    filesystems: list[FilesystemCapacityMetrics]


@dataclass(frozen=True)
class GpuMetrics:
    """Accelerators; None where nothing can read them."""

    device_metrics: list[AcceleratorDeviceMetrics] | None
    process_metrics: list[AcceleratorProcessMetrics] | None


@dataclass(frozen=True)
class NetworkTrafficMetrics:
    """What went over one interface, or over all."""

    received_data: Data
    transmitted_data: Data
    receive_throughput: Bandwidth
    transmit_throughput: Bandwidth
    received_packets: Count
    transmitted_packets: Count
    receive_errors: Count
    transmit_errors: Count


@dataclass(frozen=True)
class NetworkInterfaceMetrics:
    """One interface."""

    name: str
    traffic: NetworkTrafficMetrics


@dataclass(frozen=True)
class NetworkMetrics:
    """The machine's network; always of the whole machine."""

    measurement_scope: MeasurementScope
    system: NetworkTrafficMetrics
    interfaces: list[NetworkInterfaceMetrics]


@dataclass(frozen=True)
class ProcessSamplingMetadata:
    """How many processes there were, how many could be asked, and how many of those told each field."""

    visible_processes: int
    sampled_processes: int
    field_sampled_processes: dict[str, int]


@dataclass(frozen=True)
class ResourceMetricsSnapshot:
    """One moment. A group that the configuration switches off is None."""

    timestamp: datetime
    operating_system: OperatingSystem
    measurement_scope: MeasurementScope
    process_sampling: ProcessSamplingMetadata | None
    cpu: CpuMetrics | None
    memory: MemoryMetrics | None
    process: ProcessMetrics | None
    disk: DiskMetrics | None
    gpu: GpuMetrics | None
    network: NetworkMetrics | None
