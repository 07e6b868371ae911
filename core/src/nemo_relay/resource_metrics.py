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

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nemo_relay.errors import MissingExtra

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


def __getattr__(name: str) -> Any:
    if name not in __all__ and name not in _READERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        package = import_module("nemo_relay_resources")
    except ModuleNotFoundError as error:
        if error.name != "nemo_relay_resources":
            raise
        raise MissingExtra(f"{__name__}.{name}", "nemo-relay-resources", "resources") from None
    value = globals()[name] = getattr(package, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
