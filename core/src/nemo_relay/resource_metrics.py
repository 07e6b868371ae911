# SPDX-License-Identifier: Apache-2.0
"""What this process, its children and the machine use, as typed snapshots.

The component ``resource_metrics`` must be active. All of it is ``nemo_relay_resources``, a distribution of its own
(the extra ``resources``); without it any name asked for here raises ``MissingExtra``, an ImportError.

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

from typing import TYPE_CHECKING

from nemo_relay.siblings import names_of

if TYPE_CHECKING:
    from nemo_relay_resources import (
        AcceleratorDeviceMetrics,
        AcceleratorProcessMetrics,
        AcceleratorVendor,
        BandwidthUnit,
        CapacityUnit,
        CountUnit,
        CpuMetrics,
        CpuUnit,
        DataUnit,
        DiskMetrics,
        DurationUnit,
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
        UtilizationUnit,
        collect,
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
_READERS = ("_measurement", "_snapshot")  # programs use them to read payloads


__getattr__ = names_of("nemo_relay_resources", "resources", (*__all__, *_READERS), globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
