# SPDX-License-Identifier: Apache-2.0
"""The units of measurements, and how a raw number gets into one."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypedDict


class DurationUnit(StrEnum):
    """Of processor and stall times."""

    MICROSECONDS = "microseconds"
    MILLISECONDS = "milliseconds"
    SECONDS = "seconds"
    MINUTES = "minutes"


class CapacityUnit(StrEnum):
    """Of memory and file systems."""

    BYTES = "bytes"
    KILOBYTES = "kilobytes"
    MEGABYTES = "megabytes"
    GIGABYTES = "gigabytes"
    TERABYTES = "terabytes"
    KIBIBYTES = "kibibytes"
    MEBIBYTES = "mebibytes"
    GIBIBYTES = "gibibytes"
    TEBIBYTES = "tebibytes"


class DataUnit(StrEnum):
    """Of what was read, written or transferred."""

    BYTES = "bytes"
    KILOBYTES = "kilobytes"
    MEGABYTES = "megabytes"
    GIGABYTES = "gigabytes"
    TERABYTES = "terabytes"
    KIBIBYTES = "kibibytes"
    MEBIBYTES = "mebibytes"
    GIBIBYTES = "gibibytes"
    TEBIBYTES = "tebibytes"


class BandwidthUnit(StrEnum):
    """Of data over time."""

    BYTES_PER_SECOND = "bytes_per_second"
    KIBIBYTES_PER_SECOND = "kibibytes_per_second"
    MEBIBYTES_PER_SECOND = "mebibytes_per_second"
    GIBIBYTES_PER_SECOND = "gibibytes_per_second"
    BITS_PER_SECOND = "bits_per_second"
    MEGABITS_PER_SECOND = "megabits_per_second"
    GIGABITS_PER_SECOND = "gigabits_per_second"


class CpuUnit(StrEnum):
    """Of processing capacity; a millicore is a thousandth of a logical processor."""

    LOGICAL_PROCESSORS = "logical_processors"
    MILLICORES = "millicores"


class UtilizationUnit(StrEnum):
    """Of how busy something is."""

    PERCENTAGE = "percentage"
    FRACTION = "fraction"


class CountUnit(StrEnum):
    """Of things that are counted."""

    PROCESSES = "processes"
    THREADS = "threads"
    FILE_DESCRIPTORS = "file_descriptors"
    HANDLES = "handles"
    EVENTS = "events"
    OPERATIONS = "operations"
    PACKETS = "packets"
    ERRORS = "errors"


class Measured(TypedDict):
    """One number with its unit, as JSON."""

    value: float
    unit: str


# How many base units one unit is: microseconds, bytes, bytes per second, logical processors.
_K, _KI = 1_000, 1_024
_FACTORS: dict[str, float] = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "bytes": 1,
    "kilobytes": _K,
    "megabytes": _K**2,
    "gigabytes": _K**3,
    "terabytes": _K**4,
    "kibibytes": _KI,
    "mebibytes": _KI**2,
    "gibibytes": _KI**3,
    "tebibytes": _KI**4,
    "bytes_per_second": 1,
    "kibibytes_per_second": _KI,
    "mebibytes_per_second": _KI**2,
    "gibibytes_per_second": _KI**3,
    "bits_per_second": 1 / 8,
    "megabits_per_second": _K**2 / 8,
    "gigabits_per_second": _K**3 / 8,
    "logical_processors": 1,
    "millicores": 1 / 1_000,
}


def measured(base: float | None, unit: str) -> Measured | None:
    """``base``, in base units, as a measurement in ``unit``: whole where it is exact. None stays None."""
    if base is None:
        return None
    factor = _FACTORS.get(unit, 1)
    if isinstance(base, int) and isinstance(factor, int):
        return {"value": base // factor if base % factor == 0 else base / factor, "unit": unit}
    return {"value": base / factor, "unit": unit}


def counted(number: int | None, unit: CountUnit) -> Measured | None:
    """A count. None stays None."""
    return None if number is None else {"value": number, "unit": unit.value}


Payload = dict[str, Any]
