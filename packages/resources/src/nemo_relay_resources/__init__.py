# SPDX-License-Identifier: Apache-2.0
"""What this process, its children and the machine use, as typed snapshots.

The runtime offers this as ``nemo_relay.resource_metrics``; its component ``resource_metrics`` must be active.

Everything that could
not be measured is None; counters are totals since the processes began; rates compare with the call before and are None
on the first. A forked child may go on collecting, with a first sample of its own; polling stays with its parent.

>>> import asyncio
>>> from nemo_relay import plugin, resource_metrics
>>> async def main():
...     async with plugin.activate({"components": [{"kind": "resource_metrics"}]}):
...         return await resource_metrics.collect()
>>> snapshot = asyncio.run(main())
>>> snapshot.memory.resident.unit
<CapacityUnit.KIBIBYTES: 'kibibytes'>
"""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-resources needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[resources]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-resources")

from typing import Any

from nemo_relay_resources.building import measurement as _measurement  # noqa: F401 - programs use it to read payloads
from nemo_relay_resources.building import snapshot as _snapshot
from nemo_relay_resources.snapshot import (
    AcceleratorDeviceMetrics,
    AcceleratorProcessMetrics,
    AcceleratorVendor,
    CpuMetrics,
    DiskMetrics,
    FilesystemCapacityMetrics,
    GpuMetrics,
    MeasurementScope,
    MeasurementValue,
    MemoryMetrics,
    NetworkInterfaceMetrics,
    NetworkMetrics,
    NetworkTrafficMetrics,
    OperatingSystem,
    ProcessMetrics,
    ProcessSamplingMetadata,
    ResourceLimitEventCount,
    ResourceLimitEventKind,
    ResourceLimitResource,
    ResourceMeasurement,
    ResourceMetricsSnapshot,
    UnitType,
)
from nemo_relay_resources.units import (
    BandwidthUnit,
    CapacityUnit,
    CountUnit,
    CpuUnit,
    DataUnit,
    DurationUnit,
    UtilizationUnit,
)

__all__ = [
    "AcceleratorDeviceMetrics",
    "AcceleratorProcessMetrics",
    "AcceleratorVendor",
    "BandwidthUnit",
    "CapacityUnit",
    "CountUnit",
    "CpuMetrics",
    "CpuUnit",
    "DataUnit",
    "DiskMetrics",
    "DurationUnit",
    "FilesystemCapacityMetrics",
    "GpuMetrics",
    "MeasurementScope",
    "MeasurementValue",
    "MemoryMetrics",
    "NetworkInterfaceMetrics",
    "NetworkMetrics",
    "NetworkTrafficMetrics",
    "OperatingSystem",
    "ProcessMetrics",
    "ProcessSamplingMetadata",
    "ResourceLimitEventCount",
    "ResourceLimitEventKind",
    "ResourceLimitResource",
    "ResourceMeasurement",
    "ResourceMetricsSnapshot",
    "UnitType",
    "UtilizationUnit",
    "collect",
]


async def collect() -> ResourceMetricsSnapshot:
    """Take a snapshot now, off the event loop.

    Returns:
        The groups that the component's configuration has switched on, in its units.

    Raises:
        InvalidArgument: the component is not active (a RuntimeError).
    """
    return _snapshot(await _collect_resource_metrics())


async def _collect_resource_metrics() -> dict[str, Any]:
    import asyncio

    from nemo_relay_resources import component

    return await asyncio.to_thread(component.collect)
